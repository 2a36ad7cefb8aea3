/**
 * Working tree: the files of a transaction, as edits over the tree that it began with.
 *
 * Only directories on the way to an edit are held; the rest stays in the tree that it came from. Git has no empty
 * directories: one that lost its last file is gone.
 *
 * @module
 */
import { decodeTree, isTreeMode } from '@datakit/git/tree'
import type { Oid } from '@datakit/git/oid'
import type { Side } from '../merge/conflict.ts'
import type { Draft } from './draft.ts'
import { later } from '../loading.ts'
import { readTreeBody } from '../files/object-source.ts'
import { isPlainName, joinPath, splitPath } from '../files/path.ts'

/** A directory on the way to an edit. */
class Directory {
  /** The tree that it was; `undefined` for a new one. */
  readonly base: Oid | undefined
  /** What differs from it; `undefined` for a name that was removed. */
  readonly changes = new Map<string, Directory | Side | undefined>()

  constructor(base: Oid | undefined) {
    this.base = base
  }
}

type Node = Directory | Side

/** Files that can be changed, by path. */
export class WorkingTree {
  readonly #draft: Draft
  #root: Directory

  constructor(draft: Draft, root: Oid | undefined) {
    this.#draft = draft
    this.#root = new Directory(root)
  }

  /** Goes on with another tree, and nothing edited. */
  reset(root: Oid | undefined): void {
    this.#root = new Directory(root)
  }

  /** What is at a path, a directory with the oid that it would be stored under; `undefined` when nothing is. */
  async find(path: string): Promise<Side | undefined> {
    const node = await this.#find(path)
    return node && this.#settle(node)
  }

  /** What is in a directory, ordered as Git orders it. @throws PathError `not-a-directory` */
  async list(path: string): Promise<{ name: string; mode: number; oid: Oid }[]> {
    const found = path === '' ? await this.#settle(this.#root) : await this.find(path)
    if (found === undefined) return []
    if (!isTreeMode(found.mode)) throw (await later()).notListed(path, found)
    return decodeTree(await readTreeBody(this.#draft, found.oid, path))
  }

  /**
   * Puts a file at a path; directories on the way are made. A directory goes where nothing is, or where `replace` lets
   * it take the place of whatever is there.
   *
   * @throws PathError `is-a-directory`, `not-a-directory`, `bad-path`
   */
  async set(
    path: string,
    value: Side,
    options: { readonly replace?: boolean } = {},
  ): Promise<void> {
    const plain = splitPath(path)
    const isPlain = path !== '' && plain.every(isPlainName)
    const steps = isPlain ? plain : (await later()).splitWritablePath(path)
    const name = steps.pop() ?? ''
    const parent = await this.#enter(path, { steps, replace: options.replace === true })
    if (options.replace !== true && !isTreeMode(value.mode)) {
      const there = await this.#child(parent, name, path)
      const settled = there && (await this.#settle(there))
      if (settled && isTreeMode(settled.mode)) throw (await later()).directoryThere(path)
    }
    parent.changes.set(name, value)
  }

  /** Takes away what is at a path, directories with all that is in them. False when nothing was there. */
  async remove(path: string): Promise<boolean> {
    const steps = splitPath(path)
    const name = steps.pop()
    if (name === undefined) {
      const had = (await this.#settle(this.#root)) !== undefined
      this.reset(undefined)
      return had
    }
    if ((await this.find(path)) === undefined) return false
    const parent = await this.#enter(path, { steps, replace: false })
    parent.changes.set(name, undefined)
    return true
  }

  /** The tree of all that is here; `undefined` when there is no file. */
  async save(): Promise<Oid | undefined> {
    return this.#save(this.#root)
  }

  async #find(path: string): Promise<Node | undefined> {
    let node: Node | undefined = this.#root
    for (const step of splitPath(path)) {
      if (node === undefined) return undefined
      if (!(node instanceof Directory) && !isTreeMode(node.mode)) return undefined
      node = await this.#child(node, step, path)
    }
    return node
  }

  async #child(node: Node, name: string, path: string): Promise<Node | undefined> {
    if (node instanceof Directory && node.changes.has(name)) return node.changes.get(name)
    const tree = node instanceof Directory ? node.base : node.oid
    return tree && this.#draft.find(tree, name, path)
  }

  /** The directory at `steps`, made ready to be changed. */
  async #enter(
    path: string,
    { steps, replace }: { readonly steps: readonly string[]; readonly replace: boolean },
  ): Promise<Directory> {
    let directory = this.#root
    let way = ''
    for (const step of steps) {
      way = joinPath(way, step)
      const found = await this.#child(directory, step, path)
      // Whoever changes something else in it at the same time may have made it ready meanwhile.
      const child = directory.changes.get(step) ?? found
      if (child instanceof Directory) {
        directory = child
        continue
      }
      if (child !== undefined && !isTreeMode(child.mode) && !replace)
        throw (await later()).notDirectory(path, way, child.mode)
      const isTree = child !== undefined && isTreeMode(child.mode)
      const entered = new Directory(isTree ? child.oid : undefined)
      directory.changes.set(step, entered)
      directory = entered
    }
    return directory
  }

  async #settle(node: Node): Promise<Side | undefined> {
    if (!(node instanceof Directory)) return node
    const oid = await this.#save(node)
    return oid && { mode: 0o040000, oid }
  }

  async #save(directory: Directory): Promise<Oid | undefined> {
    const edits = new Map<string, Side | undefined>()
    for (const [name, node] of directory.changes)
      edits.set(name, node && (await this.#settle(node)))
    return this.#draft.editTree(directory.base, edits)
  }
}
