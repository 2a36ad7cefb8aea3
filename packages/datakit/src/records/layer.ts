/**
 * A layer of a configuration record: the texts that one branch has for the fields. Read again only when the record's
 * directory in it differs.
 *
 * @module
 */
import { GitError, NotHereError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { isTreeMode } from '@datakit/git/tree'
import type { Branch } from '../branch/branch.ts'
import type { Repository } from '../repository.ts'
import { joinPath } from '../files/path.ts'
import { findPath, isFile, kindOf, readSide } from '../files/tree-reader.ts'
import { PathFinder, readHead } from '../watch/watch-path.ts'

/** What a layer has for a field. */
export type LayerText =
  | { readonly state: 'text'; readonly text: string }
  /** Something is there that holds no value. */
  | { readonly state: 'wrong'; readonly problem: string }
  /** What is there cannot be read, for now. */
  | { readonly state: 'unreadable'; readonly problem: string }

/** The texts of a layer, by field. What it does not have is not in it. */
export type LayerTexts = ReadonlyMap<string, LayerText>

/** Where the fields are. */
export interface LayerPlan {
  /** The directory of the record; empty for the root. */
  readonly path: string
  /** The fields, as paths in it. */
  readonly keys: readonly string[]
}

interface Known {
  readonly directory: Oid | undefined
  readonly texts: LayerTexts
  /** Whether everything could be read: what could not may be readable at the next look. */
  readonly isWhole: boolean
}

/** One branch of a record. */
export class Layer {
  readonly branch: Branch
  readonly #repository: Repository
  readonly #path: string
  readonly #keys: readonly string[]
  readonly #finder: PathFinder
  #known: Known | undefined

  constructor(repository: Repository, branch: string, { path, keys }: LayerPlan) {
    this.#repository = repository
    this.branch = repository.branch(branch)
    this.#path = path
    this.#keys = keys
    this.#finder = new PathFinder(path)
  }

  /**
   * What the layer has now; the very same value while nothing differs.
   *
   * @throws GitError when the branch cannot be read and never could; later it is what it was
   */
  async read(): Promise<LayerTexts> {
    try {
      const directory = await this.#directory()
      const known = this.#known
      if (known?.isWhole === true && known.directory === directory) return known.texts
      this.#known = await this.#readAll(directory)
    } catch (error) {
      if (!(error instanceof GitError) || this.#known === undefined) throw error
    }
    return this.#known.texts
  }

  /** The directory of the record; `undefined` when there is none. */
  async #directory(): Promise<Oid | undefined> {
    const { store } = this.#repository
    const head = await readHead(store, this.branch.ref)
    const found = await this.#finder.find(store, head?.tree)
    return found !== undefined && isTreeMode(found.mode) ? found.oid : undefined
  }

  async #readAll(directory: Oid | undefined): Promise<Known> {
    const texts = new Map<string, LayerText>()
    if (directory !== undefined) {
      for (const key of this.#keys) {
        const text = await this.#readOne(directory, key)
        if (text !== undefined) texts.set(key, text)
      }
    }
    const isWhole = [...texts.values()].every(({ state }) => state !== 'unreadable')
    return { directory, texts, isWhole }
  }

  async #readOne(directory: Oid, key: string): Promise<LayerText | undefined> {
    const { store } = this.#repository
    try {
      const side = await findPath(store, directory, key)
      if (side === undefined) return undefined
      const kind = kindOf(side.mode)
      if (!isFile(side) || kind === 'link')
        return { state: 'wrong', problem: `a ${kind} is where its file should be` }
      return { state: 'text', text: decode(await readSide(store, side, key)) }
    } catch (error) {
      if (error instanceof TypeError) return { state: 'wrong', problem: 'it is not UTF-8' }
      if (error instanceof GitError)
        return { state: 'unreadable', problem: problemAt(joinPath(this.#path, key), error) }
      throw error
    }
  }
}

/** What an error says; it was met while something was looked up in the record's directory, and knows no more of the path. */
function problemAt(path: string, error: GitError): string {
  if (!(error instanceof NotHereError)) return error.message
  return new NotHereError(error.oid, error.remote, { path }).message
}

/** @throws TypeError when it is not UTF-8 */
function decode(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}
