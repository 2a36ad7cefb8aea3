/**
 * A tab that works on a repository together with others; the tests tell it what to do.
 *
 * @module
 */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { UnavailableError } from '@datakit/git/error'
import { Repository } from '@datakit/datakit/repository'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { compact } from '@datakit/storage/maintenance'

async function open(name: string): Promise<Repository> {
  const place = await openIndexedDbPlace(name)
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  return Repository.open(place, { runtime: portableRuntime, identity })
}

/** Writes and commits; false when others were faster all the time. */
async function isWritten(repository: Repository, path: string, text: string): Promise<boolean> {
  try {
    await write(repository, path, text)
    return true
  } catch (error) {
    if (error instanceof UnavailableError) return false
    throw error
  }
}

async function write(repository: Repository, path: string, text: string): Promise<void> {
  const transaction = await repository.branch('main').transaction()
  await transaction.write(path, text)
  const outcome = await transaction.commit({ message: `${path} is ${text}` })
  if (outcome.state !== 'committed') throw new Error(`${path} ${text}: ${outcome.state}`)
}

/** Looks how far the counters of all tabs are; gives those that went back. */
async function takeBack(repository: Repository, seen: Map<string, number>): Promise<string[]> {
  const snapshot = await repository.branch('main').head()
  const back: string[] = []
  for (const { name } of (await snapshot?.list('')) ?? []) {
    const count = Number(await snapshot?.readText(name))
    if (count < (seen.get(name) ?? 0)) back.push(`${name} went back to ${count}`)
    seen.set(name, count)
  }
  return back
}

/** What the tests call. */
const tab = {
  /** Makes so many commits, each of which counts a file of one's own up. */
  async count(name: string, path: string, commits: number): Promise<void> {
    const repository = await open(name)
    for (let i = 1; i <= commits; i++) {
      // Whoever has to merge is slower than whoever has not, and is told to come again if the other one never pauses.
      while (!(await isWritten(repository, path, String(i))));
    }
    await repository.close()
  },

  /**
   * Commits without pause for so many milliseconds, and after each looks whether what all tabs had committed before is still there.
   * Gives how many commits there were, the longest that one had to wait for its turn, in milliseconds, and what was missing.
   */
  async work(
    name: string,
    path: string,
    duration: number,
  ): Promise<{ commits: number; longest: number; lost: readonly string[] }> {
    const repository = await open(name)
    const seen = new Map<string, number>()
    const lost: string[] = []
    let [commits, longest] = [0, 0]
    for (const end = performance.now() + duration; performance.now() < end;) {
      const start = performance.now()
      commits++
      await write(repository, path, String(commits))
      longest = Math.max(longest, performance.now() - start)
      lost.push(...(await takeBack(repository, seen)))
    }
    await repository.close()
    return { commits, longest, lost: [...lost, ...(seen.size > 1 ? [] : ['saw nobody else'])] }
  },

  /** Compacts and sweeps again and again for so many milliseconds. Gives how often packs were merged. */
  async tidy(name: string, duration: number): Promise<number> {
    const place = await openIndexedDbPlace(name)
    let merged = 0
    for (const end = performance.now() + duration; performance.now() < end;) {
      if ((await compact(place, portableRuntime)).merged > 0) merged++
      await place.sweep({ grace: 1000 })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await place.close()
    return merged
  },

  /** What the files say, and which values of them are in the history. */
  async history(name: string): Promise<{ files: Record<string, string>; commits: string[] }> {
    const repository = await open(name)
    const head = await repository.branch('main').oid()
    if (head === undefined) throw new Error('nothing was committed')
    const snapshot = await repository.snapshot(head)
    const files: Record<string, string> = {}
    for (const entry of await snapshot.list(''))
      files[entry.name] = new TextDecoder().decode(await snapshot.read(entry.name))
    const commits: string[] = []
    for await (const { commit } of repository.log(head)) {
      if (commit.parents.length < 2) commits.push(commit.message.trim())
    }
    await repository.close()
    return { files, commits }
  },

  /** Opens and commits at the moment when both tabs are there, so many times. Gives how long the slowest took. */
  async boot(name: string, path: string, rounds: number): Promise<number> {
    const channel = new BroadcastChannel('barrier')
    let slowest = 0
    for (let round = 0; round < rounds; round++) {
      await meet(channel, round)
      const start = performance.now()
      const repository = await open(`${name}-${round}`)
      await write(repository, path, String(round))
      slowest = Math.max(slowest, performance.now() - start)
      await repository.close()
    }
    channel.close()
    return slowest
  },
}

/** Resolves when the other tab is at this round, too. */
function meet(channel: BroadcastChannel, round: number): Promise<void> {
  return new Promise((resolve) => {
    channel.onmessage = ({ data }) => {
      if (data.round !== round) return
      // Whoever came first was not heard.
      if (!data.isAnswer) channel.postMessage({ round, isAnswer: true })
      resolve()
    }
    channel.postMessage({ round, isAnswer: false })
  })
}

/** What a test calls in a tab. */
export type Tab = typeof tab

Object.assign(globalThis, { tab })
