/**
 * `datakit bundle`: a repository in one file, and back.
 *
 * @module
 */
import { exportBundle } from '@datakit/datakit/bundle'
import {
  importBundle,
  PrerequisitesError,
  readBundleHeader,
  verifyBundle,
  type ImportOutcome,
} from '@datakit/datakit/bundle-import'
import type { Repository } from '@datakit/datakit/repository'
import { parseOid, isOid, type Oid } from '@datakit/git/oid'
import type { BundleHeader, Prerequisite } from '@datakit/git/protocol/bundle'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PIPE, readBundleFile, writeBundle } from '../bundle-file.ts'
import { openBare, openRepository } from '../clone-directory.ts'
import { CommandError, EXIT, type Command, type Terminal } from '../command.ts'

const help = `Usage: datakit bundle create FILE [REF...] [--since REF]... [--since-bundle FILE] [-C DIR]
       datakit bundle verify FILE [-C DIR]
       datakit bundle list-heads FILE
       datakit bundle unbundle FILE [REF...] [--into NAME] [--force] [-C DIR]

A bundle is a repository in one file, which is what a backup is: "git clone FILE" restores it, and so does unbundle.

create writes the repository at DIR (.): HEAD and all refs of its own, or REF... ("main", "v1", "refs/heads/*"). FILE is there when it is whole.
verify reads all of it, checks every object, and says whether DIR has what it goes on from. Changes nothing.
list-heads prints its refs. Nothing else is looked at.
unbundle takes it into the repository at DIR, which is made if it is not there. Branches only move forward and tags stay, unless it is forced.

FILE may be "-" for standard input or output.

  -C DIR               the repository
  --since REF          leave out what REF (or a commit) has: the bundle goes on from there; may be given more than once
  --since-bundle FILE  leave out what an earlier bundle has
  --version N          2 (every Git reads it) or 3; 2 when left out
  --shallow            allow a bundle of a history that is cut off here: it needs what is behind the cut
  --into NAME          branches go to refs/remotes/NAME/*
  --force              branches may lose commits, tags may move
  --json               print one line of JSON
  --help               this text

Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing is there, or what the bundle goes on from is not here, 5 a ref was refused.`

/** What a subcommand works with. */
interface Call {
  readonly file: string
  readonly refs: readonly string[] | undefined
  readonly values: ReturnType<typeof parse>['values']
  readonly terminal: Terminal
}

const subcommands: Readonly<Record<string, (call: Call) => Promise<number>>> = {
  create,
  verify,
  'list-heads': listHeads,
  unbundle,
}

export const bundleCommand: Command = {
  name: 'bundle',
  help,
  async run(args, terminal) {
    const { values, positionals } = parse(args)
    const [name = '', file, ...refs] = positionals
    const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined
    if (subcommand === undefined || file === undefined)
      throw new CommandError(
        `Expected ${Object.keys(subcommands).join(', ')}, and FILE`,
        EXIT.usage,
      )
    return subcommand({ file, refs: refs.length === 0 ? undefined : refs, values, terminal })
  },
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      directory: { type: 'string', short: 'C', default: '.' },
      since: { type: 'string', multiple: true, default: [] },
      'since-bundle': { type: 'string' },
      version: { type: 'string', default: '2' },
      shallow: { type: 'boolean', default: false },
      into: { type: 'string' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  })
}

async function create({ file, refs, values, terminal }: Call): Promise<number> {
  const version = values.version === '2' ? 2 : values.version === '3' ? 3 : undefined
  if (version === undefined)
    throw new CommandError(`Not a version of bundles: "${values.version}"`, EXIT.usage)
  const repository = await openBare(values.directory)
  try {
    const since = await resolveSince(repository, values)
    let header: BundleHeader | undefined
    const bundle = exportBundle(repository, {
      refs,
      since,
      version,
      allowShallow: values.shallow,
      onHeader: (made) => (header = made),
      signal: terminal.signal,
    })
    const bytes = await writeBundle(file, bundle)
    const [count, needs] = [header?.refs.length ?? 0, header?.prerequisites.length ?? 0]
    // Standard output is the bundle's own then.
    if (file === PIPE) return EXIT.done
    const line = `Wrote ${file}: ${count} refs, ${bytes} bytes${needs === 0 ? '' : `, on ${needs} earlier commits`}`
    terminal.say(
      values.json ? JSON.stringify({ file, bytes, refs: count, prerequisites: needs }) : line,
    )
    return EXIT.done
  } finally {
    await repository.close()
  }
}

