/**
 * Paths: names of files as steps with slashes between them, and the names that no file may have.
 *
 * A repository is checked out on other people's disks. A name that is `.git` to one of their file systems would write
 * into their repository, so every spelling of it is refused, as `git fsck` does: Windows drops dots and spaces at the
 * end, cuts off what follows a colon and knows `git~1`; macOS ignores case and some characters that are not seen.
 *
 * Spec: https://git-scm.com/docs/git-fsck#_fsck_messages
 *
 * @module
 */

/** Why a name cannot be a step of a path, by the id of `git fsck`. */
export type NameProblem =
  | 'emptyName'
  | 'fullPathname'
  | 'hasDot'
  | 'hasDotdot'
  | 'hasDotgit'
  | 'nulInName'

/** Files that Git itself reads, which must not be symbolic links. */
export type SpecialFile = 'gitmodules' | 'gitattributes' | 'gitignore' | 'mailmap'

/** What `git fsck` has against the name; `undefined` when nothing. */
export function problemOfName(name: string): NameProblem | undefined {
  if (name === '') return 'emptyName'
  if (name === '.') return 'hasDot'
  if (name === '..') return 'hasDotdot'
  if (name.includes('/')) return 'fullPathname'
  if (name.includes('\0')) return 'nulInName'
  return isDotGit(name) ? 'hasDotgit' : undefined
}

/** Whether some file system takes the name for `.git`. */
export function isDotGit(name: string): boolean {
  return isHfsName(name, 'git') || partsOnWindows(name).some(isNtfsDotGit)
}

/** Which of Git's own files some file system may take the name for: two, where their short forms begin alike. */
export function specialFilesOf(name: string): SpecialFile[] {
  return specialFiles
    .filter(({ file, short }) => isSpecial(name, file, short))
    .map(({ file }) => file)
}

function isSpecial(name: string, file: SpecialFile, short: string): boolean {
  // Of these, only `.gitmodules` is looked for behind a backslash too.
  const parts = file === 'gitmodules' ? partsOnWindows(name) : [name]
  return isHfsName(name, file) || parts.some((part) => isNtfsName(part, file, short))
}

const specialFiles = [
  { file: 'gitmodules', short: 'gi7eba' },
  { file: 'gitattributes', short: 'gi7d29' },
  { file: 'gitignore', short: 'gi250a' },
  { file: 'mailmap', short: 'maba30' },
] as const

/** The name, and what follows each backslash in it. */
function partsOnWindows(name: string): string[] {
  const parts = [name]
  for (let at = name.indexOf('\\'); at >= 0; at = name.indexOf('\\', at + 1))
    parts.push(name.slice(at + 1))
  return parts
}

function isNtfsDotGit(name: string): boolean {
  return /^(?:\.git|git~1)[. ]*(?:$|[\\/:])/i.test(name)
}

/** `.name`, its short form of six letters, `~` and a digit, or the form that a hash makes; then dots, spaces, a colon. */
function isNtfsName(name: string, file: string, short: string): boolean {
  const lower = asciiLower(name)
  const six = file.slice(0, 6)
  const forms = [`.${file}`, ...['1', '2', '3', '4'].map((digit) => `${six}~${digit}`)]
  for (const form of forms)
    if (lower.startsWith(form)) return endsOnWindows(lower.slice(form.length))
  const hashed = /^([a-z0-9]{0,6})~[1-9][0-9]*/.exec(lower.slice(0, 8))
  if (hashed === null || hashed[0].length < 8 || !short.startsWith(hashed[1] ?? '')) return false
  return endsOnWindows(lower.slice(8))
}

function endsOnWindows(rest: string): boolean {
  return /^[. ]*(?:$|:)/.test(rest)
}

/** `.name` to a file system that ignores case and the characters that HFS+ ignores. */
function isHfsName(name: string, file: string): boolean {
  // What is not UTF-8 ends the name, as it does for Git.
  const seen = name
    .replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, '')
    .replace(/[\udc80-\udcff].*$/s, '')
  return asciiLower(seen) === `.${file}`
}

/** `toLowerCase` would also turn the Kelvin sign into a `k`. */
function asciiLower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
