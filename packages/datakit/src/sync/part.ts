/**
 * Part: what a sync does otherwise where only a part of the repository is wanted, or here.
 *
 * It says in each request what is wanted and how much of what the server's refs reach is here; leaves refs alone that were not
 * asked for; writes down what the server left out, so that it is fetched when it is read; and finds out when a server knows
 * nothing of parts, whose answers are whole.
 *
 * Spec: docs/sync-protocol.md, "A part of a repository"
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import type { RefUpdate } from '@datakit/git/place'
import type { SyncRequest, SyncResponse } from '@datakit/git/protocol/sync'
import {
  isSameChoice,
  isWholeScope,
  parseChoice,
  parseScope,
  refChooser,
  type SyncChoice,
  type SyncScope,
} from '@datakit/git/protocol/sync-choice'
import type { Repository } from '../repository.ts'
import { readChoiceFile } from './choice.ts'
import { findLeft, SERVER } from './left-out.ts'
import { promiseBy } from './server-promisor.ts'
import { exchange, type Answer, type ServerOptions } from './sync-exchange.ts'
import type { SyncOptions } from './sync.ts'
import { CHOICE, HEADS, type Known, type Refs } from './sync-refs.ts'

const STALE = 'stale/'

/** A server, and how requests are sent to it. */
type Sending = ServerOptions & Pick<SyncOptions, 'exchange'>

/** What differs in a sync. */
export interface Part {
  /** As that of a whole one; the request gets what is wanted, and the answer the refs that were not asked for as they were. */
  readonly exchange: typeof exchange
  /** What is to be written down of what is here, once the answer was taken. */
  readonly moves: readonly RefUpdate[]
}

/** Reads what is wanted. From then on the repository fetches from the server what it lacks, unless it does so otherwise. */
export async function openPart(
  repository: Repository,
  known: Known,
  options: ServerOptions,
): Promise<Part> {
  const { store } = repository
  promiseBy(repository, options)
  const wanted = await readChoiceFile(store, known.choice.get('wanted'))
  const held = parseScope(await readChoiceFile(store, known.choice.get('held')))
  store.isLeft = async (oid) =>
    !(await store.objects.has(oid)) && (await store.objects.state.promised(oid)) === SERVER
  const run = new PartRun({ known, wanted, held })
  return {
    exchange: (options, request, pack) => run.exchange(options, run.ask(request), pack),
    get moves() {
      return run.moves
    },
  }
}

/** One request and its answer. */
class PartRun {
  moves: readonly RefUpdate[] = []
  /** What is asked for. */
  readonly #choice: SyncChoice
  readonly #known: Known
  readonly #wanted: SyncChoice
  /** What is here of that which the server's refs reach, but for those that are stale. */
  readonly #held: SyncScope
  readonly #stale: ReadonlyMap<string, Oid>
  /** Whether the server sent all, since it knows of no parts. */
  #isWhole = false
  /** Refs of the server that were not asked for. */
  #others: Refs = new Map()

