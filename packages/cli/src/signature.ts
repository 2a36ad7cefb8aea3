/**
 * Signature: whether a text was signed, and by whom, as the programs say that Git asks: gpg, gpgsm or ssh-keygen, whichever
 * the signature is for (`gpg.*.program`).
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-gpgprogram,
 * https://github.com/gpg/gnupg/blob/master/doc/DETAILS (format of the status lines),
 * https://man.openbsd.org/ssh-keygen (-Y)
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { text } from '@datakit/git/bytes'
import type { PushCertificate } from '@datakit/git/protocol/push-certificate'
import { pathIn, type Config } from '@datakit/storage/git-directory/config'
import { outerEnvironment } from '@datakit/storage/git-directory/hooks'

/** What a program says of a signature. */
export interface SignatureVerdict {
  /**
   * Git's letter: `G` good, `B` bad, `X` good but expired, `Y` by a key that has expired, `R` by one that was revoked,
   * `E` cannot be checked, `N` nobody could be asked.
   */
  readonly result: string
  /** Empty where it is not known. */
  readonly signer: string
  readonly key: string
}

/** Whose configuration says how, and where its relative paths begin. */
export interface SignatureSettings {
  readonly config: Config
  readonly directory: string
}

const NOBODY: SignatureVerdict = { result: 'N', signer: '', key: '' }
const CANNOT: SignatureVerdict = { result: 'E', signer: '', key: '' }
const BAD: SignatureVerdict = { result: 'B', signer: '', key: '' }

/** The line of gpg's status that gives each letter. A signature has one of them. */
const letters: Readonly<Record<string, string>> = {
  GOODSIG: 'G',
  BADSIG: 'B',
  ERRSIG: 'E',
  EXPSIG: 'X',
  EXPKEYSIG: 'Y',
  REVKEYSIG: 'R',
}

/** Most that is read of what a program says, in bytes. */
const MAX_SAID = 1 << 20

/** Asks whether the signature of a certificate is good. */
export async function verifySignature(
  certificate: PushCertificate,
  settings: SignatureSettings,
): Promise<SignatureVerdict> {
  const folder = await mkdtemp(join(tmpdir(), 'datakit-signature-'))
  const file = join(folder, 'signature')
  try {
    await writeFile(file, certificate.signature)
    const question = { file, signed: certificate.signed, ...settings }
    if (certificate.format === 'ssh') return await askSsh(question)
    return await askGpg(question, certificate.format)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Question extends SignatureSettings {
  /** The signature. */
  readonly file: string
  readonly signed: Uint8Array
}

async function askGpg(
  { file, signed, config, directory }: Question,
  format: 'openpgp' | 'x509',
): Promise<SignatureVerdict> {
  const isX509 = format === 'x509'
  const keys = isX509 ? ['gpg.x509.program'] : ['gpg.program', 'gpg.openpgp.program']
  const program = lastOf(config, keys) ?? (isX509 ? 'gpgsm' : 'gpg')
  const args = [...(isX509 ? [] : ['--keyid-format=long']), '--status-fd=1', '--verify', file, '-']
  const said = await ask(program, args, { input: signed, directory })
  return said === undefined ? NOBODY : readGpgStatus(said.out)
}

/** What the status lines of gpg and gpgsm say. */
export function readGpgStatus(status: string): SignatureVerdict {
  let verdict: SignatureVerdict | undefined
  for (const line of status.split('\n')) {
    const [, word = '', key = '', signer = ''] = /^\[GNUPG:\] (\S+) ?(\S*) ?(.*)$/.exec(line) ?? []
    const result = letters[word]
    if (word.startsWith('TRUST_') && !isTrust(word)) return CANNOT
    if (result === undefined) continue
    // More than one signature is something that nobody makes by accident.
    if (verdict !== undefined) return CANNOT
    verdict = { result, key, signer: word === 'ERRSIG' ? '' : signer }
  }
  return verdict ?? NOBODY
}

function isTrust(word: string): boolean {
  return /^TRUST_(UNDEFINED|NEVER|MARGINAL|FULLY|ULTIMATE)$/.test(word)
}

async function askSsh(question: Question): Promise<SignatureVerdict> {
  const { file, signed, config, directory } = question
  const pathOf = (key: string): string | undefined => {
    const path = config.get(key)
    return path === undefined ? undefined : pathIn(directory, path)
  }
  const signers = pathOf('gpg.ssh.allowedSignersFile')
  // Git asks nobody, either.
  if (signers === undefined) return NOBODY
  const program = lastOf(config, ['gpg.ssh.program']) ?? 'ssh-keygen'
  const run = (...args: readonly string[]): Promise<Said | undefined> =>
    ask(program, ['-Y', ...args, '-s', file], { input: signed, directory })
  const found = await run('find-principals', '-f', signers)
  if (found === undefined || (found.code !== 0 && found.err.includes('usage:'))) return NOBODY
  if (found.code !== 0 || found.out === '')
    return readSshWords((await run('check-novalidate', '-n', 'git'))?.out ?? '')
  const revoked = pathOf('gpg.ssh.revocationFile')
  const revocation = revoked !== undefined && existsSync(revoked) ? ['-r', revoked] : []
  let words = ''
  for (const principal of found.out.split(/\r?\n/).filter((line) => line !== '')) {
    const who = ['-n', 'git', '-f', signers, '-I', principal, ...revocation]
    const said = await run('verify', ...who)
    words = said?.out ?? ''
    if (said?.code === 0 && words.startsWith('Good')) break
  }
  return readSshWords(words)
}

/** What `ssh-keygen -Y verify` and `-Y check-novalidate` say on their first line. */
export function readSshWords(words: string): SignatureVerdict {
  const [line = ''] = words.trimStart().split('\n')
  // A principal may have any words in it: the last "with" is not its own.
  const [, principal, rest = ''] = /^Good "git" signature(?: for (.*))? with (.*)$/.exec(line) ?? []
  const [, key] = /key (.*)$/.exec(rest) ?? []
  return key === undefined ? BAD : { result: 'G', signer: principal ?? '', key }
}

/** What the last of several keys is set to that mean the same. */
function lastOf(config: Config, keys: readonly string[]): string | undefined {
  return config
    .all()
    .filter(({ key }) => keys.includes(key))
    .at(-1)?.value
}

interface Said {
  readonly code: number | undefined
  readonly out: string
  readonly err: string
}

/** What a program says; `undefined` where there is none. */
function ask(
  program: string,
  args: readonly string[],
  { input, directory }: { readonly input: Uint8Array; readonly directory: string },
): Promise<Said | undefined> {
  return new Promise((done) => {
    const child = spawn(program, args, { cwd: directory, env: outerEnvironment() })
    const pieces: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] }
    let left = MAX_SAID
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].on('data', (piece: Buffer) => {
        if (left > 0) pieces[stream].push(piece)
        left -= piece.length
      })
    }
    child.on('error', () => done(undefined))
    child.on('close', (code) => {
      const [out, err] = [pieces.stdout, pieces.stderr].map((each) => text(Buffer.concat(each)))
      done({ code: code ?? undefined, out: out ?? '', err: err ?? '' })
    })
    // It need not read what it is asked about.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
