import { describe, expect, it } from 'vitest'
import { checkAccess, LOOPBACK_HOSTS, type Access } from './access.ts'

const token: Access = { kind: 'token', token: 's3cret-ü' }
const loopback: Access = { kind: 'loopback', hosts: LOOPBACK_HOSTS }

function request(
  headers: Record<string, string>,
  url = 'http://localhost:8787/a.git/info/refs',
): Request {
  return new Request(url, { headers })
}

function basic(password: string): string {
  return `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`
}

function codeOf(headers: Record<string, string>, access: Access, url?: string): string {
  try {
    checkAccess(request(headers, url), access)
    return 'passes'
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('with a token', () => {
  it.each([
    ['Bearer s3cret-ü', 'passes'],
    ['bearer  s3cret-ü', 'passes'],
    [basic('s3cret-ü'), 'passes'],
    [basic('s3cret'), 'unauthorised'],
    [basic(''), 'unauthorised'],
    ['Basic !!!', 'unauthorised'],
    ['Bearer', 'unauthorised'],
    ['Bearer s3cret-ü2', 'unauthorised'],
    ['Digest s3cret-ü', 'unauthorised'],
  ])('answers %s with %s', (authorization, expected) => {
    // Headers hold bytes as Latin-1; the token travels as its UTF-8.
    const header = authorization.startsWith('Basic')
      ? authorization
      : Buffer.from(authorization).toString('latin1')
    const access = authorization.startsWith('Basic')
      ? token
      : ({ kind: 'token', token: Buffer.from('s3cret-ü').toString('latin1') } as const)
    expect(codeOf({ authorization: header }, access)).toBe(expected)
  })

  it('tells a client that sent nothing how to sign in', () => {
    expect(() => checkAccess(request({}), token)).toThrow('This server wants a token')
  })

  it('does not care for the host: the token is the proof', () => {
    expect(codeOf({ authorization: basic('s3cret-ü'), host: 'config.example.org' }, token)).toBe(
      'passes',
    )
  })
})

describe('on loopback without a token', () => {
  it.each([
    [{}, 'passes'],
    [{ origin: 'http://localhost:8787' }, 'passes'],
    [{ host: 'localhost:8787' }, 'passes'],
    [{ host: 'attacker.example.org' }, 'foreign-host'],
    [{ host: 'localhost.attacker.example.org:8787' }, 'foreign-host'],
    [{ origin: 'http://attacker.example.org' }, 'foreign-origin'],
    [{ origin: 'http://localhost:1' }, 'foreign-origin'],
    [{ origin: 'null' }, 'foreign-origin'],
  ])('answers %j with %s', (headers, expected) => {
    expect(codeOf(headers as Record<string, string>, loopback)).toBe(expected)
  })

  it('answers to the IPv6 loopback', () => {
    expect(codeOf({}, loopback, 'http://[::1]:8787/a.git/info/refs')).toBe('passes')
  })
})

it('serves nothing but how to set it up when closed', () => {
  const closed: Access = { kind: 'closed', message: 'Set DATAKIT_TOKEN' }
  expect(() => checkAccess(request({ authorization: 'Bearer x' }), closed)).toThrow(
    'Set DATAKIT_TOKEN',
  )
})
