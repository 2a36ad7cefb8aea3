import { expect, it } from 'vitest'
import { pusher } from './pusher.ts'

function push(authorization?: string): Request {
  return new Request('http://localhost/a.git/git-receive-pack', {
    method: 'POST',
    headers: authorization === undefined ? {} : { authorization },
  })
}

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

it('is anonymous, at the address of the client', () => {
  expect(pusher(push(), '192.0.2.7', {})).toBe('anonymous <anonymous@http.192.0.2.7>')
  expect(pusher(push('Bearer x'), undefined, {})).toBe('anonymous <anonymous@http.localhost>')
})

it('is the user that the request names, without what could end a line of a reflog', () => {
  expect(pusher(push(basic('ada:token')), '::1', {})).toBe('ada <ada@http.::1>')
  expect(pusher(push(basic('a\n<d>a:token')), '::1', {})).toBe('ada <ada@http.::1>')
  expect(pusher(push(basic(':token')), '::1', {})).toBe('anonymous <anonymous@http.::1>')
})

it('is the committer of the environment, when there is one', () => {
  const environment = { GIT_COMMITTER_NAME: 'Build', GIT_COMMITTER_EMAIL: 'build@example.org' }
  expect(pusher(push(basic('ada:x')), '::1', environment)).toBe('Build <build@example.org>')
})
