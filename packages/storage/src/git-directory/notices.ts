/**
 * Notices: what the system tells of changes in a Git directory itself (`HEAD`, `packed-refs`) and below its `refs`.
 *
 * Where the system does not tell of everything below a directory, each directory is asked for by itself. Node imitates the
 * former on Linux, and was seen to lose one of four renames that came while it dealt with another.
 *
 * @module
 */
import { readdirSync, statSync, watch, type FSWatcher } from 'node:fs'

/** Most directories that notices are asked for. */
const MAX_DIRECTORIES = 256

const IS_RECURSIVE = process.platform === 'darwin' || process.platform === 'win32'

/** A directory that notices are asked for. */
interface Watched {
  readonly watcher: FSWatcher
  /** Tells it from another one of that name. */
  readonly inode: bigint
}

/** The notices of one Git directory. */
export class Notices {
  readonly #root: string
  readonly #onNotice: () => void
  /** By path in the Git directory, with a slash in front. */
  readonly #watched = new Map<string, Watched>()
  #isClosed = false

  constructor(root: string, onNotice: () => void) {
    this.#root = root
    this.#onNotice = onNotice
  }

  /** Asks for notices where that was not done, of what has come since. */
  ask(): void {
    for (const path of this.#watched.keys()) if (!this.#isThere(path)) this.#forget(path)
    this.#watch('')
    this.#watchBelow('/refs')
  }

  close(): void {
    this.#isClosed = true
    for (const path of this.#watched.keys()) this.#forget(path)
  }

  #watchBelow(path: string): void {
    if (!this.#watch(path) || IS_RECURSIVE) return
    for (const name of this.#directoriesIn(path)) {
      if (this.#watched.size >= MAX_DIRECTORIES) return
      this.#watchBelow(`${path}/${name}`)
    }
  }

  /** @returns whether notices come */
  #watch(path: string): boolean {
    if (this.#isClosed) return false
    if (this.#watched.has(path)) return true
    try {
      const directory = this.#root + path
      const { ino: inode } = statSync(directory, { bigint: true })
      const options = { recursive: IS_RECURSIVE && path !== '', persistent: false }
      const watcher = watch(directory, options, (_, name) => this.#hear(path, name ?? ''))
      watcher.on('error', () => this.#forget(path))
      this.#watched.set(path, { watcher, inode })
      return true
    } catch {
      // Whoever asks looks now and then as well.
      return false
    }
  }

  #hear(path: string, name: string): void {
    if (path !== '' && !IS_RECURSIVE) {
      if (!this.#isThere(path)) this.#forget(path)
      // A ref may be in a new directory before there are notices of that: it is seen now.
      else if (this.#isDirectory(`${path}/${name}`)) this.#watchBelow(`${path}/${name}`)
    }
    this.#onNotice()
  }

  #isThere(path: string): boolean {
    const found = statSync(this.#root + path, { bigint: true, throwIfNoEntry: false })
    return found?.ino === this.#watched.get(path)?.inode
  }

  #isDirectory(path: string): boolean {
    return statSync(this.#root + path, { throwIfNoEntry: false })?.isDirectory() === true
  }

  #directoriesIn(path: string): string[] {
    try {
      const entries = readdirSync(this.#root + path, { withFileTypes: true })
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
    } catch {
      return []
    }
  }

  #forget(path: string): void {
    this.#watched.get(path)?.watcher.close()
    this.#watched.delete(path)
  }
}
