/**
 * Stock Git for the tests of Git directories, and commits to move refs to.
 *
 * @module
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { encodeCommit } from '@datakit/git/commit'
import { nameObject } from '@datakit/git/object'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type { Place, StagedPack } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

const environment = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
}

/** Runs stock Git in a directory; gives what it printed, without the last line feed. */
export function git(directory: string, ...args: readonly string[]): string {
  const options = { cwd: directory, env: environment, encoding: 'utf8', stdio: 'pipe' } as const
  return execFileSync('git', args, { ...options, maxBuffer: 1 << 28 }).trimEnd()
}

/** The same while others run. */
export async function gitMeanwhile(directory: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('git', args, { cwd: directory, env: environment })
  return stdout.trimEnd()
}

/** A directory of the system's for temporary ones. */
export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'datakit-'))
}

/** Every path below a directory that matches. */
export function findFiles(directory: string, pattern: RegExp): string[] {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  return paths.filter((path) => pattern.test(path))
}

/** A commit of the empty tree. */
export function commitObject(
  message: string,
  parents: readonly Oid[] = [],
): PackObject & { readonly oid: Oid } {
  const who = { name: 'Ada', address: 'ada@example.org', seconds: 1_700_000_000, offset: 0 }
  const body = encodeCommit({
    tree: EMPTY_TREE,
    parents,
    author: who,
    committer: who,
    encoding: undefined,
    headers: [],
    message,
  })
  return { type: 'commit', body, oid: nameObject(nodeRuntime, { type: 'commit', body }) }
}

/** The tree of all those commits. */
export const emptyTree: PackObject = { type: 'tree', body: new Uint8Array(), oid: EMPTY_TREE }

/** Stages a pack of objects. */
export async function stageObjects(
  place: Place,
  objects: readonly PackObject[],
  { promisor }: { readonly promisor?: boolean } = {},
): Promise<StagedPack> {
  const { bytes, table } = await encodePack(nodeRuntime, objects)
  const writer = await place.writePack()
  await writer.write(bytes)
  return await writer.finish({ table, needs: [], verified: true, promisor })
}

/** Refs as stock Git lists them: `name oid`, ordered. */
export function stockRefs(directory: string): string[] {
  const lines = git(directory, 'for-each-ref', '--format=%(refname) %(objectname)').split('\n')
  return lines.filter((line) => line !== '')
}

/** Refs as the place lists them, in the same words. */
export async function placeRefs(place: Place): Promise<string[]> {
  const lines: string[] = []
  for await (const { name, oid } of (await place.read()).refs()) lines.push(`${name} ${oid}`)
  return lines
}
