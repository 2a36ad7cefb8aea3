/**
 * The same where there is no git binary: isomorphic-git clones from the same URL and reads one file.
 *
 *     node examples/pull-without-git.ts http://127.0.0.1:8787/config.git ./state limits.json
 */
import git from 'isomorphic-git'
import http from 'isomorphic-git/http/node'
import fs from 'node:fs'
import { join } from 'node:path'

const [url, dir, filepath] = process.argv.slice(2)
if (url === undefined || dir === undefined || filepath === undefined) {
  console.error('Usage: node examples/pull-without-git.ts URL FOLDER PATH')
  process.exit(2)
}
const author = { name: 'Puller', email: 'puller@example.org' }
if (fs.existsSync(join(dir, '.git')))
  await git.pull({ fs, http, dir, author, fastForwardOnly: true })
else await git.clone({ fs, http, dir, url, singleBranch: true })
const [head] = await git.log({ fs, dir, depth: 1 })
console.log(`${head?.oid.slice(0, 7)} ${head?.commit.author.name}: ${head?.commit.message.trim()}`)
process.stdout.write(fs.readFileSync(join(dir, filepath)))
