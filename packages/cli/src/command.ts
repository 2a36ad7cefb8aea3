/**
 * What a command of the tool is.
 *
 * @module
 */
import { GitError, RefusedError } from '@datakit/git/error'

/** Where a command writes, and how. */
export interface Terminal {
  /** For people: a line on standard output. */
  say(line: string): void
  /** Bytes on standard output, as they are. */
  write(bytes: Uint8Array): void
  /** A line on standard error. */
  warn(line: string): void
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** Exit codes. 2 is for wrong arguments, as in most tools. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  refused: 5,
  gone: 6,
} as const

/** What programs are told of a failure besides its message. */
export interface CommandErrorOptions extends ErrorOptions {
  /** The kind of failure; that of the exit code when left out. */
  readonly code?: string
  /** Fields that `--json` prints beside code and message. */
  readonly facts?: Readonly<Record<string, string>>
}

/** A failure with its own exit code, whose message is all that the person needs. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: number
  readonly code: string
  readonly facts: Readonly<Record<string, string>>

  constructor(message: string, exit: number = EXIT.failed, options: CommandErrorOptions = {}) {
    super(message, options)
    this.exit = exit
    this.code = options.code ?? nameOfExit(exit)
    this.facts = options.facts ?? {}
  }
}

/** A number of commits, 1 at least. @throws CommandError */
export function parseDepth(text: string): number {
  const depth = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (depth < 1) throw new CommandError(`Not a number of commits: "${text}"`, EXIT.usage)
  return depth
}

/** What a Git server's answer comes to: with an exit code where that tells more than "failed". */
export function withExit(error: unknown): unknown {
  if (!(error instanceof GitError)) return error
  const { message, code } = error
  if (code === 'no-repository' || code === 'missing')
    return new CommandError(message, EXIT.notFound, { cause: error, code })
  if (error instanceof RefusedError)
    return new CommandError(message, EXIT.refused, { cause: error, code })
  return error
}

/** `notFound` as the rest of the code names errors: `not-found`. */
function nameOfExit(exit: number): string {
  const [name = 'failed'] = Object.entries(EXIT).find(([, code]) => code === exit) ?? []
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** One command: `datakit NAME …`. */
export interface Command {
  readonly name: string
  /** The whole text of `datakit NAME --help`. */
  readonly help: string
  /** Runs with the arguments behind the name; the exit code. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}
