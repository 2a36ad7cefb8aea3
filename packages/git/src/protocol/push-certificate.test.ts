import { describe, expect, it } from 'vitest'

import { bytesOf, latin1, readCuts, readerOf } from '../../test/support/hostile.ts'
import { encodePush, readPush } from './push.ts'
import { encodeLine, FLUSH } from './pkt-line.ts'
import { certificateCommands, certificateHeaders, decodeCertificate } from './push-certificate.ts'
import { concat } from '../bytes.ts'

const ZERO = '0'.repeat(40)
const ONE = '1'.repeat(40)
const COMMANDS = `${ZERO} ${ONE} refs/heads/a\n${ONE} ${ZERO} refs/heads/b\n`
const HEAD = `certificate version 0.1
pusher Ada <ada@example.org> 1700000000 +0000
nonce 1700000000-abc
push-option one
push-option \npush-option two

`
const SIGNATURE = '-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n'
const CERTIFICATE = HEAD + COMMANDS + SIGNATURE

/** A push that is signed, as packets. */
function signed(certificate: string, ...more: readonly Uint8Array[]): Uint8Array {
  const lines = certificate.split(/(?<=\n)/).map((line) => encodeLine(line))
  const begin = encodeLine('push-cert\0 report-status atomic\n')
  return concat([begin, ...lines, encodeLine('push-cert-end\n'), ...more, FLUSH])
}

const taken = { takesCertificates: true }

describe('a push certificate', () => {
  it.each([
    ['-----BEGIN PGP SIGNATURE-----', 'openpgp'],
    ['-----BEGIN PGP MESSAGE-----', 'openpgp'],
    ['-----BEGIN SIGNED MESSAGE-----', 'x509'],
    ['-----BEGIN SSH SIGNATURE-----', 'ssh'],
  ])('that ends with "%s" is what is in front of it, and a signature', (begin, format) => {
    const decoded = decodeCertificate(bytesOf(`${HEAD}${COMMANDS}${begin}\nabc\n`))
    expect(latin1(decoded.signed)).toBe(HEAD + COMMANDS)
    expect(latin1(decoded.signature)).toBe(`${begin}\nabc\n`)
    expect(decoded.format).toBe(format)
  })

  it('has the last signature for its own, as in Git', () => {
    const decoded = decodeCertificate(bytesOf(CERTIFICATE + SIGNATURE))
    expect(latin1(decoded.signed)).toBe(CERTIFICATE)
  })

  it('has headers up to its empty line, and commands behind it', () => {
    const decoded = decodeCertificate(bytesOf(CERTIFICATE.replace('b\n', 'push-option three\n')))
    expect(certificateHeaders(decoded, 'push-option')).toEqual(['one', '', 'two'])
    expect(certificateHeaders(decoded, 'nonce')).toEqual(['1700000000-abc'])
    expect(certificateHeaders(decoded, 'pushee')).toEqual([])
    expect(certificateCommands(decoded)).toHaveLength(2)
  })

  it.each([1, 1000])('takes the place of the commands, in pieces of %i', async (size) => {
    const request = await readPush(readerOf(signed(CERTIFICATE), size), taken)
    expect(request.updates).toEqual([
      { name: 'refs/heads/a', from: undefined, to: ONE },
      { name: 'refs/heads/b', from: ONE, to: undefined },
    ])
    expect([...request.capabilities.keys()]).toEqual(['report-status', 'atomic'])
    expect(request.certificate && latin1(request.certificate.bytes)).toBe(CERTIFICATE)
  })

  it('is none in a push that is not signed', async () => {
    const push = encodePush([{ name: 'refs/heads/a', from: undefined, to: undefined }], [])
    expect((await readPush(readerOf(push), taken)).certificate).toBe(undefined)
  })

  it('is known to be cut short, wherever that is', async () => {
    const read = (reader: Parameters<typeof readPush>[0]) => readPush(reader, taken)
    expect(await readCuts(signed(CERTIFICATE), read)).toEqual([0])
  })

  it.each([
    ['is not signed', signed(HEAD + COMMANDS), 'it has no signature'],
    ['has no empty line', signed(HEAD.trimEnd() + SIGNATURE), 'it has no signature'],
    ['has no commands', signed(`nonce a\n${SIGNATURE}`), 'it has no commands'],
    ['has none behind its empty line', signed(HEAD + SIGNATURE), 'expected two oids and a ref'],
    ['has a zero byte', signed(CERTIFICATE.replace('Ada', 'A\0a')), 'it has a zero byte'],
    [
      'has commands beside it',
      signed(CERTIFICATE, encodeLine(`${ZERO} ${ONE} refs/heads/c`)),
      'commands beside its certificate',
    ],
    [
      'is not the only one',
      concat([signed(CERTIFICATE).slice(0, -4), signed(CERTIFICATE)]),
      'beside',
    ],
    [
      'ends with a flush',
      concat([encodeLine('push-cert\0 a'), encodeLine(HEAD), FLUSH]),
      'push-cert-end',
    ],
  ])('is refused where it %s', async (_, wire, words) => {
    await expect(readPush(readerOf(wire), taken)).rejects.toThrow(words)
  })
})
