/**
 * A repository as the Git directory of a file system, for isomorphic-git and whatever else reads and writes Git's own files.
 *
 * Refs and objects are those of the repository. All other files (the index, the configuration, the work tree) are the
 * program's own and stay in its own file system. There a client's loose objects and packs wait until a ref moves to them:
 * then they become one pack of the repository, every object checked and connected, in the same update as the ref.
 *
 * isomorphic-git writes remote refs before the pack that they need. Such refs are held back, visible here alone, until the
 * objects are there, so that no ref ever leads to what is missing.
 *
 * Spec: https://git-scm.com/docs/gitrepository-layout
 *
 * @module
 */
import { concat, text, utf8 } from '@datakit/git/bytes'
import { objectHeader } from '@datakit/git/object'
import { isOid, type Oid } from '@datakit/git/oid'
import type { Repository } from '@datakit/datakit/repository'
import {
  FileError,
  inEncoding,
  isText,
  listIfThere,
  type FileStats,
  type FileSystem,
  type OpenFileSystem,
} from './file-system.ts'
import { GitFiles } from './git-files.ts'
import { Refs } from './refs.ts'

/** How a repository is laid into a file system. */
export interface RepositoryFsOptions {
  /** Path of the Git directory, as it is given to the client: `/project/.git`. */
  readonly gitdir: string
  /** The file system for all else: a lightning-fs, Node's, any that has `promises`. */
  readonly files: FileSystem
}

/** What a Git directory says of itself where the program has said nothing. */
const CONFIG = '[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = false\n'

/**
 * The file system. Give it to isomorphic-git as `fs`, with the same `gitdir`; it works without a network and commits as any
 * other client of the repository does: a branch that others moved since it was read here is not overwritten, the call fails
 * with `RefMovedError`.
 */
export function repositoryFs(repository: Repository, options: RepositoryFsOptions): OpenFileSystem {
  const directory = options.gitdir.replace(/\/+$/, '')
  const { promises: files } = options.files
  const view = new GitDirectoryView(
    repository,
    new GitFiles(files, directory, repository.store.runtime),
  )
  /** The path inside the Git directory, `''` for itself; `undefined` outside. */
  const inside = (path: string): string | undefined => {
    const clean = path.replaceAll(/\/+/g, '/').replace(/\/$/, '')
    if (clean === directory) return ''
    return clean.startsWith(`${directory}/`) ? clean.slice(directory.length + 1) : undefined
  }
  const promises: OpenFileSystem['promises'] = {
    async readFile(path, encoding) {
      const content = await view.read(inside(path))
      if (content) return inEncoding(content, encoding)
      return isText(encoding) ? files.readFile(path, 'utf8') : files.readFile(path)
    },
    async writeFile(path, content) {
      if (!(await view.write(inside(path), content))) await files.writeFile(path, content)
    },
    async unlink(path) {
      if (!(await view.remove(inside(path)))) await files.unlink(path)
    },
    async readdir(path) {
      const names = await view.list(inside(path))
      if (names === undefined) return files.readdir(path)
      return [...new Set([...names, ...(await listIfThere(files, path))])].sort()
    },
    stat: async (path) => (await view.stat(inside(path))) ?? files.stat(path),
    lstat: async (path) => (await view.stat(inside(path))) ?? files.lstat(path),
    mkdir: (path) => files.mkdir(path),
    async rmdir(path) {
      // Directories of refs come and go with the refs in them.
      if (inside(path)?.startsWith('refs') !== true) await files.rmdir(path)
    },
    readlink: (path) => files.readlink(path),
    symlink: (target, path) => files.symlink(target, path),
  }
  return { promises }
}

/** The part of the files that is the repository. What a method does not know it leaves to the program's files. */
class GitDirectoryView {
  readonly #repository: Repository
  readonly #git: GitFiles
  readonly #refs: Refs

  constructor(repository: Repository, git: GitFiles) {
    this.#repository = repository
    this.#git = git
    this.#refs = new Refs(repository, git)
  }

