/**
 * The page of the kill test: checks what the page before it left, tells the test, then commits, syncs, clones, compacts and
 * sweeps until its process is killed.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Place } from '@datakit/git/place'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { compact } from '@datakit/storage/maintenance'

/** What a page tells the test. */
export interface KillNews {
  /** `found`: what was there. Then what is under way, or was done. */
  readonly what: 'found' | 'committed' | 'syncing' | 'cloning' | 'compacting' | 'sweeping'
  /** Commits that there are. */
  readonly commits: number
  /** What is wrong; empty when nothing is. */
  readonly problem: string
}

const url = new URL(location.href).searchParams.get('remote') ?? ''

/** What a commit writes beside its number; now and then more than waits in memory. */
function contentOf(number: number): string {
  const size = number % 7 === 0 ? 400_000 : 200 + ((number * 7919) % 20_000)
  let state = number
  const next = (): string => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state.toString(36)
  }
  return Array.from({ length: Math.ceil(size / 7) }, next).join('\n')
}

async function open(name: string): Promise<{ place: Place; repository: Repository }> {
  const place = await openIndexedDbPlace(name)
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  return { place, repository: await Repository.open(place, { runtime: portableRuntime, identity }) }
}

/** Commits whose files are read. */
const LATEST = 40

/** How many commits `main` has, after all were read, and the files of the latest. @throws what cannot be read */
async function countCommits(repository: Repository): Promise<number> {
  const head = await repository.branch('main').oid()
  if (head === undefined) return 0
  const commits: Oid[] = []
  for await (const { oid } of repository.log(head)) commits.push(oid)
  for (const [i, oid] of commits.slice(0, LATEST).entries()) {
    const number = commits.length - i
    const snapshot = await repository.snapshot(oid)
    const counter = new TextDecoder().decode(await snapshot.read('counter'))
    const content = new TextDecoder().decode(await snapshot.read('a/content'))
    if (counter !== String(number)) throw new Error(`commit ${number} counts ${counter}`)
    if (content !== contentOf(number)) throw new Error(`commit ${number} has other content`)
  }
  return commits.length
}

async function main(): Promise<void> {
  const { place, repository } = await open('kill')
  const commits = await countCommits(repository)
  // A clone that was cut off is none, or all of what there was.
  const clone = await open('clone')
  await countCommits(clone.repository)
  await clone.place.close()
  await tell('found', commits)
  for (let number = commits + 1; ; number++) {
    await commit(repository, number)
    void tell('committed', number)
    if (number % 3 === 0) {
      void tell('syncing', number)
      await sync(repository, { url })
    }
    if (number % 4 === 0) await cloneAnew(number)
    if (number % 5 === 0) {
      void tell('compacting', number)
      await compact(place, portableRuntime)
    }
    if (number % 8 === 0) {
      void tell('sweeping', number)
      await place.sweep({ grace: 0 })
    }
  }
}

async function commit(repository: Repository, number: number): Promise<void> {
  const transaction = await repository.branch('main').transaction()
  await transaction.write('counter', String(number))
  await transaction.write('a/content', contentOf(number))
  const outcome = await transaction.commit({ message: `commit ${number}` })
  if (outcome.state !== 'committed') throw new Error(`commit ${number} is ${outcome.state}`)
}

async function cloneAnew(number: number): Promise<void> {
  void tell('cloning', number)
  await new Promise<void>((resolve, reject) => {
    const deletion = indexedDB.deleteDatabase('clone')
    deletion.addEventListener('success', () => resolve())
    deletion.addEventListener('error', () => reject(new Error('not deleted')))
  })
  const { place, repository } = await open('clone')
  await sync(repository, { url })
  await countCommits(repository)
  await place.close()
}

async function tell(what: KillNews['what'], commits: number, problem = ''): Promise<void> {
  const news: KillNews = { what, commits, problem }
  await fetch('/news', { method: 'POST', body: JSON.stringify(news) })
}

main().catch((error: unknown) => tell('found', -1, String(error)))
