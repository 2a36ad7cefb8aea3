/**
 * Our side of the benchmark in the browser: a repository in IndexedDB. Runs in the page.
 *
 * @module
 */
import { briefExchange } from '@datakit/datakit/brief-exchange'
import { Repository } from '@datakit/datakit/repository'
import { sync } from '@datakit/datakit/sync'
import type { Oid } from '@datakit/git/oid'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import type { Bench } from './bench-page.ts'

const identity = { name: 'Ada', address: 'ada@example.org' }

/** Our side of the benchmark. */
export async function ourBench(name: string): Promise<Bench> {
  const place = await openIndexedDbPlace(name)
  const repository = await Repository.open(place, {
    runtime: portableRuntime,
    identity: () => identity,
  })
  const main = repository.branch('main')
  const exchange = briefExchange()
  const head = async () => {
    const snapshot = await main.head()
    if (snapshot === undefined) throw new Error('There is no branch main')
    return snapshot
  }
  const read = async (path: string): Promise<Uint8Array> =>
    (await (await head()).read(path)) ?? new Uint8Array(0)
  return {
    async clone(url) {
      await sync(repository, { url })
      // Theirs has written every file by now; ours reads every file, and each object's name is checked.
      const snapshot = await head()
      let bytes = 0
      for await (const { body } of snapshot.readAll()) bytes += body.length
      if (bytes === 0) throw new Error('Nothing was cloned')
    },
    async readAll(paths) {
      const digests: string[] = []
      for (const path of paths) digests.push(await digest(await read(path)))
      return digests
    },
    async commit(path, content) {
      await main.commit(async (transaction) => transaction.write(path, content), {
        message: `Change ${path}`,
      })
    },
    async read(paths) {
      const snapshot = await head()
      let bytes = 0
      for (const path of paths) bytes += (await snapshot.read(path))?.length ?? 0
      return bytes
    },
    async log() {
      let commits = 0
      for await (const _ of repository.log((await head()).oid)) commits++
      return commits
    },
    async diff(count) {
      const newest: Oid[] = []
      for await (const { oid } of repository.log((await head()).oid))
        if (newest.push(oid) > count) break
      let files = 0
      for (const [i, parent] of newest.slice(1).entries())
        for await (const _ of repository.diff(parent, newest[i] ?? parent)) files++
      return files
    },
    async merge(ours, theirs) {
      const start = await head()
      const transaction = await main.transaction(start)
      for (const [path, content] of theirs) await transaction.write(path, content)
      await main.commit(
        async (t) => {
          for (const [path, content] of ours) await t.write(path, content)
        },
        { message: 'Ours' },
      )
      const started = performance.now()
      const outcome = await transaction.commit({ message: 'Theirs' })
      const took = performance.now() - started
      if (outcome.state !== 'committed' || outcome.how !== 'merge')
        throw new Error('It was not merged')
      return took
    },
    async sync(url) {
      const started = performance.now()
      await sync(repository, { url, exchange })
      // One request does both; there is no cheaper way to push alone.
      const took = performance.now() - started
      return { both: took, push: took }
    },
    async head() {
      return (await head()).oid
    },
  }
}

async function digest(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-1', Uint8Array.from(bytes))
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
