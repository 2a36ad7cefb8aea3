/**
 * Socket trials: when a watch tries a WebSocket, and when it lets that be.
 *
 * A server that offers one may be behind a proxy that lets none through, or cuts them soon. So who has failed waits longer
 * each time before the next trial, while the stream of events goes on.
 *
 * @module
 */
import type { WatchSocket } from './watch-socket.ts'

/** What a socket is opened with. */
export interface SocketTrialsOptions {
  /** URL of the watch stream. */
  readonly url: string
  readonly token: string | undefined
  readonly signal: AbortSignal
  readonly isWanted: boolean
}

/** Milliseconds from a trial that failed to the next one, doubled with each up to an hour. */
const PAUSE = 60_000
const MAX_PAUSE = 3_600_000

/** The sockets of one watch. */
export class SocketTrials {
  readonly #options: SocketTrialsOptions
  /** One that is open and that nobody has taken yet. */
  #opened: WatchSocket | undefined
  #isOffered = false
  #isTrying = false
  #failures = 0
  #notBefore = 0
  /** When the one that was taken last was taken. */
  #takenAt: number | undefined

  constructor(options: SocketTrialsOptions) {
    this.#options = options
  }

  /** Whether there is a socket to take. */
  get hasOpened(): boolean {
    return this.#opened !== undefined
  }

  /** Takes up what the server offers, if it is time; calls `whenOpen` when a socket is open. */
  begin(whenOpen: () => void): void {
    this.#isOffered = true
    if (this.#isTrying || !this.#isTime) return
    void this.#open().then((socket) => {
      this.#opened = socket
      if (socket === undefined) return
      if (this.#options.signal.aborted) void socket.body.cancel()
      whenOpen()
    })
  }

  /** A socket to read; `undefined` where the stream of events is to be read. Never rejects. */
  async take(): Promise<WatchSocket | undefined> {
    if (this.#takenAt !== undefined) this.#judge(this.#takenAt)
    this.#takenAt = undefined
    let socket = this.#opened
    this.#opened = undefined
    if (socket === undefined && this.#isOffered && this.#isTime) socket = await this.#open()
    if (socket !== undefined) this.#takenAt = Date.now()
    return socket
  }

  get #isTime(): boolean {
    const { isWanted } = this.#options
    return isWanted && typeof WebSocket !== 'undefined' && Date.now() >= this.#notBefore
  }

  async #open(): Promise<WatchSocket | undefined> {
    this.#isTrying = true
    try {
      const { openWatchSocket } = await import('./watch-socket.ts')
      return await openWatchSocket(this.#options.url, this.#options)
    } catch {
      // Why, the stream of events says: an answer to a request that no socket comes of is not shown.
      this.#fail()
      return undefined
    } finally {
      this.#isTrying = false
    }
  }

  /** One that ended sooner than the next may be tried was of no use. */
  #judge(takenAt: number): void {
    if (Date.now() - takenAt < PAUSE) this.#fail()
    else this.#failures = 0
  }

  #fail(): void {
    this.#notBefore = Date.now() + Math.min(MAX_PAUSE, PAUSE * 2 ** this.#failures++)
  }
}
