/**
 * Globs: patterns of paths, step by step, so that a directory in which nothing can match is never opened.
 *
 * The steps are Git's patterns (`*`, `?`, `[a-z]`), and one that is `**` is any number of directories, none included; at the end
 * it is everything below. A pattern is about the whole path, from the root.
 *
 * Spec: https://git-scm.com/docs/gitignore#_pattern_format
 *
 * @module
 */
import { wildmatch } from '@datakit/git/wildmatch'

/** What is left to match below a directory: places in the pattern, ordered. Equal states are equal texts. */
export type GlobState = readonly number[]

/** Any number of directories. */
const ANY = '**'

/** A pattern that was taken apart. */
export class Glob {
  readonly #steps: readonly (((name: string) => boolean) | typeof ANY)[]

  /** @throws TypeError when it is no pattern: a step is empty, `.` or `..` */
  constructor(pattern: string) {
    const steps = typeof pattern === 'string' ? pattern.split('/') : ['']
    if (steps.some((step) => step === '' || step === '.' || step === '..'))
      throw new TypeError(
        `Not a pattern of paths: "${pattern}", a step is empty, "." or ".."; paths begin without a slash`,
      )
    this.#steps = steps.map((step) => (step === ANY ? ANY : wildmatch(step, { isPath: true })))
  }

  /** Where a match begins: at the root. */
  get start(): GlobState {
    return this.#closed([0])
  }

  /** What is left to match below the directory `name`; empty when nothing in it can match. */
  enter(state: GlobState, name: string): GlobState {
    return this.#closed(this.#after(state, name))
  }

  /** Whether a file called `name` matches here. */
  matches(state: GlobState, name: string): boolean {
    return this.#after(state, name).includes(this.#steps.length)
  }

  /** The places behind a step called `name`. */
  #after(state: GlobState, name: string): number[] {
    return state.flatMap((place) => {
      const step = this.#steps[place]
      if (step === undefined) return []
      // At the end, `**` is the file itself too.
      if (step === ANY) return place === this.#steps.length - 1 ? [place, place + 1] : [place]
      return step(name) ? [place + 1] : []
    })
  }

  /** The places, and those behind each `**`, which may stand for no directory. */
  #closed(places: readonly number[]): GlobState {
    const all = new Set<number>()
    for (let place of places) {
      // What has matched already does not match once more below itself.
      while (place < this.#steps.length && !all.has(place)) {
        all.add(place)
        if (this.#steps[place] === ANY && place < this.#steps.length - 1) place++
      }
    }
    return [...all].sort((a, b) => a - b)
  }
}
