/**
 * Keeping what has arrived of a large answer, so that a client that is closed in the middle goes on where it was: the next page
 * or tab, or the same program when it is started anew.
 *
 * What is kept is the front of a pack, and what it takes to ask for the rest. It counts only as long as nothing is known of the
 * server that was not known when it was asked, and only if the whole pack has the trailer that its bytes hash to.
 *
 * Spec: docs/sync-protocol.md, "A large answer"
 *
 * @module
 */
import { ByteReader, streamOf } from '@datakit/git/byte-reader'
import { concat, equal } from '@datakit/git/bytes'
import {
  encodeSyncRequest,
  encodeSyncResponse,
  readSyncRequest,
  readSyncResponse,
  type SyncRequest,
  type SyncResponse,
} from '@datakit/git/protocol/sync'
import { GitError } from '@datakit/git/error'
import { SyncError } from '../error.ts'
import type { Repository } from '../repository.ts'
import { goOnBehind, resumptionOf, type Resumption } from './go-on.ts'
import { addressOf } from './server-address.ts'
import { exchange, type Answer, type ServerOptions } from './sync-exchange.ts'
import type { BranchOutcome, SyncOutcome } from './sync-outcome.ts'
import { readKnown } from './sync-refs.ts'
import { sync, type SyncOptions } from './sync.ts'

/**
 * Keeps the front of one answer for one repository. Whatever rejects costs what was kept, never the sync. IndexedDB has one:
 * `@datakit/storage/indexeddb/kept-answer`.
 */
export interface AnswerKeeper {
  /** What was kept last, if it was under this key and not too long ago. */
  find(key: string): Promise<KeptAnswer | undefined>
  /** Begins anew. What was kept before is dropped; whoever still writes to it is told so by a rejection. */
  begin(key: string, note: Uint8Array<ArrayBuffer>): Promise<KeptWriter>
  /** Drops what is kept. */
  drop(): Promise<void>
}

/** The front of an answer. */
export interface KeptAnswer {
  /** As it was given to {@link AnswerKeeper.begin}. */
  readonly note: Uint8Array
  /** How many bytes there are. */
  readonly size: number
  /** These bytes. @throws when they are not what was written */
  read(): AsyncIterable<Uint8Array>
  /** Goes on behind them; another writer of the same front is told by a rejection. */
  append(): Promise<KeptWriter>
}

/** Takes bytes of a front, in order. */
export interface KeptWriter {
  /** Takes the next bytes, and copies them before it resolves. */
  write(piece: Uint8Array): Promise<void>
  /** Keeps what was taken by now. */
  flush(): Promise<void>
}

/**
 * Syncs as {@link sync} does, and goes on with a large answer that an earlier one, which was killed, had received in part. Then the
 * server is asked once more, since that answer is of before.
 *
 * @throws as {@link sync}
 */
export async function syncAndKeep(
  repository: Repository,
  options: SyncOptions,
  keeper: AnswerKeeper,
): Promise<SyncOutcome> {
  const keeping = new KeepingExchange(repository, keeper, options.exchange ?? exchange)
  const first = await keeping.sync(options)
  if (!keeping.hasGoneOn) return first
  const { repository: id, rounds, branches } = await keeping.sync(options)
  const before = new Map(first.branches.map((branch) => [branch.branch, branch]))
  return {
    repository: id,
    rounds: first.rounds + rounds,
    branches: branches.map((after) => joined(before.get(after.branch), after)),
  }
}

/** What became of a branch in two syncs. */
function joined(before: BranchOutcome | undefined, after: BranchOutcome): BranchOutcome {
  return after.state === 'in-step' && before !== undefined ? before : after
}

/** What a note says. */
interface Known {
  readonly header: SyncResponse
  readonly resumption: Resumption
}

class KeepingExchange {
  /** Whether an answer of before was gone on with. */
  hasGoneOn = false
  readonly #repository: Repository
  readonly #keeper: AnswerKeeper
  readonly #send: typeof exchange
  /** Whether something may be kept. */
  #isKeeping = false

  constructor(repository: Repository, keeper: AnswerKeeper, send: typeof exchange) {
    this.#repository = repository
    this.#keeper = keeper
    this.#send = send
  }

