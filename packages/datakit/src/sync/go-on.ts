/**
 * Going on with a large answer that was cut off: the rest of its pack and its index come by requests that change nothing.
 *
 * Whoever reads the answer sees one pack and one index. The server makes the same bytes again; where it cannot, the request
 * itself is sent anew.
 *
 * Spec: docs/sync-protocol.md
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import { encodeSyncRequest, type SyncRequest, type SyncResponse } from '@datakit/git/protocol/sync'
import { SyncError } from '../error.ts'
import { wait } from '../wait.ts'
import { persist } from './send-again.ts'
import { sendOnce, type Answer, type ServerOptions } from './sync-exchange.ts'

/** How often in a row a connection may be cut that brought next to nothing. */
const MAX_IDLE = 3
/** Bytes that are more than that. */
const STEP = 64 * 1024

/** What it takes to ask for the rest of an answer. */
export interface Resumption {
  /** A request that is answered with the same pack, and moves no ref. */
  readonly reading: SyncRequest
  /** `resume` of the answer. */
  readonly plan: string
  /** What its refs point at, in their order. */
  readonly wants: readonly Oid[]
}

/** How to go on with the answer to a request; `undefined` where the server did not say what its pack was made from. */
export function resumptionOf(request: SyncRequest, header: SyncResponse): Resumption | undefined {
  const { refs = request.objects && [], resume } = header
  if (refs === undefined || resume === undefined) return undefined
  return {
    reading: readingOnly(request, header),
    plan: resume,
    wants: refs.map(({ oid }) => oid),
  }
}

/** The answer with sections that go on after a cut; as it is where the server did not say what its pack was made from. */
export function goingOn(options: ServerOptions, request: SyncRequest, answer: Answer): Answer {
  const resumption = resumptionOf(request, answer.header)
  return resumption === undefined ? answer : new Sections(options, resumption, answer).answer()
}

/**
 * What follows behind the first `from` bytes of a pack whose answer was cut off earlier, by a client that was closed.
 *
 * @throws SyncError `plan-gone` when the server cannot make the same bytes any more
 */
export async function goOnBehind(
  options: ServerOptions,
  resumption: Resumption,
  from: number,
): Promise<Answer> {
  const rest = await askForRest(options, resumption, from)
  return new Sections(options, resumption, rest, from).answer()
}

/** A request that is answered with the same pack, and moves no ref. */
function readingOnly(request: SyncRequest, header: SyncResponse): SyncRequest {
  const done = new Set(
    header.updates.flatMap(({ name, outcome }) => (outcome === 'done' ? [name] : [])),
  )
  const brought = request.updates.flatMap(({ name, to }) =>
    done.has(name) && to !== undefined ? [to] : [],
  )
  return {
    ...request,
    id: randomId(),
    repository: header.repository,
    known: header.version,
    haves: request.unsure === true ? request.haves : [...request.haves, ...brought],
    updates: [],
    head: undefined,
    pack: 0,
    parts: undefined,
  }
}

async function askForRest(
  options: ServerOptions,
  { reading, plan, wants }: Resumption,
  from: number,
): Promise<Answer> {
  const body = encodeSyncRequest({ ...reading, resume: { plan, wants, from } })
  const rest = await persist(options, () => sendOnce(options, body, reading.id))
  if (rest.header.resume === plan) return rest
  await rest.close()
  throw new SyncError('plan-gone', 'Cannot sync: the server cannot go on with its answer')
}

class Sections {
  readonly #options: ServerOptions
  readonly #resumption: Resumption
  #answer: Answer
  /** Bytes of the pack, and of both sections, that arrived. */
  #packed: number
  #arrived = 0
  /** What had arrived at the last cut. */
  #before = 0
  #idle = 0

  constructor(options: ServerOptions, resumption: Resumption, answer: Answer, from = 0) {
    this.#options = options
    this.#resumption = resumption
    this.#answer = answer
    this.#packed = from
  }

  answer(): Answer {
    const close = (): Promise<void> => this.#answer.close()
    return { header: this.#answer.header, pack: this.pack(), index: this.index(), close }
  }

  async *pack(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      try {
        for await (const piece of this.#answer.pack) {
          this.#packed += piece.length
          this.#arrived += piece.length
          yield piece
        }
        return
      } catch (error) {
        await this.#goOn(error)
      }
    }
  }

  /** Comes whole each time; what was given before is passed over. */
  async *index(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let given = 0; ;) {
      try {
        // Nothing is left of the pack, but the end of its section is.
        for await (const _ of this.#answer.pack);
        let at = 0
        for await (const piece of this.#answer.index) {
          const fresh = piece.subarray(Math.max(0, given - at))
          at += piece.length
          given += fresh.length
          this.#arrived += fresh.length
          if (fresh.length > 0) yield fresh
        }
        return
      } catch (error) {
        await this.#goOn(error)
      }
    }
  }

  /** Asks for the rest, and again as long as each time something arrives. @throws SyncError when it cannot be had */
  async #goOn(error: unknown): Promise<void> {
    for (let cut = error; ;) {
      this.#options.signal?.throwIfAborted()
      this.#idle = this.#arrived - this.#before < STEP ? this.#idle + 1 : 1
      this.#before = this.#arrived
      const isCut = cut instanceof SyncError && cut.code === 'cut-off'
      if (!isCut || this.#idle > MAX_IDLE) throw cut
      await wait(100 * 3 ** this.#idle * (0.5 + Math.random()), this.#options.signal)
      try {
        this.#answer = await askForRest(this.#options, this.#resumption, this.#packed)
        return
      } catch (again) {
        cut = again
      }
    }
  }
}
