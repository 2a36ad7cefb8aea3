import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { keepBlob } from './keep-blob.ts'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'keep-blob-'))
  execFileSync('git', ['init', '--quiet', '--bare', directory])
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

it.each([0, 1, 70_000])('keeps a blob of %i bytes, which Git reads', async (size) => {
  const body = Uint8Array.from({ length: size }, (_, i) => i % 251)
  const oid = await keepBlob(`${directory}/objects`, body)
  const found = execFileSync('git', ['-C', directory, 'cat-file', 'blob', oid])
  expect(Buffer.compare(found, body)).toBe(0)
  execFileSync('git', ['-C', directory, 'fsck', '--strict'], { stdio: 'pipe' })
})

it('keeps one that is there as it is, and makes it young again', async () => {
  const body = Buffer.from('again')
  const oid = await keepBlob(`${directory}/objects`, body)
  const folder = join(directory, 'objects', oid.slice(0, 2))
  const path = join(folder, oid.slice(2))
  utimesSync(path, 1, 1)
  const { ino } = statSync(path)
  expect(await keepBlob(`${directory}/objects`, body)).toBe(oid)
  expect(statSync(path).ino).toBe(ino)
  expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(60_000)
  expect(readdirSync(folder)).toEqual([oid.slice(2)])
})
