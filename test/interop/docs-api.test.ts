/**
 * The program of `docs/api.md`, run and type-checked as it stands there.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { temporaryFolder } from '../support/servers.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = temporaryFolder('docs-api')
const program = join(folder.path, 'program.ts')
let source: string

beforeAll(() => {
  const page = readFileSync(join(root, 'docs', 'api.md'), 'utf8')
  const blocks = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block = '']) => block)
  source = blocks.join('\n')
  symlinkSync(join(root, 'node_modules'), join(folder.path, 'node_modules'))
  writeFileSync(join(folder.path, 'package.json'), '{ "type": "module" }')
  writeFileSync(program, source)
})
afterAll(() => folder.remove())

/** What the page says is printed: behind a `console.log`, or in lines below it, where it prints more than once. */
function promised(): string[] {
  const printed: string[] = []
  let isBelow = false
  for (const line of source.split('\n')) {
    const said = /console\.log\(.*\)(?: \/\/ (.*))?$/.exec(line)
    if (said) {
      isBelow = said[1] === undefined
      if (said[1] !== undefined) printed.push(said[1])
    } else if (isBelow && line.startsWith('// ')) printed.push(line.slice(3))
    else if (line === '') isBelow = false
  }
  return printed
}

it('prints what the page says', () => {
  const output = execFileSync(process.execPath, ['--no-warnings', program], { encoding: 'utf8' })
  const lines = output.split('\n').filter((line) => line !== '')
  expect(promised().length).toBeGreaterThan(40)
  expect(lines).toEqual(promised())
})

it('has the types that the page says', () => {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { lib: ['ES2024', 'DOM', 'DOM.AsyncIterable'], types: ['node'], noEmit: true },
    files: ['program.ts'],
  }
  writeFileSync(join(folder.path, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules', '.bin', 'tsc')
  const run = (): unknown => execFileSync(tsc, ['-p', folder.path], { stdio: 'pipe' })
  try {
    run()
  } catch (error) {
    // What tsc has to say stands in its output.
    throw new Error(String((error as { stdout?: Buffer }).stdout), { cause: error })
  }
})
