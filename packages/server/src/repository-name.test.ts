import { expect, it } from 'vitest'
import { checkRepositoryName } from './repository-name.ts'

it.each(['config', 'team/config', 'a/b/c', 'Grüße', 'v1.2', 'a_b-c', 'git'])(
  'takes "%s"',
  (name) => {
    expect(checkRepositoryName(name)).toBe(name)
  },
)

it.each([
  '',
  '/config',
  'config/',
  'a//b',
  '.',
  '..',
  'a/../b',
  '.hidden',
  '-option',
  'a.git/b',
  'a.lock',
  'a.',
  'a ',
  'a\\b',
  'a\0b',
  'a\nb',
  'a:b',
  'a?b',
  '<b>',
  '\ud800',
  'x'.repeat(251),
])('refuses %j, saying why', (name) => {
  expect(() => checkRepositoryName(name)).toThrow(/^Not a repository name/)
})
