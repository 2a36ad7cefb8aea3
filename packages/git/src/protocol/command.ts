/**
 * Command: the envelope of a version 2 request. The command and the client's capabilities, a delimiter, arguments,
 * a flush.
 *
 * Spec: https://git-scm.com/docs/protocol-v2#_command_request
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { AGENT, capabilitiesOf, type Capabilities } from './capability.ts'
import {
  DELIMITER,
  encodeLines,
  expectPacket,
  FLUSH,
  lineText,
  readLines,
  readPacket,
} from './pkt-line.ts'

/** A request of version 2. */
export interface Command {
  readonly name: string
  readonly capabilities: Capabilities
  readonly args: readonly string[]
}

// A client that fetches 100,000 refs at once has as many wants; a round of haves is at most 16,384.
const MOST_ARGUMENTS = 250_000

/** The bytes of a request, with our `agent` and the object format. */
export function encodeCommand(name: string, args: Iterable<string>): Uint8Array<ArrayBuffer> {
  const head = encodeLines([`command=${name}`, `agent=${AGENT}`, 'object-format=sha1'])
  return concat([head, DELIMITER, encodeLines(args), FLUSH])
}

/**
 * The next request; `undefined` at the end of the stream, and for the lone flush that ends a conversation.
 *
 * @throws MalformedError when it is cut short or names no command
 */
export async function readCommand(reader: ByteReader): Promise<Command | undefined> {
  const first = await readPacket(reader)
  if (first === undefined || first.kind !== 'line') return undefined
  const words = [lineText(first.payload)]
  let next = await expectPacket(reader, 'a command')
  for (
    ;
    next.kind === 'line' && words.length < 1000;
    next = await expectPacket(reader, 'a command')
  ) {
    words.push(lineText(next.payload))
  }
  const args: string[] = []
  if (next.kind === 'delimiter') {
    for await (const line of readLines(reader, 'a command', MOST_ARGUMENTS)) args.push(line)
  }
  const capabilities = capabilitiesOf(words)
  const names = capabilities.get('command')
  const [name] = names ?? []
  if (name === undefined || names?.length !== 1 || next.kind === 'line') {
    throw new MalformedError(
      'a command',
      `expected one "command=", found "${words[0]?.slice(0, 80) ?? ''}"`,
    )
  }
  return { name, capabilities, args }
}