  async sync(options: SyncOptions): Promise<SyncOutcome> {
    const exchange: SyncOptions['exchange'] = (server, request, pack) =>
      this.#exchange(server, request, pack)
    try {
      const outcome = await sync(this.#repository, { ...options, exchange })
      await this.#drop()
      return outcome
    } catch (error) {
      // It arrived, and was no good; or its room is needed.
      if (error instanceof GitError) await this.#drop()
      throw error
    }
  }

  async #exchange(server: ServerOptions, request: SyncRequest, pack: Uint8Array): Promise<Answer> {
    const options = { ...server, ...addressOf(server) }
    const key = await this.#key(options.url, request)
    const kept = await this.#keeper.find(key).catch(ignore)
    const rest = kept && (await this.#goOn(options, request, kept))
    if (rest !== undefined) return rest
    this.#isKeeping ||= kept !== undefined
    const answer = await this.#send(server, request, pack)
    const resumption = resumptionOf(request, answer.header)
    // What is kept is of before this answer.
    if (resumption === undefined) await this.#drop()
    const note = resumption && encodeNote(resumption, answer.header)
    const writer = note && (await this.#keeper.begin(key, note).catch(ignore))
    if (writer === undefined) return answer
    this.#isKeeping = true
    return { ...answer, pack: teed(answer.pack, writer) }
  }

  /** What an answer is an answer to: this server, asked by somebody who knows this of it. */
  async #key(url: string, { haves, choice, held }: SyncRequest): Promise<string> {
    const { tracked } = await readKnown(await this.#repository.store.state())
    return JSON.stringify([url, haves, choice, held, [...tracked]])
  }

  /** The answer that is kept, as far as it is, and the rest of it; `undefined` when it does not fit or cannot be had. */
  async #goOn(
    options: ServerOptions,
    request: SyncRequest,
    kept: KeptAnswer,
  ): Promise<Answer | undefined> {
    const known = await decodeNote(kept.note).catch(ignore)
    if (known === undefined || !fits(request, known)) return undefined
    this.#isKeeping = true
    try {
      const rest = await goOnBehind(options, known.resumption, kept.size)
      const writer = await kept.append().catch(ignore)
      this.hasGoneOn = true
      const pack = this.#checked(this.#joined(kept, rest, writer))
      // What came of its updates is for who asked for them.
      return { ...rest, header: { ...known.header, updates: [] }, pack }
    } catch (error) {
      if (isPassing(error)) throw error
      await this.#drop()
      return undefined
    }
  }

  /** The pack, with a look at its trailer. @throws SyncError `cut-off` when it is wrong: then nothing is kept any more */
  async *#checked(pack: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const hasher = this.#repository.store.runtime.hasher()
    let last = new Uint8Array(0)
    for await (const piece of pack) {
      const bytes = concat([last, piece])
      hasher.update(bytes.subarray(0, -TRAILER))
      last = bytes.slice(-TRAILER)
      yield piece
    }
    if (equal(hasher.digest(), last)) return
    await this.#drop()
    throw unusable()
  }

  async *#joined(
    kept: KeptAnswer,
    rest: Answer,
    writer: KeptWriter | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* kept.read()
    } catch (error) {
      await this.#drop()
      throw unusable(error)
    }
    yield* writer === undefined ? rest.pack : teed(rest.pack, writer)
  }

  async #drop(): Promise<void> {
    if (!this.#isKeeping) return
    this.#isKeeping = false
    await this.#keeper.drop().catch(ignore)
  }
}

/** Length of the SHA-1 at the end of a pack, in bytes. */
const TRAILER = 20

/** Whether what is kept may stand in for the answer to a request. */
function fits({ repository, updates }: SyncRequest, { header }: Known): boolean {
  const isSame = repository === undefined || repository === header.repository
  // Of what is to be deleted only the answer to that very request tells.
  return isSame && updates.every(({ to }) => to !== undefined)
}

function unusable(cause?: unknown): SyncError {
  const message = 'Cannot sync: what was kept of an answer is not what was sent'
  return new SyncError('cut-off', message, { cause })
}

/** Whether it may be gone on with later: nobody answered, or the server was busy, or wants to know who asks. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof SyncError)) return true
  const { code, status } = error
  const isAway = code === 'offline' || code === 'cut-off' || code === 'not-datakit'
  return isAway || status === 401 || status === 403 || status === 429 || status >= 500
}

/** The pieces as they come; they are kept as long as that goes well. */
async function* teed(
  pack: AsyncIterable<Uint8Array>,
  writer: KeptWriter,
): AsyncGenerator<Uint8Array, void, undefined> {
  let isKept = true
  const lose = (): void => void (isKept = false)
  try {
    for await (const piece of pack) {
      if (isKept) await writer.write(piece).catch(lose)
      yield piece
    }
  } finally {
    if (isKept) await writer.flush().catch(lose)
  }
}

/** A request for all of the pack, and the header of the answer. */
function encodeNote(
  { reading, plan, wants }: Resumption,
  header: SyncResponse,
): Uint8Array<ArrayBuffer> {
  const request = encodeSyncRequest({ ...reading, resume: { plan, wants, from: 0 } })
  return concat([request, encodeSyncResponse(header)])
}

async function decodeNote(note: Uint8Array): Promise<Known | undefined> {
  const reader = new ByteReader(streamOf(note))
  const { resume, ...reading } = await readSyncRequest(reader)
  const header = await readSyncResponse(reader)
  return resume && { header, resumption: { reading, plan: resume.plan, wants: resume.wants } }
}

function ignore(): undefined {}