  /** Content of a file; `undefined` for one that is the program's. @throws FileError for what is not there */
  async read(path: string | undefined): Promise<Uint8Array | undefined> {
    if (path === undefined) return undefined
    if (path === 'HEAD') return utf8(`${await this.#refs.head()}\n`)
    if (path === 'packed-refs') throw new FileError('ENOENT', path)
    if (path === 'config') return utf8((await this.#git.readText('config')) ?? CONFIG)
    if (path === 'shallow') return this.#shallow()
    if (isRefPath(path)) {
      const oid = await this.#refs.read(path)
      return oid && utf8(`${oid}\n`)
    }
    const oid = objectOf(path)
    return oid && (await this.#has(oid)) ? this.#encode(oid) : undefined
  }

  /** Writes a file; false for one that is the program's. */
  async write(path: string | undefined, content: Uint8Array | string): Promise<boolean> {
    if (path === undefined) return false
    if (path === 'packed-refs') throw new FileError('EPERM', path)
    if (path.startsWith('objects/')) {
      const write = () => this.#git.files.writeFile(`${this.#git.directory}/${path}`, content)
      return this.#refs.takesPack(path, write)
    }
    if (path !== 'HEAD' && path !== 'shallow' && !isRefPath(path)) return false
    const value = (typeof content === 'string' ? content : text(content)).trim()
    if (path === 'HEAD') await this.#refs.moveHead(value)
    else if (path === 'shallow') this.#refs.cut(value)
    // One that points at another ref is the program's: a repository has no such refs besides HEAD.
    else if (isOid(value)) await this.#refs.move(path, value)
    else return false
    return true
  }

  /** Removes a ref; false for a file of the program's. */
  async remove(path: string | undefined): Promise<boolean> {
    return path !== undefined && isRefPath(path) && this.#refs.remove(path)
  }

  /** Names of refs, or of parts of them, in a directory of the repository; `undefined` in one of the program's. */
  async list(path: string | undefined): Promise<readonly string[] | undefined> {
    if (path === '') return ['HEAD', 'config', 'objects', 'refs']
    if (path === 'objects') return ['pack']
    if (path === 'objects/pack') return []
    if (path !== undefined && (path === 'refs' || isRefPath(path))) {
      const names = await this.#refs.list(path)
      return names.length > 0 || path === 'refs' ? names : undefined
    }
    return path !== undefined && /^objects\/[0-9a-f]{2}$/.test(path)
      ? this.#oidsUnder(path)
      : undefined
  }

  async stat(path: string | undefined): Promise<FileStats | undefined> {
    if (path === undefined) return undefined
    if (path === '' || path === 'objects' || path === 'objects/pack' || path === 'refs')
      return statsOf('directory')
    if (path === 'HEAD' || path === 'config') return statsOf('file')
    if (isRefPath(path)) return this.#statRef(path)
    const oid = objectOf(path)
    return oid && (await this.#has(oid)) ? statsOf('file') : undefined
  }

  async #statRef(path: string): Promise<FileStats | undefined> {
    if ((await this.#refs.read(path)) !== undefined) return statsOf('file')
    return (await this.#refs.list(path)).length > 0 ? statsOf('directory') : undefined
  }

  async #has(oid: Oid): Promise<boolean> {
    const { objects } = this.#repository.store
    // What another handle has stored since is found in the state of now.
    await this.#refs.state()
    return objects.has(oid)
  }

  /** An object as a loose one. It is not compressed, since nobody keeps it. */
  async #encode(oid: Oid): Promise<Uint8Array> {
    const { type, body } = await this.#repository.store.read(oid)
    const { runtime } = this.#repository.store
    return runtime.deflate(concat([objectHeader(type, body.length), body]), 0)
  }

  async #shallow(): Promise<Uint8Array> {
    const { shallow } = await this.#refs.state()
    if (shallow.size === 0) throw new FileError('ENOENT', 'shallow')
    return utf8(
      [...shallow]
        .sort()
        .map((oid) => `${oid}\n`)
        .join(''),
    )
  }

  /** Names of the objects in `objects/xx`, for abbreviated ones. */
  async #oidsUnder(path: string): Promise<readonly string[]> {
    const prefix = path.slice(8)
    const { objects } = this.#repository.store
    const names = new Set<string>()
    for (const pack of (await this.#refs.state()).packs) {
      const index = await objects.indexOf(pack)
      for (let ordinal = 0; ordinal < index.count; ordinal++) {
        const oid = index.oid(ordinal)
        if (oid.startsWith(prefix)) names.add(oid.slice(2))
      }
    }
    return [...names]
  }
}

function isRefPath(path: string): boolean {
  return path.startsWith('refs/')
}

/** The object that a path in `objects` is the loose file of. */
function objectOf(path: string): Oid | undefined {
  const [, first = '', rest = ''] = /^objects\/([0-9a-f]{2})\/([0-9a-f]{38})$/.exec(path) ?? []
  const oid = first + rest
  return isOid(oid) ? oid : undefined
}

const NO_INODE = { dev: 0, ino: 0, uid: 0, gid: 0 }

/** Stats of what is no file in truth: nobody compares them with those of before. */
function statsOf(kind: 'file' | 'directory'): FileStats {
  const isDirectory = kind === 'directory'
  return {
    size: 0,
    mode: isDirectory ? 0o040000 : 0o100644,
    mtimeMs: 0,
    ctimeMs: 0,
    ...NO_INODE,
    isFile: () => !isDirectory,
    isDirectory: () => isDirectory,
    isSymbolicLink: () => false,
  }
}
