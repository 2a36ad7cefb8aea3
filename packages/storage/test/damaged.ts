/**
 * A repository that is damaged, and what was in it before: what is read afterwards is that, or an error that says what is wrong.
 *
 * @module
 */
import { equal } from '@datakit/git/bytes'
import { GitError } from '@datakit/git/error'
import { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import type { PackObject } from '@datakit/git/pack/write-pack'
import type { LogEntry, Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { collect, done, move, noise, oid, request, stage } from './samples.ts'

const REFS = ['main', 'side', 'a/b', 'topic'].map((name) => `refs/heads/${name}`)

/** What a repository was when nothing was wrong. */
export interface Written {
  readonly refs: Map<string, Oid>
  readonly objects: Map<Oid, Uint8Array>
  readonly logs: Map<string, LogEntry[]>
}

/** A whole number from 0 up to `end`, which it does not reach. */
export type Draw = (end: number) => number

/** Fills a new repository with packs large and small, in updates of several branches. */
export async function writeAtRandom(place: Place, draw: Draw): Promise<Written> {
  const written: Written = {
    refs: new Map(),
    objects: new Map(),
    logs: new Map(),
  }
  for (let i = 0; i < 6; i++) {
    const objects: (PackObject & { oid: Oid })[] = []
    for (let k = draw(3); k >= 0; k--)
      objects.push(noise(draw(4) === 0 ? 300_000 : 2000, i * 10 + k))
    const ref = REFS[draw(REFS.length)] ?? ''
    const left = draw(3) === 0 ? [oid(5000 + i)] : []
    const promised = { add: left, remote: 'origin' }
    const wish = request([move(ref, written.refs.get(ref), oid(100 + i))], {
      addPacks: [await stage(place, objects)],
      promised,
    })
    await done(place, wish)
    written.refs.set(ref, oid(100 + i))
    for (const { oid: name, body } of objects) written.objects.set(name, body)
  }
  for (const ref of written.refs.keys()) written.logs.set(ref, await collect(place.log(ref)))
  return written
}

/** What is wrong with what is read: something else than was written, and nobody said so. */
export async function lies(place: Place, written: Written): Promise<string[]> {
  const found: string[] = []
  const look = async (what: string, work: () => Promise<boolean>): Promise<void> => {
    try {
      if (!(await work())) found.push(what)
    } catch (error) {
      if (!(error instanceof GitError)) found.push(`${what}: ${String(error)}`)
    }
  }
  for (const [ref, at] of written.refs)
    await look(ref, async () => (await (await place.read()).ref(ref)) === at)
  await look('refs', async () => {
    const refs = await collect((await place.read()).refs())
    return (
      refs.length === written.refs.size &&
      refs.every(({ name, oid: at }) => written.refs.get(name) === at)
    )
  })
  for (const [name, body] of written.objects)
    await look(`object ${name}`, async () => {
      const objects = await Objects.open(place, portableRuntime)
      return equal((await objects.read(name)).body, body)
    })
  for (const [ref, log] of written.logs)
    await look(`log of ${ref}`, async () => isPartOf(await collect(place.log(ref)), log))
  return found
}

/** Commits to a branch of its own, and expects that to be there where it was told so. */
export async function goOn(place: Place, written: Written): Promise<string[]> {
  const [ref, content] = ['refs/heads/later', noise(3000, 99)]
  try {
    const addPacks = [await stage(place, [content])]
    const outcome = await place.update(request([move(ref, undefined, oid(999))], { addPacks }))
    if (outcome.state !== 'done') return [`going on: ${outcome.state}`]
    written.refs.set(ref, oid(999))
    written.objects.set(content.oid, content.body)
    return []
  } catch (error) {
    return error instanceof GitError ? [] : [`going on: ${String(error)}`]
  }
}

/** Whether all lines are some of those that were written, in their order: one that is lost is not missed. */
function isPartOf(found: readonly LogEntry[], written: readonly LogEntry[]): boolean {
  const say = ({ from, to, who, at, why }: LogEntry): string =>
    JSON.stringify([from, to, who, at, why])
  const words = found.map(say)
  const left = written.map(say)
  return words.every((line) => {
    const at = left.indexOf(line)
    left.splice(0, at + 1)
    return at >= 0
  })
}
