/**
 * Push certificate: what a person signs who pushes with `--signed`: who pushes what, where to, and a nonce of the server's.
 *
 * Headers, an empty line, the commands, the signature. It takes the place of the commands in a push.
 *
 * Spec: https://git-scm.com/docs/gitprotocol-pack#_push_certificate
 *
 * @module
 */
import type { ByteReader } from '../byte-reader.ts'
import { concat, decodeName } from '../bytes.ts'
import { MalformedError } from '../error.ts'
import { readPacket } from './pkt-line.ts'

/** Which kind of signature a certificate has. */
export type SignatureFormat = 'openpgp' | 'x509' | 'ssh'

/** A certificate. Nothing of it is proved. */
export interface PushCertificate {
  /** As it came, with its signature. */
  readonly bytes: Uint8Array
  /** What of the bytes is signed. */
  readonly signed: Uint8Array
  /** What of the bytes is the signature. */
  readonly signature: Uint8Array
  readonly format: SignatureFormat
}

const formats: readonly (readonly [start: string, format: SignatureFormat])[] = [
  ['-----BEGIN PGP SIGNATURE-----', 'openpgp'],
  ['-----BEGIN PGP MESSAGE-----', 'openpgp'],
  ['-----BEGIN SIGNED MESSAGE-----', 'x509'],
  ['-----BEGIN SSH SIGNATURE-----', 'ssh'],
]

const LF = 10

/**
 * The certificate whose lines are the next packets, to its `push-cert-end`.
 *
 * @param most bytes that are taken
 * @throws MalformedError when it is longer, cut short, or not signed
 */
export async function readCertificate(reader: ByteReader, most: number): Promise<PushCertificate> {
  const lines: Uint8Array[] = []
  let left = most
  for (;;) {
    const packet = await readPacket(reader)
    if (packet?.kind !== 'line') throw malformed('it ends without "push-cert-end"')
    const { payload } = packet
    if (decodeName(payload) === 'push-cert-end\n') return decodeCertificate(concat(lines))
    left -= payload.length
    if (left < 0) throw malformed(`it has more than ${most} bytes`)
    lines.push(payload.slice())
  }
}

/** A certificate and its signature. @throws MalformedError when it has none, or nothing that is signed */
export function decodeCertificate(bytes: Uint8Array): PushCertificate {
  if (bytes.includes(0)) throw malformed('it has a zero byte')
  const found = findSignature(bytes)
  // Git takes such a one where no hook asks for it, and dies where one does.
  if (found === undefined) throw malformed('it has no signature')
  const { start, format } = found
  return { bytes, signed: bytes.slice(0, start), signature: bytes.slice(start), format }
}

/** The last line that begins a signature, as Git looks for it. */
function findSignature(bytes: Uint8Array): { start: number; format: SignatureFormat } | undefined {
  let found: { start: number; format: SignatureFormat } | undefined
  for (let start = 0; start < bytes.length; start = endOfLine(bytes, start)) {
    const line = decodeName(bytes.subarray(start, start + 32))
    const format = formats.find(([begin]) => line.startsWith(begin))?.[1]
    if (format !== undefined) found = { start, format }
  }
  return found
}

/** Where the next line begins. */
function endOfLine(bytes: Uint8Array, start: number): number {
  const end = bytes.indexOf(LF, start)
  return end === -1 ? bytes.length : end + 1
}

/** The values of a header, in their order. */
export function certificateHeaders({ signed }: PushCertificate, name: string): string[] {
  const [head = ''] = decodeName(signed).split('\n\n', 1)
  const begin = `${name} `
  return head
    .split('\n')
    .flatMap((line) => (line.startsWith(begin) ? [line.slice(begin.length)] : []))
}

/** The commands that are signed, a line each. @throws MalformedError when there is no empty line in front of them */
export function certificateCommands({ signed }: PushCertificate): string[] {
  const text = decodeName(signed)
  const start = text.indexOf('\n\n')
  if (start === -1) throw malformed('it has no commands')
  return text
    .slice(start + 2)
    .replace(/\n$/, '')
    .split('\n')
}

function malformed(problem: string): MalformedError {
  return new MalformedError('a push certificate', problem)
}
