/**
 * The attributes that govern a merge: those of the merged tree, since a rule that one side added is meant for what is merged.
 *
 * A file of attributes that both sides changed is merged first, by line. If that is clean, the result governs; if not, the
 * base's does, because taking a side's would make it matter which side is which.
 *
 * In a merge that only makes the base of another, the other one's attributes govern where its sides agree: Git has one set of
 * attributes for all.
 *
 * @module
 */
import {
  ATTRIBUTES_FILE,
  attributesOf,
  parseAttributes,
  type AttributeRule,
  type AttributeValue,
} from '@datakit/git/attributes'
import type { Oid } from '@datakit/git/oid'
import { text } from '@datakit/merge/text'
import type { TreesMerge } from './merge.ts'
import { joinPath } from '../files/path.ts'
import { findPath, kindOf, readSide } from '../files/tree-reader.ts'

/** Attributes of the paths of one merge, read when asked for. */
export class MergeAttributes {
  readonly #merge: TreesMerge
  readonly #rules = new Map<string, Promise<readonly AttributeRule[]>>()

  constructor(merge: TreesMerge) {
    this.#merge = merge
  }

  /** The attributes of a path that have a value, by name. */
  async of(path: string): Promise<ReadonlyMap<string, AttributeValue>> {
    const files = [await this.#rulesOf('')]
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1))
      files.push(await this.#rulesOf(path.slice(0, at)))
    return attributesOf(path, files)
  }

  #rulesOf(directory: string): Promise<readonly AttributeRule[]> {
    const known = this.#rules.get(directory)
    if (known !== undefined) return known
    const rules = this.#read(directory)
    this.#rules.set(directory, rules)
    return rules
  }

  async #read(directory: string): Promise<readonly AttributeRule[]> {
    const body = await this.#merged(joinPath(directory, ATTRIBUTES_FILE))
    return body === undefined ? [] : parseAttributes(body, directory)
  }

  async #merged(path: string): Promise<Uint8Array | undefined> {
    const { trees, virtual } = this.#merge
    if (virtual !== undefined) {
      const { outer } = virtual
      const ours = await this.#find(outer.ours, path)
      if (ours === (await this.#find(outer.theirs, path))) return this.#body(path, ours)
    }
    const base = await this.#find(trees.base, path)
    const ours = await this.#find(trees.ours, path)
    const theirs = await this.#find(trees.theirs, path)
    if (ours === theirs || base === theirs) return this.#body(path, ours)
    if (base === ours) return this.#body(path, theirs)
    const [old, our, their] = await Promise.all(
      [base, ours, theirs].map((oid) => this.#body(path, oid)),
    )
    if (our === undefined || their === undefined) return old
    const outcome = text({ path, base: old, ours: our, theirs: their })
    return outcome.state === 'merged' ? outcome.bytes : old
  }

  /** The file of that path; no link, since Git follows none there. */
  async #find(tree: Oid | undefined, path: string): Promise<Oid | undefined> {
    const found = tree && (await findPath(this.#merge.draft, tree, path))
    const kind = found && kindOf(found.mode)
    return kind === 'file' || kind === 'executable' ? found?.oid : undefined
  }

  /** @throws NotHereError with the path: without the attributes nobody knows how to merge, and Git does not go on either */
  async #body(path: string, oid: Oid | undefined): Promise<Uint8Array | undefined> {
    return oid && readSide(this.#merge.draft, { mode: 0o100644, oid }, path)
  }
}
