import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { readConfig } from './config.ts'
import { share, sharedModes } from './shared-modes.ts'

let folder: string
let counter = 0

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shared-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function repository(...lines: readonly string[]): string {
  const directory = join(folder, `repository-${++counter}.git`)
  execFileSync('git', ['init', '--quiet', '--bare', directory])
  const body = ['[core]', ...lines].join('\n')
  writeFileSync(join(directory, 'config'), `${body}\n`, { flag: 'a' })
  return directory
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8)
}

const values = ['umask', 'group', 'all', 'world', 'everybody', 'true', 'false', '0', '1', '2']

it.each([...values, '0600', '0640', '0660', '0664', '0666', '660', '0777', undefined])(
  'gives files the modes that Git gives them where core.sharedRepository is %s',
  async (value) => {
    const line = value === undefined ? 'sharedRepository' : `sharedRepository = ${value}`
    const [mine, judge] = [repository(line), repository(line)]
    const input = 'hello\n'
    const made = execFileSync('git', ['-C', judge, 'hash-object', '-w', '--stdin'], { input })
    const oid = made.toString().trim()
    const [step, name] = [
      `objects/${oid.slice(0, 2)}`,
      `objects/${oid.slice(0, 2)}/${oid.slice(2)}`,
    ]
    execFileSync('git', ['-C', judge, 'update-ref', '--create-reflog', 'refs/some/where/x', oid])
    execFileSync('mkdir', ['-p', join(mine, step), join(mine, 'refs/some/where')])
    writeFileSync(join(mine, name), '', { mode: 0o444 })
    writeFileSync(join(mine, 'refs/some/where/x'), '')
    const modes = sharedModes(readConfig(mine))
    if (modes !== undefined) await share(mine, [name, 'refs/some/where/x', 'not/there'], modes)
    for (const path of [step, name, 'refs/some', 'refs/some/where', 'refs/some/where/x'])
      expect([path, modeOf(join(mine, path))]).toEqual([path, modeOf(join(judge, path))])
  },
)

it.each(['0400', '0066', 'some'])('refuses %s, as Git does', (value) => {
  const directory = repository(`sharedRepository = ${value}`)
  expect(() => sharedModes(readConfig(directory))).toThrow('core.sharedRepository')
  const args = ['-C', directory, 'hash-object', '-w', '--stdin']
  expect(() => execFileSync('git', args, { input: 'a', stdio: 'pipe' })).toThrow()
})