  constructor(of: {
    readonly known: Known
    readonly wanted: SyncChoice
    readonly held: SyncScope
  }) {
    const { known, wanted } = of
    this.#known = known
    this.#wanted = wanted
    this.#held = of.held
    const branches = wanted.branches && withOwn(wanted.branches, known)
    this.#choice = parseChoice({ ...wanted, branches })
    this.#stale = new Map(
      [...known.choice].flatMap(([name, oid]) =>
        name.startsWith(STALE) ? [[`refs/${name.slice(STALE.length)}`, oid] as const] : [],
      ),
    )
  }

  ask(request: SyncRequest): SyncRequest {
    const tracked = [...this.#known.tracked].filter(([name]) => !this.#stale.has(name))
    const haves = request.haves.length === 0 ? [] : [...new Set(tracked.map(([, oid]) => oid))]
    const choice = this.#choice
    const held = isSameChoice(this.#held, parseScope(choice)) ? undefined : this.#held
    // What is sent may rest on a ref that was taken when less was asked for.
    const unsure = this.#stale.size > 0 || undefined
    // The refs are wanted in any case: with them go those that are kept as they were.
    return { ...request, known: undefined, haves, choice, held, unsure }
  }

  /**
   * Sends a request for a part. A server that knows of none takes it for one for all, by a client that has all that its haves
   * reach: where that is not so it is asked for everything.
   */
  async exchange(options: Sending, request: SyncRequest, pack: Uint8Array): Promise<Answer> {
    const send = options.exchange ?? exchange
    const answer = await send(options, request, pack)
    const { choice } = answer.header
    this.#isWhole = choice === undefined
    if (!this.#isWhole && !this.#isAsked(choice)) {
      await answer.close()
      throw new MalformedError('an answer to sync', 'it is of another part than was asked for')
    }
    const isLacking = !isWholeScope(this.#held) || this.#stale.size > 0
    if (this.#isWhole && isLacking && request.haves.length > 0) {
      await answer.close()
      return this.exchange(options, { ...request, haves: [], held: undefined }, pack)
    }
    const header = this.#joined(answer.header)
    this.moves = this.#moves()
    return { ...answer, header, findLeft: this.#findLeft(answer.header) }
  }

  /** Whether an answer is to what was asked for; what it says of that may be anything. */
  #isAsked(choice: unknown): boolean {
    try {
      return isSameChoice(parseChoice(choice), this.#choice)
    } catch (error) {
      if (error instanceof MalformedError) return false
      throw error
    }
  }

  /** The header with the refs of the server's that were not asked for, as they were. */
  #joined(header: SyncResponse): SyncResponse {
    const refs = header.refs ?? []
    const names = new Set(refs.map(({ name }) => name))
    const { repository, tracked } = this.#known
    const isOther = repository !== undefined && repository !== header.repository
    const { branches } = this.#choice
    const isAll = this.#isWhole || isOther || branches === undefined
    const isChosen = isAll ? () => true : refChooser(branches)
    this.#others = new Map([...tracked].filter(([name]) => !names.has(name) && !isChosen(name)))
    const others = [...this.#others].map(([name, oid]) => ({ name, oid }))
    return { ...header, head: this.#headOf(header), refs: [...refs, ...others] }
  }

  #findLeft({ refs = [] }: SyncResponse): Answer['findLeft'] {
    const choice = this.#choice
    if (this.#isWhole || isWholeScope(choice)) return undefined
    const heads = refs.map(({ oid }) => oid)
    return (objects, index) => findLeft(objects, index, { heads, choice })
  }

  #moves(): RefUpdate[] {
    const { choice } = this.#known
    const now = this.#isWhole ? {} : parseScope(this.#choice)
    const isSame = isSameChoice(this.#held, now)
    const moves: RefUpdate[] = []
    const move = (name: string, from: Oid | undefined, to: Oid | undefined): void => {
      if (from !== to) moves.push({ name: CHOICE + name, from, to })
    }
    const from = choice.get('held')
    // The file of what was wanted says more than what is held, and nothing else of that.
    const to = isWholeScope(now) ? undefined : choice.get('wanted')
    if (!isSame) move('held', from, to)
    // Another tab that took the answer to another choice meanwhile has more or less than this answer was made for.
    else if (from !== undefined) moves.push({ name: `${CHOICE}held`, from, to: from })
    for (const [name, oid] of new Map([...this.#stale, ...this.#others])) {
      const isStale = this.#others.has(name) && (!isSame || this.#stale.has(name))
      move(STALE + name.slice('refs/'.length), this.#stale.get(name), isStale ? oid : undefined)
    }
    return moves
  }

  /** HEAD of the server, unless its branch was not asked for: then the first that was. */
  #headOf({ head, refs }: SyncResponse): SyncResponse['head'] {
    const { branches } = this.#wanted
    if (branches === undefined || this.#isWhole || refs === undefined || !('ref' in head))
      return head
    const names = refs.flatMap(({ name }) => (name.startsWith(HEADS) ? [name] : []))
    if (names.includes(head.ref)) return head
    const named = branches.find((branch) => names.includes(HEADS + branch))
    const ref = named === undefined ? names[0] : HEADS + named
    return ref === undefined ? head : { ref }
  }
}

/** With the branches that are here and not in step: what is worked on goes to the server, whatever was chosen. */
function withOwn(branches: readonly string[], { own, heads }: Known): string[] {
  const open = [...own].filter(([branch, oid]) => heads.get(branch) !== oid)
  return [...branches, ...open.map(([branch]) => branch)]
}
