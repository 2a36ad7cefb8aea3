/**
 * Signing: keys of every kind that Git signs with, made for a test and gone with it.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPackages } from '../../tools/debian.ts'

/** Why nothing can be signed here; `undefined` when it can. */
export function signingProblem(): string | undefined {
  return installPackages(['gnupg', 'gpgsm', 'openssh-client'])
}

/** Keys of Ada, who is trusted, and the programs that know them. */
export interface Keyring {
  /** `gpg` and `gpgsm` with these keys, wherever they are called. */
  readonly gpg: string
  readonly gpgsm: string
  /** Private keys for `user.signingKey`: of one who is allowed, and of one whom nobody knows. */
  readonly sshKey: string
  readonly strangeSshKey: string
  /** For `gpg.ssh.allowedSignersFile`. */
  readonly allowedSigners: string
  /** For `gpg.ssh.revocationFile`: takes the first of the keys back. */
  readonly revoked: string
  /** A signature of gpg's for a text. */
  sign(text: string): string
  remove(): void
}

/** Makes a key of each kind. */
export function keyring(): Keyring {
  // Short, since it is the path of a socket.
  const folder = mkdtempSync(join(tmpdir(), 'keys-'))
  const home = join(folder, 'g')
  mkdirSync(home, { mode: 0o700 })
  const gpg = programIn(folder, home, 'gpg')
  const gpgsm = programIn(folder, home, 'gpgsm')
  const quiet = { stdio: ['ignore', 'ignore', 'pipe'] as const }
  const user = 'Ada <ada@example.org>'
  const unlocked = ['--batch', '--quiet', '--passphrase', '']
  execFileSync(gpg, [...unlocked, '--quick-gen-key', user, 'ed25519', 'sign', 'never'], {
    stdio: [...quiet.stdio],
  })
  makeX509Key(folder, home, gpgsm)
  const [sshKey, strangeSshKey] = ['ssh', 'strange'].map((name) => sshKeyIn(folder, name))
  const allowedSigners = join(folder, 'allowed')
  const revoked = `${sshKey}.pub`
  writeFileSync(allowedSigners, `"Ada with a key" ${readFileSync(revoked, 'utf8')}`)
  return {
    gpg,
    gpgsm,
    sshKey: sshKey ?? '',
    strangeSshKey: strangeSshKey ?? '',
    allowedSigners,
    revoked,
    sign: (text) =>
      execFileSync(gpg, ['--batch', '-bsau', 'ada@example.org'], {
        input: text,
        stdio: ['pipe', 'pipe', 'pipe'],
      }).toString(),
    remove: () => {
      const env = { ...process.env, GNUPGHOME: home }
      execFileSync('gpgconf', ['--kill', 'all'], { env, stdio: 'ignore' })
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function programIn(folder: string, home: string, name: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\nGNUPGHOME='${home}' exec ${name} "$@"\n`)
  chmodSync(path, 0o755)
  return path
}

function sshKeyIn(folder: string, name: string): string {
  const path = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path])
  return path
}

function makeX509Key(folder: string, home: string, gpgsm: string): void {
  const wish = join(folder, 'wish')
  writeFileSync(
    wish,
    [
      'Key-Type: RSA',
      'Key-Length: 2048',
      'Key-Usage: sign',
      'Serial: random',
      'Name-DN: CN=Ada,O=Example',
      'Name-Email: ada@example.org',
      '',
    ].join('\n'),
  )
  const quiet = ['--batch', '--quiet', '--passphrase-fd', '0', '--pinentry-mode', 'loopback']
  const run = (args: readonly string[], input: string | Buffer = ''): Buffer =>
    execFileSync(gpgsm, args, { input, stdio: ['pipe', 'pipe', 'pipe'] })
  run(['--import'], run([...quiet, '--generate-key', wish]))
  const listed = run(['-K', '--with-colons']).toString()
  const [, fingerprint = ''] = /^fpr:+([0-9A-F]+):/m.exec(listed) ?? []
  writeFileSync(join(home, 'trustlist.txt'), `${fingerprint} S relax\n`)
  execFileSync('gpgconf', ['--reload', 'all'], { env: { ...process.env, GNUPGHOME: home } })
}
