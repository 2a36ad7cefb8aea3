/**
 * `bin/datakit.mjs`, the door of the tool, under an older Node than runs the sources.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { temporaryFolder } from '../../../test/support/servers.ts'

const bin = join(import.meta.dirname, '..', 'bin')

interface Run {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs the door as Node 20 would. */
function knock(path: string, ...args: readonly string[]): Promise<Run> {
  const folder = temporaryFolder('door')
  const pretend = join(folder.path, 'pretend.cjs')
  writeFileSync(
    pretend,
    `Object.defineProperty(process, 'version', { value: 'v20.20.2' })
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`,
  )
  return new Promise((resolve) => {
    execFile(process.execPath, ['--require', pretend, path, ...args], (error, out, err) => {
      folder.remove()
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
      resolve({ code, out, err })
    })
  })
}

it('hands over to the Node that came with the project, with arguments and exit code', async () => {
  const door = join(bin, 'datakit.mjs')
  expect(await knock(door, '--help')).toMatchObject({
    code: 0,
    out: expect.stringContaining('Usage: datakit'),
    err: '',
  })
  expect(await knock(door, 'get', '--bogus')).toMatchObject({ code: 2 })
})

it('says what is needed where no newer Node is', async () => {
  const folder = temporaryFolder('door')
  const copy = join(folder.path, 'packages', 'cli', 'bin')
  mkdirSync(copy, { recursive: true })
  cpSync(bin, copy, { recursive: true })
  const { code, err } = await knock(join(copy, 'datakit.mjs'), '--help')
  folder.remove()
  expect({ code, err }).toEqual({
    code: 1,
    err: expect.stringContaining('datakit needs Node 22.18 or newer. This is v20.20.2'),
  })
})
