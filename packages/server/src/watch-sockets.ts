/**
 * Watch sockets: the watch stream over WebSockets that outlive the memory of whoever serves them, as those of a Durable
 * Object do.
 *
 * All that is known of a listener is a note that is kept along with its socket. One object has the sockets of one
 * repository; it looks when it is told that there may be news, and tells each listener what differs from what that one has
 * seen. A hint that is lost is made good by the next look.
 *
 * Spec: docs/watch.md
 *
 * @module
 */
import { text } from '@datakit/git/bytes'
import type { Objects } from '@datakit/git/objects'
import { encodeWatchMessage, type WatchMessage } from '@datakit/git/protocol/watch'
import { parseSeen } from '@datakit/git/protocol/watch-socket'
import { grantOf, type Access } from './access.ts'
import type { OpenRepositories } from './open-repositories.ts'
import { checkRefusal, type PolicyOf } from './policy.ts'
import { problemOf, ProblemError } from './problem.ts'
import { parseWatchFilter } from './watch-filter.ts'
import type { SocketWish } from './watch-route.ts'
import { WatchView } from './watch-view.ts'

/** What is kept of a listener, along with its socket. */
export interface SocketNote extends SocketWish {
  /** The event that it has seen last, or that was sent to it. */
  readonly id: string | undefined
  /** `silent` has not said what it has seen, `ready` is to be told what is new, `told` is to say that it has seen `id`. */
  readonly state: 'silent' | 'ready' | 'told'
}

/** The socket of a listener. */
export interface WatchSocket {
  note(): SocketNote
  keep(note: SocketNote): void
  send(message: string): void
  close(code: number, reason: string): void
}

/** What sockets are served with. */
export interface WatchSocketsOptions {
  readonly repositories: OpenRepositories
  /** Who may use the server at this moment. */
  readonly access: () => Access
  readonly policyOf: PolicyOf
  /** All sockets that are open. */
  readonly sockets: () => Iterable<WatchSocket>
  /** Told of errors that nobody expected. */
  readonly log: (error: unknown) => void
}

/** Most listeners of a repository. */
export const MAX_SOCKETS = 500
/** Most different filters of them: each has a view of its own. */
const MAX_FILTERS = 32
/** Longest filter, in characters: it is kept along with the socket, where there is little room. */
const MAX_QUERY = 4096
/** Longest message, in characters. A snapshot of 20,000 refs with usual names has a fifth of it. */
const MAX_MESSAGE = 16 * 1024 * 1024

/** Codes of a socket that is closed. Spec: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
const POLICY_VIOLATION = 1008
const DONE = 1000

/** Serves the sockets of one repository. */
export class WatchSockets {
  readonly #options: WatchSocketsOptions
  /** By filter and rights, at the state that was seen last. */
  #views = new Map<string, WatchView>()
  #readableKey = ''
  #grant: string | undefined
  #isDue = false
  #running: Promise<void> | undefined

  constructor(options: WatchSocketsOptions) {
    this.#options = options
  }

