import { describe, expect, it } from 'vitest'
import type { Oid } from '@datakit/git/oid'
import { countAhead, type Knot } from './ahead.ts'

/** Commits by letter, each with the letters of its parents; later letters are newer. */
function graph(parents: Readonly<Record<string, string>>): (oid: Oid) => Promise<Knot> {
  const generation = (name: string): number =>
    1 + Math.max(0, ...[...(parents[name] ?? '')].map(generation))
  return async (oid) => ({
    oid,
    parents: [...(parents[oid] ?? '')] as Oid[],
    time: oid.charCodeAt(0),
    generation: generation(oid),
  })
}

function count(
  parents: Readonly<Record<string, string>>,
  ours: string,
  theirs: string,
): Promise<number> {
  return countAhead(graph(parents), [...ours] as Oid[], [...theirs] as Oid[])
}

describe('the commits that the server has not got', () => {
  const line = { a: '', b: 'a', c: 'b', d: 'c' }

  it('are those after where the server is', async () => {
    expect(await count(line, 'd', 'b')).toBe(2)
    expect(await count(line, 'd', 'd')).toBe(0)
    expect(await count(line, 'b', 'd')).toBe(0)
  })

  it('are all while the server has none', async () => {
    expect(await count(line, 'd', '')).toBe(4)
    expect(await count(line, '', 'd')).toBe(0)
  })

  it('leave out what a merge brought from the server, and count a commit once', async () => {
    const merged = { a: '', b: 'a', c: 'a', d: 'bc', e: 'd' }
    expect(await count(merged, 'e', 'b')).toBe(3)
    expect(await count(merged, 'ed', 'bc')).toBe(2)
  })

  it('are counted in slices of the thread, however many there are', async () => {
    const { port1, port2 } = new MessageChannel()
    let keys = 0
    port1.addEventListener('message', () => {
      keys++
      port2.postMessage('key')
    })
    port1.start()
    port2.postMessage('key')
    // Reads that never wait for anything, as those of commits in memory do not.
    const read = async (oid: Oid): Promise<Knot> => {
      const end = performance.now() + 0.5
      while (performance.now() < end);
      const at = Number(oid)
      return { oid, parents: at === 0 ? [] : [String(at - 1) as Oid], time: at, generation: at + 1 }
    }
    expect(await countAhead(read, ['300' as Oid], ['0' as Oid])).toBe(300)
    port1.close()
    expect(keys).toBeGreaterThan(10)
  })

  it('need no more reads than there are heads and commits ahead', async () => {
    let reads = 0
    const commit = graph(line)
    const heads = Array.from({ length: 5000 }, (_, i) => `head-${i}` as Oid)
    const read = async (oid: Oid): Promise<Knot> => {
      reads++
      return oid.startsWith('head-') ? { oid, parents: [], time: 0, generation: 1 } : commit(oid)
    }
    expect(await countAhead(read, ['d' as Oid], ['b' as Oid, ...heads])).toBe(2)
    expect(reads).toBeLessThan(5005)
  })
})
