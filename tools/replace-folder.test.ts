import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { replaceFolder } from './replace-folder.ts'

let folder = ''
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'datakit-replace-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A folder whose two files say the same. */
function make(name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  for (const file of ['a', 'b']) writeFileSync(join(path, file), name)
  return path
}

it('puts a folder where there is none, and where there is one', () => {
  const target = join(folder, 'to', 'target')
  for (const name of ['one', 'two']) {
    replaceFolder(make(name), target)
    expect(readFileSync(join(target, 'a'), 'utf8')).toBe(name)
  }
  expect(readdirSync(folder)).toEqual(['to'])
})

it('leaves one whole folder where several processes put theirs', async () => {
  const target = join(folder, 'target')
  const script = `import { replaceFolder } from ${JSON.stringify(join(import.meta.dirname, 'replace-folder.ts'))}
    for (const fresh of process.argv.slice(1)) replaceFolder(fresh, ${JSON.stringify(target)})`
  const run = (names: readonly string[]): Promise<unknown> =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, ...names.map(make)])
  const batches = ['x', 'y', 'z'].map((who) => Array.from({ length: 30 }, (_, i) => `${who}${i}`))
  await Promise.all(batches.map(run))
  expect(readdirSync(folder)).toEqual(['target'])
  const [a, b] = ['a', 'b'].map((file) => readFileSync(join(target, file), 'utf8'))
  expect(a).toBe(b)
  expect(['x29', 'y29', 'z29']).toContain(a)
})