  /**
   * Lets a listener in: what is to be kept with its socket.
   *
   * @throws ProblemError, RefusedError with the reason why not
   */
  async admit(wish: SocketWish): Promise<SocketNote> {
    const { name, query, grant } = wish
    if (query.length > MAX_QUERY)
      throw new ProblemError(
        'too-large',
        `Cannot watch that over a WebSocket: the filter is longer than ${MAX_QUERY} characters; ask for the stream of events`,
      )
    parseWatchFilter(new URLSearchParams(query))
    await this.#checkGrant(grant)
    await this.#open(name)
    // No `await` behind the count: nobody comes in between.
    const notes = [...this.#options.sockets()].map((socket) => socket.note())
    const filters = new Set([query, ...notes.map((note) => note.query)])
    if (notes.length >= MAX_SOCKETS || filters.size > MAX_FILTERS)
      throw new ProblemError(
        'busy',
        `Cannot watch "${name}" over a WebSocket: ${notes.length} listen to it already; ask for the stream of events, or come again later`,
        { 'retry-after': '30' },
      )
    return { name, query, grant, id: undefined, state: 'silent' }
  }

  /** Takes what a listener says. Never rejects. */
  async take(socket: WatchSocket, said: string): Promise<void> {
    const note = socket.note()
    const seen = parseSeen(said)
    const isExpected = note.state === 'silent' || (note.state === 'told' && seen?.id === note.id)
    if (seen === undefined || !isExpected)
      return socket.close(POLICY_VIOLATION, 'Expected "seen" with the id of the last event')
    const isNew = note.state === 'silent'
    socket.keep({ ...note, id: seen.id, state: 'ready' })
    // Who has just been told is told the rest of what is known; a look comes with the next hint.
    if (isNew || !this.#tell(socket)) await this.look()
  }

  /**
   * Sees where the repository is, and tells nobody: to be called before it moves, so that what moves can be told as a change.
   * Costs nothing when that is known. Never rejects.
   */
  async prepare(): Promise<void> {
    const known = (): boolean =>
      [...this.#options.sockets()].every((socket) => this.#viewOf(socket.note()) !== undefined)
    if (!known()) await this.#see().catch(() => undefined)
  }

  /** Looks, and tells every listener what is new to it. Never rejects. */
  look(): Promise<void> {
    this.#isDue = true
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
    return this.#running
  }

  async #run(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false
      try {
        if (!(await this.#see())) continue
        for (const socket of this.#options.sockets()) if (!this.#tell(socket)) this.#isDue = true
      } catch (error) {
        this.#fail(error)
      }
    }
  }

  /** Brings the views up to the state of this moment. False when there is nobody to see anything. */
  async #see(): Promise<boolean> {
    const notes = [...this.#options.sockets()].map((socket) => socket.note())
    const [first] = notes
    if (first === undefined) return false
    this.#grant = await grantOf(this.#options.access())
    const { objects, readable } = await this.#open(first.name)
    const views = new Map<string, WatchView>()
    const before = this.#readableKey === readable.key ? this.#views : views
    for (const query of new Set(notes.map((note) => note.query))) {
      const filter = parseWatchFilter(new URLSearchParams(query))
      const view = before.get(query) ?? new WatchView(filter, readable)
      if (!view.isAt(objects.state)) await view.advance(objects, objects.state)
      views.set(query, view)
    }
    this.#views = views
    this.#readableKey = readable.key
    return true
  }

  /** Tells a listener what is new to it. False when its view is not there yet. */
  #tell(socket: WatchSocket): boolean {
    const note = socket.note()
    if (note.state !== 'ready') return true
    if (this.#grant === undefined) return false
    if (note.grant !== this.#grant) {
      end(socket, unauthorised())
      return true
    }
    const view = this.#viewOf(note)
    if (view === undefined) return false
    const message = view.newsSince(note.id)
    if (message === undefined) return true
    const words = written(message)
    if (words === undefined) end(socket, tooLarge())
    else {
      socket.keep({ ...note, id: message.id, state: 'told' })
      socket.send(words)
    }
    return true
  }

  #viewOf({ query }: SocketNote): WatchView | undefined {
    return this.#views.get(query)
  }

  /** What is no fault of this moment ends all watches; the rest waits for the next look. */
  #fail(error: unknown): void {
    const { status } = problemOf(error)
    if (status >= 500) return this.#options.log(error)
    for (const socket of this.#options.sockets()) end(socket, error)
  }

  async #open(name: string): Promise<{
    readonly objects: Objects
    readonly readable: ReturnType<PolicyOf>['fetch']['readable']
  }> {
    const { repositories, policyOf } = this.#options
    const { objects, policy } = await repositories.openWith(policyOf, name)
    if (!objects.state.exists) throw new ProblemError('not-found', `Repository "${name}" not found`)
    checkRefusal(name, policy.fetch.refusal)
    return { objects, readable: policy.fetch.readable }
  }

  async #checkGrant(grant: string): Promise<void> {
    if (grant !== (await grantOf(this.#options.access()))) throw unauthorised()
  }
}

function end(socket: WatchSocket, error: unknown): void {
  const { code, message } = problemOf(error)
  const words = written({ kind: 'end', code, message })
  if (words !== undefined) socket.send(words)
  socket.close(DONE, code)
}

/** A message as text; `undefined` when it is too long. */
function written(message: WatchMessage): string | undefined {
  let words = ''
  for (const piece of encodeWatchMessage(message)) {
    words += text(piece)
    if (words.length > MAX_MESSAGE) return undefined
  }
  return words
}

function unauthorised(): ProblemError {
  return new ProblemError('unauthorised', 'The server wants another token than it did')
}

function tooLarge(): ProblemError {
  return new ProblemError(
    'too-large',
    'There are too many refs for one message; name those that matter, as ?ref=refs/heads/main',
  )
}
