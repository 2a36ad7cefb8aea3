/**
 * Pulls the configuration with stock Git and prints one file of it, for any program that wants its settings from a
 * repository. A second run fetches what is new and no more.
 *
 *     node examples/pull-with-git.ts http://127.0.0.1:8787/config.git ./state limits.json
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [url, folder, path] = process.argv.slice(2)
if (url === undefined || folder === undefined || path === undefined) {
  console.error('Usage: node examples/pull-with-git.ts URL FOLDER PATH')
  process.exit(2)
}
const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' })
if (existsSync(join(folder, '.git'))) git('-C', folder, 'pull', '--quiet', '--ff-only')
else git('clone', '--quiet', url, folder)
console.log(git('-C', folder, 'log', '-1', '--format=%h %an: %s').trim())
process.stdout.write(readFileSync(join(folder, path)))
