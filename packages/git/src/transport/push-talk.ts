/**
 * PushTalk: what a person who pushes is told while the push is being taken, and how the connection is kept alive.
 *
 * A proxy cuts a connection on which nothing moves. While the pack comes in, it moves; from then on until the report the
 * objects are checked, and hooks run. Whatever there is to tell meanwhile goes out about once a second, and an empty
 * packet when there is nothing for longer. Nothing goes out before the whole push has come in: a client may not read
 * before it has written everything.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-receivekeepAlive
 *
 * @module
 */
import { concat } from '../bytes.ts'
import { GitError } from '../error.ts'
import { BANDS, encodeBand, encodeFatal, encodeProgress } from '../protocol/sideband.ts'
import { KEEP_ALIVE, settlesWithin } from './keep-alive.ts'

/** How a push is talked about. */
export interface TalkOptions {
  /** Milliseconds without a word after which an empty packet is sent; 0 sends none. 5,000 when left out, as in Git. */
  readonly keepAlive?: number | undefined
  /** Milliseconds between two looks at what there is to tell; 1,000 when left out. */
  readonly step?: number | undefined
}

/** Bytes of what hooks say that are passed on. */
const MAX_SAID = 1 << 20
/** Objects from which on their number is told, however fast they are checked. */
const MANY = 100
const NOTHING = new Uint8Array(0)

/** The talk about one push. */
export class PushTalk {
  readonly #keepAlive: number
  readonly #step: number
  readonly #words: Uint8Array[] = []
  #room = MAX_SAID
  #isOpen = false
  #isQuiet = false
  #progress: { readonly done: number; readonly total: number } | undefined
  #toldDone = 0

  constructor({ keepAlive = 5000, step = 1000 }: TalkOptions = {}) {
    this.#keepAlive = keepAlive
    this.#step = step
  }

  /** Whether the client can hear anything beside the report. */
  hasSideBand = false

  /** Says that the client does not want to hear of progress. */
  quieten(): void {
    this.#isQuiet = true
  }

  /** The push has come in as a whole: from here on the client listens. */
  open(): void {
    this.#isOpen = this.hasSideBand
  }

  /** Passes on what a hook or a check has to say. */
  say(piece: Uint8Array): void {
    if (this.#room > 0 && piece.length > 0) this.#words.push(piece.slice(0, this.#room))
    this.#room -= piece.length
  }

  /** Takes note of how many objects were checked. */
  progress(done: number, total: number): void {
    this.#progress = { done, total }
  }

  /** What there is to tell, in packets. `isLast` before the report. */
  take(isLast = false): Uint8Array {
    if (!this.hasSideBand) return NOTHING
    const said = concat(this.#words.splice(0))
    return concat([this.#takeProgress(isLast), encodeBand(BANDS.progress, said)])
  }

  /**
   * The answer to a push: words and signs of life while `finished` is not there, then what it gives.
   *
   * @param onLate told of an error that comes when the answer has begun, and is sent as Git's fatal errors are
   * @throws what `finished` throws, when nothing was sent before
   */
  async *answer(
    finished: Promise<Uint8Array>,
    onLate: (error: unknown) => void = () => {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let silence = 0
    let hasBegun = false
    while (!(await settlesWithin(finished, this.#step))) {
      silence += this.#step
      const words = this.#isOpen ? this.take() : NOTHING
      const isDue = this.#isOpen && this.#keepAlive > 0 && silence >= this.#keepAlive
      if (words.length === 0 && !isDue) continue
      hasBegun = true
      silence = 0
      yield words.length > 0 ? words : KEEP_ALIVE
    }
    const last = await finished.catch((error: unknown) => {
      if (!hasBegun) throw error
      onLate(error)
      return encodeFatal(error instanceof GitError ? error.message : 'the server failed')
    })
    if (last.length > 0) yield last
  }

  #takeProgress(isLast: boolean): Uint8Array {
    const { done, total } = this.#progress ?? { done: 0, total: 0 }
    const isTold = this.#toldDone > 0 || total >= MANY
    const isNews = isLast ? isTold && done === total : done > this.#toldDone
    if (this.#isQuiet || !isNews) return NOTHING
    this.#toldDone = done
    const percent = String(Math.floor((100 * done) / Math.max(1, total))).padStart(3)
    const end = isLast ? ', done.\n' : '\r'
    return encodeProgress(`Checking objects: ${percent}% (${done}/${total})${end}`)
  }
}
