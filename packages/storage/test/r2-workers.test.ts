/**
 * R2 shared by several isolates, and killed in the middle of updates: real workerd over one bucket on disk.
 *
 * The second test was seen to fail with the receipt left out of the root (`receipts` unchanged in `change.ts`).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { cases, random } from '../../git/test/seed.ts'
import { randomId } from '../src/update.ts'
import type { CommitWish, Look, MoveWish } from './r2-worker.ts'
import { move, oid } from './samples.ts'

const directories: string[] = []
const hosts: Host[] = []

afterEach(() => {
  for (const host of hosts.splice(0)) host.kill()
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

/** Workers over one bucket. */
interface Host {
  readonly urls: readonly string[]
  /** Kills workerd and what runs it, at once. */
  kill(): void
}

async function startHost(directory: string, isolates: number): Promise<Host> {
  const script = fileURLToPath(new URL('r2-host.ts', import.meta.url))
  // In a process group of its own, so that workerd dies in the same moment.
  const child = spawn(process.execPath, [script, directory, String(isolates)], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const host = { urls: await firstLines(child, isolates), kill: () => killGroup(child) }
  hosts.push(host)
  return host
}

async function firstLines(child: ChildProcess, count: number): Promise<string[]> {
  const lines: string[] = []
  if (!child.stdout) throw new Error('Expected to hear from the host')
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('http')) lines.push(line)
    if (lines.length === count) return lines
  }
  throw new Error('The host ended before its Workers were there')
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It was killed before and its end was not seen yet.
  }
}

async function ask<T>(url: string | undefined, path: string, body: unknown): Promise<T> {
  const response = await fetch(new URL(path, url), { method: 'POST', body: JSON.stringify(body) })
  const answer: unknown = await response.json()
  if (!response.ok) throw new Error(JSON.stringify(answer))
  // Our own Worker, which says what the caller asked for.
  return answer as T
}

type Outcome = { readonly state: string; readonly retryAfter?: number }

/** Asks again until the outcome is known. */
async function settle(
  url: string | undefined,
  wish: CommitWish | MoveWish,
  path = 'refs' in wish ? 'move' : 'commit',
): Promise<string> {
  for (;;) {
    const { state, retryAfter } = await ask<Outcome>(url, path, wish)
    if (state === 'done' || state === 'lost') return state
    await new Promise((resolve) => setTimeout(resolve, retryAfter ?? 10))
  }
}

it('lets exactly one of 32 writers in four isolates win each round, and loses nothing of those who retry', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'r2-isolates-'))
  directories.push(directory)
  const { urls } = await startHost(directory, 4)
  const repository = 'team/config'
  let before: string | undefined
  for (let round = 0; round < 5; round++) {
    const wishes = Array.from({ length: 32 }, (_, i) => {
      return {
        repository,
        id: randomId(),
        ref: 'refs/heads/main',
        before,
        text: `round ${round} writer ${i}`,
      }
    })
    const outcomes = await Promise.all(wishes.map((wish, i) => settle(urls[i % 4], wish)))
    expect(outcomes.filter((state) => state === 'done')).toHaveLength(1)
    before = wishes[outcomes.indexOf('done')]?.text
  }
  const own = Array.from({ length: 32 }, (_, i) => {
    return {
      repository,
      id: randomId(),
      ref: `refs/heads/own-${i}`,
      before: undefined,
      text: `own ${i}`,
    }
  })
  const outcomes = await Promise.all(own.map((wish, i) => settle(urls[i % 4], wish)))
  expect(new Set(outcomes)).toEqual(new Set(['done']))
  const look = await ask<Look>(urls[0], 'look', { repository, ids: [] })
  expect(look.refs['refs/heads/main']).toBe(before)
  expect(look.log['refs/heads/main']).toBe(5)
  for (const { ref, text } of own) expect(look.refs[ref]).toBe(text)
})

it('shows other isolates a change of many refs whole or not at all', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'r2-whole-'))
  directories.push(directory)
  const { urls } = await startHost(directory, 3)
  const repository = 'team/config'
  // So many that they go into a table of their own each time.
  const names = Array.from({ length: 400 }, (_, i) => `refs/heads/topic-${i}`)
  const moveAll = async (from: number, to: number) => {
    const before = from === 0 ? undefined : oid(from)
    const refs = names.map((name) => move(name, before, oid(to)))
    expect(await settle(urls[0], { repository, id: randomId(), refs })).toBe('done')
  }
  await moveAll(0, 1)
  let writing = true
  const seen = new Set<string>()
  const readers = [urls[1], urls[2]].map(async (url) => {
    while (writing) {
      const oids = await ask<string[]>(url, 'refs', { repository })
      expect(oids).toEqual(names.map(() => oids[0]))
      seen.add(oids[0] ?? '')
    }
  })
  for (let i = 1; i <= 20; i++) await moveAll(i, i + 1)
  writing = false
  await Promise.all(readers)
  console.log(`r2-workers.test.ts: ${seen.size} of 21 states seen`)
  expect(seen.size).toBeGreaterThan(2)
})

