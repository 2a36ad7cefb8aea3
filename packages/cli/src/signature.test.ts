import { describe, expect, it } from 'vitest'

import { readGpgStatus, readSshWords } from './signature.ts'

describe('what gpg says', () => {
  it.each([
    ['GOODSIG 0123 Ada <ada@example.org>', 'G', 'Ada <ada@example.org>'],
    ['BADSIG 0123 Ada <ada@example.org>', 'B', 'Ada <ada@example.org>'],
    ['EXPSIG 0123 Ada', 'X', 'Ada'],
    ['EXPKEYSIG 0123 Ada', 'Y', 'Ada'],
    ['REVKEYSIG 0123 Ada', 'R', 'Ada'],
    ['ERRSIG 0123 22 8 00 1700000000 9 -', 'E', ''],
  ])('in "%s" is %s', (line, result, signer) => {
    const status = `[GNUPG:] NEWSIG\n[GNUPG:] ${line}\n[GNUPG:] TRUST_NEVER 0 pgp\n`
    expect(readGpgStatus(status)).toEqual({ result, signer, key: '0123' })
  })

  it('of two signatures is that nothing can be said', () => {
    const line = '[GNUPG:] GOODSIG 0123 Ada\n'
    expect(readGpgStatus(line + line)).toEqual({ result: 'E', signer: '', key: '' })
  })

  it('with a trust that nobody knows is that nothing can be said', () => {
    const status = '[GNUPG:] GOODSIG 0123 Ada\n[GNUPG:] TRUST_LOTS\n'
    expect(readGpgStatus(status).result).toBe('E')
  })

  it('without a status line is that nobody was asked', () => {
    expect(readGpgStatus('GOODSIG 0123 Ada\n').result).toBe('N')
  })
})

describe('what ssh-keygen says', () => {
  it.each([
    ['Good "git" signature for Ada with ED25519 key SHA256:abc\n', 'G', 'Ada', 'SHA256:abc'],
    [
      'Good "git" signature for Ada with RSA key X with RSA key SHA256:abc\n',
      'G',
      'Ada with RSA key X',
      'SHA256:abc',
    ],
    ['Good "git" signature with ED25519 key SHA256:abc\n', 'G', '', 'SHA256:abc'],
    ['Good "file" signature for Ada with ED25519 key SHA256:abc\n', 'B', '', ''],
    ['Good "git" signature for Ada with nothing\n', 'B', '', ''],
    ['Could not verify signature.\nGood "git" signature with A key B\n', 'B', '', ''],
    ['', 'B', '', ''],
  ])('in %j is %s', (words, result, signer, key) => {
    expect(readSshWords(words)).toEqual({ result, signer, key })
  })
})
