/**
 * The source of Git's own tests: Debian's package of the Git that this machine has, with the one helper program that the
 * tests cannot do without compiled from it. Kept between runs.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { installPackages } from '../../../tools/debian.ts'

const VERSION = '2.39.5'
const ARCHIVE = `git_${VERSION}.orig.tar.xz`
const URL = `http://deb.debian.org/debian/pool/main/g/git/${ARCHIVE}`
const SHA256 = 'c58da92c378df4a986ca33266897a7397e86c22ee266a284d8c2432c39066b59'

/** Where it is kept. */
export const SUITE_FOLDER =
  process.env['GIT_SUITE'] ?? join(tmpdir(), `datakit-git-suite-${VERSION}`)

/**
 * Folder of the source, ready to run its tests against the Git that is installed.
 *
 * @throws Error that says what is missing
 */
export async function suiteSource(): Promise<string> {
  needPackages("Cannot sign pushes in Git's own tests", ['gnupg'])
  const folder = join(SUITE_FOLDER, `git-${VERSION}`)
  const ready = join(folder, 'READY')
  if (existsSync(ready)) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(SUITE_FOLDER, { recursive: true })
  const archive = await fetchArchive()
  execFileSync('tar', ['-xJf', archive, '-C', SUITE_FOLDER])
  compile(folder)
  adapt(join(folder, 't', 'lib-httpd.sh'))
  writeFileSync(ready, '')
  return folder
}

async function fetchArchive(): Promise<string> {
  const path = join(SUITE_FOLDER, ARCHIVE)
  if (existsSync(path) && isWhole(readFileSync(path))) return path
  const body = await download().catch((error: unknown) => {
    throw new Error(
      `Cannot get the source of Git's own tests: ${URL}: ${error instanceof Error ? error.message : String(error)}. Put it into ${SUITE_FOLDER}`,
      { cause: error },
    )
  })
  writeFileSync(`${path}.new`, body)
  renameSync(`${path}.new`, path)
  return path
}

async function download(): Promise<Buffer> {
  const answer = await fetch(URL)
  if (!answer.ok) throw new Error(`answered ${answer.status}`)
  const body = Buffer.from(await answer.arrayBuffer())
  if (!isWhole(body)) throw new Error('is another file than it was')
  return body
}

function isWhole(body: Buffer): boolean {
  return createHash('sha256').update(body).digest('hex') === SHA256
}

/** Compiles `test-tool`, the cheapest way: it decides no speed. */
function compile(folder: string): void {
  needPackages("Cannot compile the helper of Git's own tests", ['gcc', 'make', 'zlib1g-dev'])
  const small = ['NO_CURL=1', 'NO_EXPAT=1', 'NO_OPENSSL=1', 'NO_GETTEXT=1', 'NO_TCLTK=1']
  const make = (...args: readonly string[]): Buffer =>
    execFileSync('make', ['-C', folder, '-s', 'CFLAGS=-O0 -w', ...args], { stdio: 'pipe' })
  try {
    make(`-j${availableParallelism()}`, ...small, 't/helper/test-tool')
    make('-C', 'templates')
    // Of the Git that is installed: it has what the helper does without.
    make('GIT-BUILD-OPTIONS')
  } catch (error) {
    throw new Error(
      `Cannot compile the helper of Git's own tests: ${error instanceof Error ? error.message : String(error)}`,
      { cause: error },
    )
  }
}

function needPackages(what: string, names: readonly string[]): void {
  const problem = installPackages(names)
  if (problem !== undefined) throw new Error(`${what}: ${problem}`)
}

/** Lines of `lib-httpd.sh`, and what stands there instead. */
const CHANGES = [
  // Apache does not run as root, hence neither do these tests. The gateway may.
  ['if ! test_have_prereq NOT_ROOT; then', 'if false; then'],
  // Debian's Git has the fix of CVE-2024-50349, which writes a user's name as a URL has it.
  ['$HTTPD_PROTO://$2@$dest', '$HTTPD_PROTO://$(echo $2 | sed s/@/%40/)@$dest'],
] as const

function adapt(path: string): void {
  let text = readFileSync(path, 'utf8')
  for (const [from, to] of CHANGES) {
    if (!text.includes(from)) throw new Error(`Cannot prepare ${path}: expected "${from}" in it`)
    text = text.replaceAll(from, () => to)
  }
  writeFileSync(path, text)
}