// Seen to fail with losses put into the root: the version counts one swap for each loser, at a second apiece.
it('takes one root a second from three isolates, and none for those who lose', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'r2-interval-'))
  directories.push(directory)
  const { urls } = await startHost(directory, 3)
  const repository = 'team/config'
  const writer = (i: number, ref: string) => {
    const wish = { repository, id: randomId(), ref, before: undefined, text: `${ref} ${i}` }
    return settle(urls[i % 3], wish, 'commit?interval=1000')
  }
  const six = Array.from({ length: 6 }, (_, i) => i)
  const start = Date.now()
  const outcomes = await Promise.all(six.map((i) => writer(i, 'refs/heads/main')))
  expect(outcomes.toSorted()).toEqual(['done', 'lost', 'lost', 'lost', 'lost', 'lost'])
  const own = await Promise.all(six.map((i) => writer(i, `refs/heads/own-${i}`)))
  expect(new Set(own)).toEqual(new Set(['done']))
  const { version } = await ask<Look>(urls[0], 'look', { repository, ids: [] })
  expect(version).toMatch(/\.7$/)
  console.log(`r2-workers.test.ts: 7 updates in ${Date.now() - start} ms`)
  expect(Date.now() - start).toBeGreaterThan(6000)
})

/** One writer's ref: what was acknowledged last, and the wish that nobody answered. */
interface Line {
  readonly ref: string
  acknowledged: string | undefined
  count: number
  open: CommitWish | undefined
}

it('survives SIGKILL in the middle of updates, eight times', async () => {
  const next = random(cases(8).seed)
  const directory = mkdtempSync(join(tmpdir(), 'r2-kill-'))
  directories.push(directory)
  const repository = 'team/config'
  const lines: Line[] = [0, 1, 2].map((i) => {
    return { ref: `refs/heads/line-${i}`, acknowledged: undefined, count: 0, open: undefined }
  })
  let unanswered = 0
  for (let round = 0; round < 8; round++) {
    const host = await startHost(directory, 2)
    await check(host, repository, lines)
    const writing = lines.map((line, i) => write(host.urls[i % 2], repository, line))
    await new Promise((resolve) => setTimeout(resolve, 100 + 500 * next()))
    host.kill()
    await Promise.all(writing)
    unanswered += lines.filter(({ open }) => open).length
  }
  await check(await startHost(directory, 2), repository, lines)
  const total = lines.reduce((sum, { count }) => sum + count, 0)
  console.log(`r2-workers.test.ts: ${total} commits acknowledged, ${unanswered} cut off`)
  expect(total).toBeGreaterThan(16)
  expect(unanswered).toBeGreaterThan(0)
})

/** Commits to one ref, one after the other, until the Worker is gone. */
async function write(url: string | undefined, repository: string, line: Line): Promise<void> {
  for (;;) {
    const wish = {
      repository,
      id: randomId(),
      ref: line.ref,
      before: line.acknowledged,
      text: `${line.ref} ${randomId()}`,
    }
    line.open = wish
    const state = await settle(url, wish).catch(() => 'gone')
    if (state === 'gone') return
    expect(state).toBe('done')
    acknowledge(line, wish)
  }
}

function acknowledge(line: Line, wish: CommitWish): void {
  line.acknowledged = wish.text
  line.count++
  line.open = undefined
}

/** Everything that was acknowledged is there; what was cut off happened whole or not at all, and can be asked again. */
async function check({ urls }: Host, repository: string, lines: readonly Line[]): Promise<void> {
  const ids = lines.flatMap(({ open }) => open?.id ?? [])
  const look = await ask<Look>(urls[0], 'look', { repository, ids })
  for (const line of lines) {
    const { ref, open } = line
    const happened = open !== undefined && look.receipts[open.id] === 'done'
    expect(look.refs[ref]).toBe(happened ? open.text : line.acknowledged)
    expect(look.log[ref] ?? 0).toBe(line.count + (happened ? 1 : 0))
    if (!open) continue
    expect(await settle(urls[1], open)).toBe('done')
    acknowledge(line, open)
  }
  const again = await ask<Look>(urls[0], 'look', { repository, ids: [] })
  for (const { ref, acknowledged, count } of lines) {
    expect(again.refs[ref]).toBe(acknowledged)
    expect(again.log[ref] ?? 0).toBe(count)
  }
}