async function resolveSince(repository: Repository, values: Call['values']): Promise<Oid[]> {
  const since: Oid[] = []
  for (const name of values.since) since.push(await resolve(repository, name))
  const earlier = values['since-bundle']
  if (earlier !== undefined)
    since.push(...(await readBundleHeader(readBundleFile(earlier))).refs.map(({ oid }) => oid))
  return since
}

async function resolve(repository: Repository, name: string): Promise<Oid> {
  const state = await repository.store.state()
  const full = [name, `refs/tags/${name}`, `refs/heads/${name}`, `refs/remotes/${name}`]
  for (const ref of full) {
    const oid = await state.ref(ref)
    if (oid !== undefined) return oid
  }
  if (isOid(name) && (await repository.store.objects.has(parseOid(name)))) return name
  throw new CommandError(`There is no ref and no commit "${name}"`, EXIT.notFound)
}

async function verify({ file, values, terminal }: Call): Promise<number> {
  return withRepository(values.directory, async (repository) => {
    const { signal } = terminal
    const { header, missing } = await verifyBundle(repository, readBundleFile(file), { signal })
    const { refs, prerequisites } = header
    if (values.json)
      terminal.say(
        JSON.stringify({ file, isWhole: missing.length === 0, refs, prerequisites, missing }),
      )
    else if (missing.length === 0)
      terminal.say(
        `${file} is whole: ${refs.length} refs, on ${prerequisites.length} earlier commits`,
      )
    if (missing.length === 0) return EXIT.done
    terminal.warn(`datakit bundle: ${file} goes on from commits that no ref here leads to:`)
    for (const each of missing) terminal.warn(lineOf(each))
    return EXIT.notFound
  })
}

async function listHeads({ file, values, terminal }: Call): Promise<number> {
  const { refs } = await readBundleHeader(readBundleFile(file))
  if (values.json) terminal.say(JSON.stringify({ refs }))
  else for (const { oid, name } of refs) terminal.say(`${oid} ${name}`)
  return EXIT.done
}

async function unbundle({ file, refs, values, terminal }: Call): Promise<number> {
  const repository = await openRepository(values.directory)
  try {
    const { into, force } = values
    const options = { refs, into, force, signal: terminal.signal }
    const outcome = await importBundle(repository, readBundleFile(file), options)
    return sayOutcome(outcome, terminal, values.json)
  } catch (error) {
    if (!(error instanceof PrerequisitesError)) throw error
    throw new CommandError(error.message, EXIT.notFound, { cause: error, code: error.code })
  } finally {
    await repository.close()
  }
}

function sayOutcome({ refs }: ImportOutcome, terminal: Terminal, json: boolean): number {
  if (json) terminal.say(JSON.stringify({ refs }))
  let isDone = true
  for (const ref of refs) {
    if (!json) terminal.say(`${ref.oid.slice(0, 10)}  ${ref.state.padEnd(9)}  ${ref.name}`)
    if (ref.state !== 'refused' && ref.state !== 'lost') continue
    isDone = false
    const reason = ref.state === 'refused' ? ref.reason : 'it was moved meanwhile: try again'
    terminal.warn(`datakit bundle: ${ref.name}: ${reason}`)
  }
  return isDone ? EXIT.done : EXIT.refused
}

/** The repository at `folder`, or an empty one for as long as it takes: a whole bundle can be verified anywhere. */
async function withRepository<Result>(
  folder: string,
  use: (repository: Repository) => Promise<Result>,
): Promise<Result> {
  const isThere = existsSync(join(folder, 'HEAD'))
  const place = isThere ? folder : await mkdtemp(join(tmpdir(), 'datakit-bundle-'))
  try {
    const repository = await openRepository(place)
    try {
      return await use(repository)
    } finally {
      await repository.close()
    }
  } finally {
    if (!isThere) await rm(place, { recursive: true, force: true })
  }
}

function lineOf({ oid, comment }: Prerequisite): string {
  return `  ${oid} ${comment}`.trimEnd()
}
