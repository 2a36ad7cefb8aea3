/**
 * Uploads in a folder of repositories: a part is a file `.datakit/uploads/DIGEST/PACK/NUMBER`, outside of what Git sees.
 *
 * @module
 */
import { mkdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

import { UnavailableError } from '@datakit/git/error'
import type { Uploads } from '@datakit/git/uploads'
import { uploadsIn, type PartFiles, type UploadOptions } from '../uploads.ts'
import { ifThere, randomName, readIfThere, syncDirectory, writeSynced } from './durable.ts'
import { namesIn } from './object-directories.ts'

/** Parts of packs that are being uploaded to the repositories in a folder. */
export function directoryUploads(root: string, options: UploadOptions = {}): Uploads {
  return uploadsIn(partFiles(join(resolve(root), '.datakit', 'uploads')), options)
}

function partFiles(folder: string): PartFiles {
  return {
    list: (prefix) => listParts(folder, prefix),
    async read(key) {
      return await readIfThere(join(folder, key))
    },
    async write(key, bytes) {
      try {
        await writePart(join(folder, key), bytes)
      } catch (cause) {
        throw new UnavailableError('Cannot keep a part of a pack: the disk does not take it', {
          cause,
        })
      }
    },
    async remove(keys) {
      for (const key of keys) await rm(join(folder, key), { force: true })
      for (const directory of new Set(keys.map((key) => dirname(key)))) {
        // Another part may have come into it, or it is gone already.
        await rmdir(join(folder, directory)).catch(() => undefined)
        await rmdir(join(folder, dirname(directory))).catch(() => undefined)
      }
    },
  }
}

async function* listParts(folder: string, prefix: string): ReturnType<PartFiles['list']> {
  const steps = prefix.split('/').slice(0, -1)
  if (steps.length < 2) {
    for (const name of namesIn(join(folder, ...steps)))
      yield* listParts(folder, [...steps, name, ''].join('/'))
    return
  }
  for (const name of namesIn(join(folder, ...steps))) {
    const key = prefix + name
    const found = await ifThere(stat(join(folder, key)))
    // What is still being written, or was when the process ended, is listed with its age, so that it goes like the others.
    if (found !== undefined) yield { key, size: found.size, at: found.mtimeMs }
  }
}

async function writePart(path: string, bytes: Uint8Array): Promise<void> {
  const parent = dirname(path)
  await mkdir(parent, { recursive: true })
  const unfinished = `${path}.new-${randomName()}`
  try {
    await writeSynced(unfinished, bytes, 'wx')
    await rename(unfinished, path)
  } finally {
    await rm(unfinished, { force: true })
  }
  await syncDirectory(parent)
}
