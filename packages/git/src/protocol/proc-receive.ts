/**
 * Proc-receive: what a server says to the hook of this name, which makes some updates of a push itself, and what it answers.
 *
 * Both say which version they speak, in packets; then the hook gets the updates, and the options of the push if it wants
 * them, and reports on each update. How a report is understood, a bad one too, and the words for it are those of Git's
 * receive-pack.
 *
 * Spec: https://git-scm.com/docs/githooks#proc-receive
 *
 * @module
 */
import { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { parseOid, ZERO_OID } from '../oid.ts'
import type { RefUpdate } from '../place.ts'
import { parseCapabilities } from './capability.ts'
import { encodeLine, FLUSH, lineText, readPacket, type Packet } from './pkt-line.ts'
import type { RefRewrite } from './push.ts'

/** What a hook is asked. */
export interface ProcReceiveRequest {
  /** The updates that are left to it. */
  readonly updates: readonly RefUpdate[]
  /** Names of all refs of the push: a report on another one is told from one that was not asked for. */
  readonly pushed: ReadonlySet<string>
  readonly atomic: boolean
  /** What the user gave with `--push-option`; none are offered when it is empty. */
  readonly options: readonly string[]
}

/** What became of an update that was left to a hook. `left`: it is given back, to be made like any other. */
export type HookOutcome =
  | { readonly state: 'done' | 'left'; readonly rewrites: readonly RefRewrite[] }
  | { readonly state: 'refused'; readonly reason: string }

/** What a hook answered. */
export interface ProcReceiveReport {
  /** By name of the ref. What is not in it came to nothing. */
  readonly outcomes: ReadonlyMap<string, HookOutcome>
  /** Whether it failed: the hook, its answer, or an update. */
  readonly hasFailed: boolean
  /** What was wrong with the answer, in words for a person; empty when nothing was. */
  readonly problem: string
}

/** The two ends of a hook. */
export interface HookEnds {
  /** What it says. Not read any further when the conversation is over. */
  readonly output: AsyncIterable<Uint8Array>
  /** Says something to it; rejects when it does not listen any more. */
  write(bytes: Uint8Array): Promise<void>
}

/** Has the whole conversation with a hook. Never throws for what the hook does. */
export async function talkToProcReceive(
  hook: HookEnds,
  request: ProcReceiveRequest,
): Promise<ProcReceiveReport> {
  const talk = new Talk(hook)
  try {
    const greeting = await greet(talk, request)
    if (typeof greeting === 'string') return failure(greeting)
    const { version, takesOptions } = greeting
    if (version > 1 || version < 0)
      return failure(`proc-receive version '${version}' is not supported`)
    const lines = request.updates.map(
      ({ name, from, to }) => `${from ?? ZERO_OID} ${to ?? ZERO_OID} ${name}`,
    )
    if (!(await talk.say(lines))) return failure('fail to write commands to proc-receive hook')
    if (takesOptions && !(await talk.say(request.options)))
      return failure('fail to write push-options to proc-receive hook')
    return await readReport(talk, request)
  } finally {
    await talk.end()
  }
}

/** A conversation in packets. */
class Talk {
  readonly #hook: HookEnds
  readonly #reader: ByteReader
  #isOver = false

  constructor(hook: HookEnds) {
    this.#hook = hook
    this.#reader = new ByteReader(this.#listen(), 'what the hook proc-receive says')
  }

  /** Says lines and a flush packet; `false` when the hook does not listen any more. */
  async say(lines: readonly string[]): Promise<boolean> {
    try {
      await this.#hook.write(concat([...lines.map((line) => encodeLine(line)), FLUSH]))
      return true
    } catch {
      return false
    }
  }

  /**
   * The next packet; `undefined` at the end, also at one in the middle of a packet, as Git takes it.
   *
   * @throws MalformedError when the hook says something else
   */
  async hear(): Promise<Packet | undefined> {
    try {
      return await readPacket(this.#reader)
    } catch (error) {
      if (error instanceof MalformedError && this.#isOver) return undefined
      throw error
    }
  }

  async end(): Promise<void> {
    await this.#reader.cancel()
  }

  async *#listen(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#hook.output
    this.#isOver = true
  }
}

interface Greeting {
  readonly version: number
  readonly takesOptions: boolean
}

const NO_GREETING = 'fail to negotiate version with proc-receive hook'

/** What a hook speaks, or why that is not known. A hook that names no version speaks 0, which is like 1. */
async function greet(
  talk: Talk,
  { atomic, options }: ProcReceiveRequest,
): Promise<Greeting | string> {
  const features = [...(atomic ? ['atomic'] : []), ...(options.length > 0 ? ['push-options'] : [])]
  const tail = features.length > 0 ? `\0${features.join(' ')}` : ''
  if (!(await talk.say([`version=1${tail}\n`]))) return NO_GREETING
  let greeting: Greeting = { version: 0, takesOptions: false }
  try {
    for (;;) {
      const packet = await talk.hear()
      if (packet === undefined) return NO_GREETING
      if (packet.kind !== 'line') return greeting
      greeting = parseGreeting(lineText(packet.payload), greeting)
    }
  } catch (error) {
    if (error instanceof MalformedError) return `${NO_GREETING}: ${error.message}`
    throw error
  }
}

/** What is known with one more line, which is passed over when it says nothing of a version. */
function parseGreeting(line: string, before: Greeting): Greeting {
  const [words = '', features = ''] = line.split('\0')
  const number = /^version=\s*([+-]?\d+)?/.exec(words)
  if (number === null) return before
  return {
    version: Number(number[1] ?? 0),
    takesOptions: before.takesOptions || parseCapabilities(features).has('push-options'),
  }
}

function failure(problem: string): ProcReceiveReport {
  return { outcomes: new Map(), hasFailed: true, problem }
}

async function readReport(talk: Talk, request: ProcReceiveRequest): Promise<ProcReceiveReport> {
  const report = new ReportReading(request)
  try {
    for (let count = 0; ; count++) {
      const packet = await talk.hear()
      if (packet === undefined && count === 0) return failure('proc-receive exited abnormally')
      if (packet?.kind !== 'line') return report.end()
      // Git ends a line where a zero byte is.
      report.take(lineText(packet.payload).split('\0', 1)[0] ?? '')
    }
  } catch (error) {
    if (error instanceof MalformedError) return report.breakOff(error.message)
    throw error
  }
}

/** One update while its report is read. */
interface Answer {
  reason: string | undefined
  hasReturned: boolean
  isLeft: boolean
  readonly rewrites: Rewrite[]
}

type Rewrite = { -readonly [Key in keyof RefRewrite]: RefRewrite[Key] }

/** Takes in a report line by line. */
class ReportReading {
  readonly #pushed: ReadonlySet<string>
  readonly #answers: ReadonlyMap<string, Answer>
  readonly #problems: string[] = []
  #hasFailed = false
  #hasStrayOption = false
  /** The update that was reported as done last; options are about it. */
  #current: Answer | undefined
  /** What its options say; none came yet where it is `undefined`. */
  #rewrite: Rewrite | undefined

  constructor({ updates, pushed }: ProcReceiveRequest) {
    this.#pushed = pushed
    this.#answers = new Map(
      updates.map(({ name }) => [
        name,
        { reason: undefined, hasReturned: false, isLeft: false, rewrites: [] },
      ]),
    )
  }

  take(line: string): void {
    const [status, rest] = splitWord(line)
    if (rest === undefined)
      return this.#fail(`proc-receive reported incomplete status line: '${line}'`)
    const [first, tail] = splitWord(rest)
    if (status === 'option') return this.#takeOption(first, tail)
    this.#current = undefined
    this.#rewrite = undefined
    if (status !== 'ok' && status !== 'ng')
      return this.#fail(`proc-receive reported bad status '${status}' on ref '${first}'`)
    const answer = this.#answers.get(first)
    if (answer === undefined || answer.isLeft) {
      const which = this.#pushed.has(first) ? 'unexpected ref' : 'unknown ref'
      return this.#fail(`proc-receive reported status on ${which}: ${first}`)
    }
    answer.hasReturned = true
    if (status === 'ok') this.#current = answer
    else {
      answer.reason = tail ?? 'failed'
      this.#hasFailed = true
    }
  }

  /** The report has come to its end. */
  end(): ProcReceiveReport {
    for (const answer of this.#answers.values()) {
      if (answer.hasReturned) continue
      answer.reason = 'proc-receive failed to report status'
      this.#hasFailed = true
    }
    return this.#report()
  }

  /** The rest cannot be read. */
  breakOff(problem: string): ProcReceiveReport {
    this.#fail(problem)
    return this.#report()
  }

  #report(): ProcReceiveReport {
    const outcomes = new Map<string, HookOutcome>()
    for (const [name, { reason, hasReturned, isLeft, rewrites }] of this.#answers) {
      if (reason !== undefined) outcomes.set(name, { state: 'refused', reason })
      else if (hasReturned) outcomes.set(name, { state: isLeft ? 'left' : 'done', rewrites })
    }
    return { outcomes, hasFailed: this.#hasFailed, problem: this.#problems.join('\n') }
  }

  #takeOption(key: string, value: string | undefined): void {
    const answer = this.#current
    if (answer === undefined) {
      if (!this.#hasStrayOption)
        this.#problems.push("proc-receive reported 'option' without a matching 'ok/ng' directive")
      this.#hasStrayOption = true
      this.#hasFailed = true
      return
    }
    if (this.#rewrite === undefined) answer.rewrites.push((this.#rewrite = {}))
    if (key === 'refname') this.#rewrite.name = value
    if (key === 'old-oid') this.#rewrite.from = oidAtStart(value) ?? this.#rewrite.from
    if (key === 'new-oid') this.#rewrite.to = oidAtStart(value) ?? this.#rewrite.to
    if (key === 'forced-update') this.#rewrite.isForced = true
    if (key === 'fall-through') answer.isLeft = true
  }

  #fail(problem: string): void {
    this.#problems.push(problem)
    this.#hasFailed = true
  }
}

function splitWord(text: string): [word: string, rest: string | undefined] {
  const cut = text.indexOf(' ')
  return cut < 0 ? [text, undefined] : [text.slice(0, cut), text.slice(cut + 1)]
}

/** The oid at the beginning of a value, whatever stands behind it, as Git takes it. */
function oidAtStart(value = ''): RefRewrite['from'] {
  const digits = /^[0-9a-f]{40}/i.exec(value)?.[0]
  return digits === undefined ? undefined : parseOid(digits.toLowerCase())
}
