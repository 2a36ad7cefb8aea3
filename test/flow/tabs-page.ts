/**
 * A tab that works on a repository together with others; the tests tell it what to do.
 *
 * @module
 */
import { portableRuntime } from '@datakit/git/runtime/portable'
import { UnavailableError } from '@datakit/git/error'
import { Repository } from '@datakit/datakit/repository'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'

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
