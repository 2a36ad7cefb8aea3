import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { judgeNonce, makeNonce } from './push-nonce.ts'

const folder = mkdtempSync(join(tmpdir(), 'nonce-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it.each(['sekrit', 'x'.repeat(200), 'dürfte gehen'])(
  'makes the nonce that Git makes over HTTP: "%s"',
  (seed) => {
    const git = (...args: readonly string[]): string =>
      execFileSync('git', ['-C', folder, ...args]).toString('latin1')
    git('init', '--quiet', '--bare')
    git('config', 'receive.certNonceSeed', seed)
    const said = git('receive-pack', '--stateless-rpc', '--http-backend-info-refs', '.')
    const [, nonce = '', seconds] = / push-cert=((\d+)-[0-9a-f]{40}) /.exec(said) ?? []
    expect(makeNonce({ seed }, Number(seconds))).toBe(nonce)
  },
)

it('takes a nonce for good that is of now or off by no more than it may be', () => {
  const rules = { seed: 'sekrit', slop: 30 }
  for (const off of [-30, 0, 30]) {
    const nonce = makeNonce(rules, 1000 - off)
    expect(judgeNonce(rules, nonce, 1000)).toEqual({ nonce, status: 'OK', slop: undefined })
  }
  for (const off of [-31, 31]) {
    const verdict = judgeNonce(rules, makeNonce(rules, 1000 - off), 1000)
    expect(verdict).toEqual({ nonce: makeNonce(rules, 1000), status: 'SLOP', slop: off })
  }
})
