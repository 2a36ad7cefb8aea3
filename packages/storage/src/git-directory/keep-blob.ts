/**
 * Keeping a blob: one loose object, for programs that are told its name, while no ref leads to it.
 *
 * Spec: https://git-scm.com/docs/gitrepository-layout ("objects/[0-9a-f][0-9a-f]")
 *
 * @module
 */
import { chmod, mkdir, rename, rm, utimes } from 'node:fs/promises'
import { deflateSync } from 'node:zlib'

import { concat, utf8 } from '@datakit/git/bytes'
import { nameObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'

import { ifThere, randomName, writeSynced } from './durable.ts'

/** Writes a blob to an object directory, or makes the one that is there young again. Returns its name. */
export async function keepBlob(objects: string, body: Uint8Array): Promise<Oid> {
  const oid = nameObject(nodeRuntime, { type: 'blob', body })
  const folder = `${objects}/${oid.slice(0, 2)}`
  const path = `${folder}/${oid.slice(2)}`
  const now = new Date()
  if ((await ifThere(utimes(path, now, now).then(() => true))) === true) return oid
  await mkdir(folder, { recursive: true })
  // Git takes this for a file that was begun, and clears it away when nobody ends it.
  const temporary = `${folder}/tmp_obj_${randomName()}`
  try {
    await writeSynced(temporary, deflateSync(concat([utf8(`blob ${body.length}\0`), body])), 'wx')
    await chmod(temporary, 0o444)
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
  return oid
}
