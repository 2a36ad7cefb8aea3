#!/usr/bin/env node
/**
 * The door to `datakit` for any Node: hands over to one that runs TypeScript.
 */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { endTogether, findNode, noNode, versionAtLeast } from './find-node.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const main = join(here, '..', 'src', 'main.ts')
const node = findNode(join(here, '..', '..', '..'))
if (node === undefined) {
  console.error(noNode('datakit needs'))
  process.exitCode = 1
} else if (node === process.execPath && versionAtLeast(24, 0)) await import('../src/main.ts')
else {
  const options = ['--disable-warning=ExperimentalWarning', main, ...process.argv.slice(2)]
  endTogether(spawn(node, options, { stdio: 'inherit' }))
}
