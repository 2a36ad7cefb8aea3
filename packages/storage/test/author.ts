/**
 * An author of histories for tests: files are written and committed, and the objects that are new come out. Portable.
 *
 * @module
 */
import { encodeCommit } from '@datakit/git/commit'
import { nameObject, type GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { encodeTree } from '@datakit/git/tree'

/** An object and its name. */
export type NewObject = GitObject & { readonly oid: Oid }

/** Files in directories, and their history. */
export class Author {
  readonly #files = new Map<string, NewObject>()
  /** The newest commit. */
  head: Oid | undefined
  #seconds = 1_700_000_000

  /** Writes files and commits them: the objects that are new. */
  commit(files: Readonly<Record<string, Uint8Array>>): NewObject[] {
    const objects: NewObject[] = []
    const changed = new Set<string>()
    for (const [path, body] of Object.entries(files)) {
      const object = named({ type: 'blob', body })
      this.#files.set(path, object)
      objects.push(object)
      changed.add(path.split('/')[0] ?? '')
    }
    const directories = new Map<string, { name: string; mode: number; oid: Oid }[]>()
    for (const [path, { oid }] of this.#files) {
      const [directory = '', name = ''] = path.split('/')
      const rows = directories.get(directory) ?? []
      rows.push({ name, mode: 0o100644, oid })
      directories.set(directory, rows)
    }
    const root = [...directories].map(([name, rows]) => {
      const tree = named({ type: 'tree', body: encodeTree(rows.sort(byName)) })
      if (changed.has(name)) objects.push(tree)
      return { name, mode: 0o40000, oid: tree.oid }
    })
    const tree = named({ type: 'tree', body: encodeTree(root.sort(byName)) })
    const who = { name: 'Ada', address: 'ada@example.org', seconds: this.#seconds++, offset: 0 }
    const parents = this.head === undefined ? [] : [this.head]
    const commit = named({
      type: 'commit',
      body: encodeCommit({
        tree: tree.oid,
        parents,
        author: who,
        committer: who,
        headers: [],
        message: 'edit\n',
      }),
    })
    objects.push(tree, commit)
    this.head = commit.oid
    return objects
  }
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

function named(object: GitObject): NewObject {
  return { ...object, oid: nameObject(portableRuntime, object) }
}
