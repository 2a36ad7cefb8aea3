/**
 * Chosen paths: the files and directories that a walk over trees keeps to, as paths behind `--` have it in Git; no patterns.
 *
 * @module
 */
import { listOf, text, type Rule } from '../argument.ts'
import { splitPath } from '../files/path.ts'

const TEXTS = listOf(text)

/** Paths to keep to. An empty list may be meant for nothing or, as in Git, for everything: so it is refused. */
export const PATHS: Rule = {
  fits: (value) => TEXTS.fits(value) && Array.isArray(value) && value.length > 0,
  wanted: 'a list of paths, at least one, or leave it out for all',
}

/** What is chosen in one directory: everything, or what is at some of its names. */
export class ChosenPaths {
  /** What is chosen at each name; `undefined` for everything. */
  #names: Map<string, ChosenPaths> | undefined = new Map()

  /**
   * What is chosen in the root. A path stands for the file there, or for all that is in the directory there.
   *
   * @param paths all when left out; the empty one is the root
   * @throws PathError `bad-path`
   */
  static of(paths: readonly string[] = ['']): ChosenPaths {
    const root = new ChosenPaths()
    for (const path of paths) root.#add(splitPath(path))
    return root
  }

  /** What is chosen at a name: `undefined` for nothing. Of what is no directory, only the whole can be. */
  at(name: string, isDirectory: boolean): ChosenPaths | undefined {
    if (this.#names === undefined) return this
    const below = this.#names.get(name)
    const isChosen = isDirectory || (below !== undefined && below.#names === undefined)
    return isChosen ? below : undefined
  }

  #add([step, ...rest]: readonly string[]): void {
    if (step === undefined) this.#names = undefined
    if (step === undefined || this.#names === undefined) return
    const below = this.#names.get(step) ?? new ChosenPaths()
    this.#names.set(step, below)
    below.#add(rest)
  }
}
