/**
 * The peer in the browser: isomorphic-git over lightning-fs, used as its documentation says; or the same program with the Git
 * directory in a repository of ours. Runs in the page.
 *
 * @module
 */
import LightningFS from '@isomorphic-git/lightning-fs'
import { Buffer } from 'buffer'
import git, { type PromiseFsClient } from 'isomorphic-git'
import http from 'isomorphic-git/http/web'
import { Repository } from '@datakit/datakit/repository'
import { repositoryFs } from '@datakit/fs/repository-fs'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import type { Bench, FileList } from './bench-page.ts'

// isomorphic-git takes Node's Buffer for granted, also in browsers.
;(globalThis as { Buffer?: unknown }).Buffer ??= Buffer

const dir = '/work'
const author = { name: 'Ada', email: 'ada@example.org' }

/** The peer's side of the benchmark. */
export function peerBench(name: string): Bench {
  const fs = new LightningFS(name)
  return bench(fs, fs)
}

/** The peer's program, with refs and objects in a repository of ours and its other files in a lightning-fs. */
export async function viewBench(name: string): Promise<Bench> {
  const files = new LightningFS(`${name}-files`)
  const identity = () => ({ name: author.name, address: author.email })
  const place = await openIndexedDbPlace(`${name}-repository`)
  const repository = await Repository.open(place, { runtime: portableRuntime, identity })
  return bench(files, repositoryFs(repository, { gitdir: `${dir}/.git`, files }))
}

function bench({ promises: files }: LightningFS, fs: PromiseFsClient): Bench {
  const cache = {}
  const base = { fs, dir, cache }
  return {
    async clone(url) {
      await files.mkdir(dir)
      await files.mkdir(`${dir}/.git`)
      await git.clone({ ...base, http, url, singleBranch: true })
      // Without it the last half second is in memory only.
      await files.flush()
    },
    async readAll(paths: FileList) {
      const digests: string[] = []
      for (const path of paths)
        digests.push(await digest((await files.readFile(`${dir}/${path}`)) as Uint8Array))
      return digests
    },
    async commit(path, content) {
      await files.writeFile(`${dir}/${path}`, content)
      await git.add({ ...base, filepath: path })
      await git.commit({ ...base, author, message: `Change ${path}` })
      await files.flush()
    },
    async read(paths) {
      const oid = await git.resolveRef({ ...base, ref: 'HEAD' })
      let bytes = 0
      for (const filepath of paths)
        bytes += (await git.readBlob({ ...base, oid, filepath })).blob.length
      return bytes
    },
    async log() {
      return (await git.log({ ...base, ref: 'HEAD' })).length
    },
    async diff(count) {
      const newest = await git.log({ ...base, ref: 'HEAD', depth: count + 1 })
      let files = 0
      for (const [i, parent] of newest.slice(1).entries())
        files += await changedFiles(base, parent.oid, newest[i]?.oid ?? parent.oid)
      return files
    },
    async merge(ours, theirs) {
      await git.branch({ ...base, ref: 'theirs' })
      for (const [path, content] of ours) await files.writeFile(`${dir}/${path}`, content)
      await git.add({ ...base, filepath: ours.map(([path]) => path) })
      await git.commit({ ...base, author, message: 'Ours' })
      await git.checkout({ ...base, ref: 'theirs' })
      for (const [path, content] of theirs) await files.writeFile(`${dir}/${path}`, content)
      await git.add({ ...base, filepath: theirs.map(([path]) => path) })
      await git.commit({ ...base, author, message: 'Theirs' })
      await git.checkout({ ...base, ref: 'main' })
      const started = performance.now()
      await git.merge({ ...base, author, ours: 'main', theirs: 'theirs' })
      await git.checkout({ ...base, ref: 'main' })
      const took = performance.now() - started
      // The page may be closed next.
      await files.flush()
      return took
    },
    async sync(url) {
      const started = performance.now()
      await git.pull({ ...base, http, url, ref: 'main', singleBranch: true, author })
      const pulled = performance.now()
      await git.push({ ...base, http, url, ref: 'main', remoteRef: 'main' })
      const ended = performance.now()
      await files.flush()
      return { both: ended - started, push: ended - pulled }
    },
    async head() {
      return git.resolveRef({ ...base, ref: 'HEAD' })
    },
  }
}

/** Compares both trees by hand, down to where they differ: `git.walk` asks every entry of both for its oid, and takes seconds. */
async function changedFiles(
  base: { readonly fs: PromiseFsClient; readonly dir: string; readonly cache: object },
  before: string,
  after: string,
): Promise<number> {
  const [old, young] = await Promise.all(
    [before, after].map(async (oid) => (await git.readTree({ ...base, oid })).tree),
  )
  const had = new Map(old?.map((entry) => [entry.path, entry.oid]))
  let files = 0
  for (const { path, oid, type } of young ?? []) {
    const own = had.get(path)
    if (own === oid) continue
    files += type === 'tree' && own !== undefined ? await changedFiles(base, own, oid) : 1
  }
  return files
}

async function digest(bytes: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-1', Uint8Array.from(bytes))
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
