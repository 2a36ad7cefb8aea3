/**
 * Options that choose a part of a repository, for the commands that sync.
 *
 * @module
 */
import type { SyncChoice } from '@datakit/datakit/sync-choice'
import { MalformedError } from '@datakit/git/error'
import { parseChoice } from '@datakit/git/protocol/sync-choice'
import { CommandError, EXIT } from './command.ts'

/** As `parseArgs` takes them. */
export const CHOICE_OPTIONS = {
  branch: { type: 'string', multiple: true },
  path: { type: 'string', multiple: true },
  'blob-limit': { type: 'string' },
} as const

/** What help says of them. */
export const CHOICE_HELP = `  --branch NAME      only branches of this name, or that this pattern fits ('release/*'); may be repeated
  --path PATH        only what is at this path of each commit; may be repeated
  --blob-limit SIZE  leave files of SIZE bytes and more with the server (0, 500k, 1m)`

/** What `parseArgs` made of them. */
export interface ChoiceValues {
  readonly branch?: readonly string[] | undefined
  readonly path?: readonly string[] | undefined
  readonly 'blob-limit'?: string | undefined
}

/** The choice; `undefined` where none of the options is there. @throws CommandError */
export function choiceOf(values: ChoiceValues): SyncChoice | undefined {
  const { branch: branches, path, 'blob-limit': limit } = values
  if (branches === undefined && path === undefined && limit === undefined) return undefined
  // Shells complete the names of directories with a slash.
  const paths = path?.map((each) => each.replace(/\/+$/, ''))
  try {
    return parseChoice({ branches, paths, blobLimit: limit && parseSize(limit) })
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new CommandError(error.message, EXIT.usage, { cause: error })
  }
}

/** Bytes, with `k`, `m` and `g` multiplied out. @throws CommandError */
function parseSize(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,12})([kmg]?)$/i.exec(text) ?? []
  if (digits !== undefined)
    return Number(digits) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase())
  throw new CommandError(`Not a number of bytes: "${text}", such as 0, 500k or 1m`, EXIT.usage)
}
