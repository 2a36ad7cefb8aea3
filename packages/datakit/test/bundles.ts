/**
 * What tests of bundles do: repositories in places, files that stock Git reads, and what both hold.
 *
 * @module
 */
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RealRepository } from '../../git/test/real-git.ts'
import { Repository } from '../src/repository.ts'

/** A repository, of Ada's, in a place: an empty one in memory when left out. */
export function open(place: Place = memoryPlace()): Promise<Repository> {
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  return Repository.open(place, { runtime: nodeRuntime, identity })
}

/** A bundle as Git makes it. */
export function bundleOf(git: RealRepository, ...args: readonly string[]): Uint8Array {
  const options = args.filter((arg) => arg.startsWith('--version'))
  const revisions = args.filter((arg) => !options.includes(arg))
  git.run(['bundle', 'create', '-q', ...options, 'made.bundle', ...revisions])
  return Uint8Array.from(readFileSync(join(git.folder, 'made.bundle')))
}

/** Puts a bundle where Git finds it, as `NAME` in its folder. */
export function give(git: RealRepository, bundle: Uint8Array, name = 'given.bundle'): string {
  const file = join(git.folder, name)
  writeFileSync(file, bundle)
  return file
}

/** Every ref, a line `oid name` each, as `git for-each-ref` lists them. */
export async function refLines(repository: Repository): Promise<string[]> {
  const lines: string[] = []
  for await (const { name, oid } of (await repository.store.state()).refs())
    lines.push(`${oid} ${name}`)
  return lines
}

/** The same of a repository of Git's. */
export function gitRefLines(git: RealRepository): string[] {
  const lines = git.run(['for-each-ref', '--format=%(objectname) %(refname)'])
  return lines === '' ? [] : lines.split('\n')
}
