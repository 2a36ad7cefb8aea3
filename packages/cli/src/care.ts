/**
 * Care: which repositories a person means, and what a check or a repair of them says, whether they are here or on a server.
 *
 * @module
 */
import { parseProblem } from '@datakit/datakit/server-problem'
import { addressOf } from '@datakit/datakit/server-address'
import type { CheckEvent, Finding, NextStep } from '@datakit/storage/fsck/finding'
import { gitDirectoryDepot, locate } from '@datakit/storage/git-directory'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError, EXIT, type Terminal } from './command.ts'

/** A repository that is looked after. */
export type Patient =
  | { readonly kind: 'directory'; readonly name: string; readonly directory: string }
  | { readonly kind: 'remote'; readonly name: string; readonly url: string }

/** What was found in one repository. */
export interface Diagnosis {
  readonly errors: number
  readonly findings: readonly Finding[]
}

/** The repositories that an argument stands for: a URL, a repository, or a folder of them. @throws CommandError */
export async function patientsOf(argument: string): Promise<Patient[]> {
  if (/^https?:\/\//.test(argument)) return [{ kind: 'remote', name: argument, url: argument }]
  for (const directory of [argument, join(argument, '.git')])
    if (isRepository(directory)) return [{ kind: 'directory', name: argument, directory }]
  const patients: Patient[] = []
  const depot = gitDirectoryDepot(argument, { create: false })
  for await (const { name } of depot.list())
    patients.push({ kind: 'directory', name, directory: locate(argument, name) })
  await depot.close()
  if (patients.length > 0) return patients
  throw new CommandError(`There is no repository at "${argument}"`, EXIT.notFound)
}

function isRepository(path: string): boolean {
  const has = (name: string) => statSync(join(path, name), { throwIfNoEntry: false }) !== undefined
  return has('HEAD') && has('objects') && has('refs')
}

/** How often a step that was cut off is asked for once more. */
const REPEATS = 4

/**
 * What a server says of a repository, as it says it: step by step, a request each, and one that is cut off once more.
 *
 * @throws CommandError when it says no, or is cut off again and again
 */
export async function* askServer(
  url: string,
  what: 'fsck' | 'repair',
  { signal, pack }: { readonly signal: AbortSignal; readonly pack?: Uint8Array | undefined },
): AsyncGenerator<CheckEvent, void> {
  const { url: address, token } = addressOf({ url })
  const secret = token ?? process.env['DATAKIT_TOKEN'] ?? ''
  const headers: Record<string, string> = secret === '' ? {} : { authorization: `Bearer ${secret}` }
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    // Only the first step takes a pack.
    const body: RequestInit =
      pack === undefined || cursor !== '' ? {} : { body: new Uint8Array(pack) }
    const at: string = `${address}/${what}${cursor === '' ? '' : `?cursor=${cursor}`}`
    cursor = yield* askStep(at, { method: 'POST', headers, signal, ...body })
  }
}

/** Says what a step says, once it is whole; gives where the next one begins. */
async function* askStep(
  url: string,
  init: RequestInit,
): AsyncGenerator<CheckEvent, string | undefined> {
  for (let repeats = 0; ; repeats++) {
    // What is found again when a step is repeated is said once.
    const said: CheckEvent[] = []
    const step = readStep(url, init)
    for (;;) {
      const next = await step.next()
      if (next.done !== true) {
        if (next.value.kind === 'progress') yield next.value
        else said.push(next.value)
        continue
      }
      if (next.value === 'cut' && repeats < REPEATS) break
      yield* said
      if (next.value !== 'cut') return next.value.cursor
      throw new CommandError(
        `${url}: no whole answer came, so this is not all: ask again when the server can be reached`,
      )
    }
  }
}

/** One request; gives where the next step begins, if there is one, or that it was cut off. */
async function* readStep(
  url: string,
  init: RequestInit,
): AsyncGenerator<CheckEvent, 'cut' | { readonly cursor: string | undefined }> {
  const response = await askOnce(url, init)
  if (response === undefined) return 'cut'
  if (!response.ok || response.body === null)
    throw new CommandError(`${url}: ${await reasonOf(response)}`)
  let rest = ''
  let cursor: string | undefined
  const decoder = new TextDecoder()
  try {
    for await (const piece of response.body) {
      const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const event = parseEvent(line)
        if (event === 'end') return { cursor }
        if (event.kind === 'next') cursor = event.cursor
        else yield event
      }
    }
  } catch (error) {
    if (error instanceof CommandError || init.signal?.aborted === true) throw error
  }
  return 'cut'
}

/** The answer; `undefined` where the connection broke before there was one. */
async function askOnce(url: string, init: RequestInit): Promise<Response | undefined> {
  try {
    return await fetch(url, init)
  } catch (error) {
    if (init.signal?.aborted === true) throw error
    return undefined
  }
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text()
  return parseProblem(text)?.message ?? `it answered ${response.status}: ${text.slice(0, 200)}`
}

function parseEvent(line: string): CheckEvent | NextStep | 'end' {
  const value: unknown = JSON.parse(line)
  if (typeof value === 'object' && value !== null && 'kind' in value) {
    if (value.kind === 'end') return 'end'
    // Said by our own server, in the words of this version.
    return value as CheckEvent | NextStep
  }
  throw new CommandError(`Cannot read what the server says: ${line.slice(0, 80)}`)
}

/** How things are said. */
export interface Speech {
  readonly json: boolean
  /** Name that stands before each line, where there are several repositories. */
  readonly prefix: string
}

/** Tells everything that a check or a repair says, and sums it up. */
export async function tell(
  events: AsyncIterable<CheckEvent>,
  terminal: Terminal,
  { json, prefix }: Speech,
): Promise<Diagnosis> {
  const findings: Finding[] = []
  for await (const event of events) {
    terminal.signal.throwIfAborted()
    if (event.kind === 'finding') findings.push(event.finding)
    if (event.kind === 'progress') showProgress(`${event.step}: ${event.done} of ${event.of}`, json)
    else if (json) terminal.say(JSON.stringify({ repository: prefix, ...event }))
    else say(event, terminal, prefix)
  }
  clearProgress()
  return { errors: findings.filter(({ severity }) => severity === 'error').length, findings }
}

function say(event: CheckEvent, terminal: Terminal, name: string): void {
  clearProgress()
  const prefix = name === '' ? '' : `${name}: `
  if (event.kind === 'finding') {
    const { severity, code, message } = event.finding
    terminal.say(`${prefix}${severity}: ${code}: ${message}`)
  } else if (event.kind === 'mended') terminal.say(`${prefix}mended: ${event.message}`)
  else if (event.kind === 'counts') {
    const { packs, objects, unreachable, refs } = event.counts
    terminal.say(
      `${prefix}${objects} objects in ${packs} packs, ${unreachable} of them unreachable; ${refs} refs`,
    )
  }
}

function showProgress(text: string, json: boolean): void {
  if (process.stderr.isTTY && !json) process.stderr.write(`\r\u001b[K${text}`)
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}
