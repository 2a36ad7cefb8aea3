/**
 * Server info: the files by which a repository can be cloned from any web server that knows nothing of Git (the dumb
 * protocol), as `git update-server-info` writes them.
 *
 * Spec: https://git-scm.com/docs/git-update-server-info, https://git-scm.com/docs/gitprotocol-http#_dumb_clients
 *
 * @module
 */
import { mkdir } from 'node:fs/promises'

import { encodeName, text } from '@datakit/git/bytes'
import type { Objects } from '@datakit/git/objects'
import { wireRefs } from '@datakit/git/transport/refs'

import { readIfThere, replaceFile } from './durable.ts'
import type { GitFiles } from './git-files.ts'

/** Writes `info/refs` and `objects/info/packs`, where they say something else. `objects` are those of now. */
export async function updateServerInfo(files: GitFiles, objects: Objects): Promise<void> {
  const { directory } = files
  for (const path of ['info', 'objects/info'])
    await mkdir(`${directory}/${path}`, { recursive: true })
  await write(directory, 'info/refs', encodeName(await formatRefs(objects)))
  const known = text((await readIfThere(`${directory}/objects/info/packs`)) ?? new Uint8Array())
  await write(directory, 'objects/info/packs', encodeName(formatPacks(files, known)))
}

async function formatRefs(objects: Objects): Promise<string> {
  const refs = await wireRefs(objects, { peel: true })
  return refs
    .filter(({ name }) => name !== 'HEAD')
    .map(({ name, oid, peeled }) => {
      const end = peeled === undefined ? '' : `${peeled}\t${name}^{}\n`
      return `${oid}\t${name}\n${end}`
    })
    .join('')
}

/** Packs that are here to stay, those that were named before in their order. */
function formatPacks(files: GitFiles, known: string): string {
  const { condemned } = files.ownState()
  const names = files.packs
    .list()
    .filter(({ id, borrowed }) => !borrowed && condemned[id] === undefined)
    .map(({ id }) => `P ${id}.pack`)
  const lines = known.split('\n')
  const old = lines.filter((line) => names.includes(line))
  const isStale = lines.some((line) => line !== '' && !names.includes(line))
  const kept = isStale ? [] : old
  const others = names.filter((name) => !kept.includes(name))
  return [...kept, ...others].map((line) => `${line}\n`).join('') + '\n'
}

async function write(directory: string, path: string, body: Uint8Array): Promise<void> {
  const old = await readIfThere(`${directory}/${path}`)
  if (old !== undefined && Buffer.compare(old, body) === 0) return
  await replaceFile(`${directory}/datakit`, `${directory}/${path}`, body)
}
