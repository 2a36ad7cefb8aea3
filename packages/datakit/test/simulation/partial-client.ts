/**
 * A client of a simulation that has a part of the repository: what part that is, what it reads, and what may come of that.
 *
 * @module
 */
import { NotHereError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'
import { refChooser } from '@datakit/git/protocol/sync-choice'
import { SyncError } from '../../src/error.ts'
import { fetchOnDemand } from '../../src/files/on-demand.ts'
import type { Repository } from '../../src/repository.ts'
import { readChoice, setChoice, type SyncChoice } from '../../src/sync/choice.ts'
import { serverPromisor } from '../../src/sync/server-promisor.ts'
import type { ServerOptions } from '../../src/sync/sync-exchange.ts'
import { choose } from '../random-history.ts'
import type { Process } from './process.ts'
import type { Machine, World } from './world.ts'

const BRANCHES: readonly SyncChoice[] = [
  {},
  {},
  { branches: ['main'] },
  { branches: ['main', 'topic*'] },
  { branches: ['*', 'refs/tags/*'] },
]
const PATHS: readonly SyncChoice[] = [
  {},
  { paths: ['dir'] },
  { paths: ['dir/sub', 'b'] },
  { paths: ['a', 'config.json'] },
  { paths: ['nowhere'] },
]
/** Of all files, some of them and none. */
const LIMITS: readonly SyncChoice[] = [
  {},
  {},
  { blobLimit: 0 },
  { blobLimit: 9 },
  { blobLimit: 12 },
]

/** What a person may say of parts. */
export class PartialClient {
  readonly #world: World
  readonly #machine: Machine
  readonly #process: Process
  readonly #repository: Repository

  constructor(
    of: {
      readonly world: World
      readonly machine: Machine
      readonly process: Process
      readonly repository: Repository
    },
    server: ServerOptions,
  ) {
    this.#world = of.world
    this.#machine = of.machine
    this.#process = of.process
    this.#repository = of.repository
    // Else what is not here is fetched as soon as a sync has told from where.
    if (this.#world.scheduler.chance(0.5))
      fetchOnDemand(this.#repository, serverPromisor(this.#repository, server))
  }

  /** Wants another part, or all again. */
  async choose(): Promise<void> {
    const { random } = this.#world.scheduler
    await this.want({
      ...choose(random, BRANCHES),
      ...choose(random, PATHS),
      ...choose(random, LIMITS),
    })
  }

  /** Wants this part. */
  async want(choice: SyncChoice | undefined): Promise<void> {
    this.#tell(`chooses ${JSON.stringify(choice)}`)
    await setChoice(this.#repository, choice)
  }

  /** Reads files of a branch, wherever they are. What is read must be right. */
  async look(branch: string): Promise<void> {
    const { scheduler, library } = this.#world
    const head = await this.#repository.branch(branch).head()
    if (head === undefined) return
    const paths = library.paths(head.oid)
    const wrong = (path: string, found: string | undefined): void =>
      this.#world.ledger.blame(`${path} of ${head.oid} is read as ${found}`)
    if (scheduler.chance(0.5)) {
      const path = choose(scheduler.random, [...paths, 'dir/d', 'dir/none'])
      const found = await head.readText(path)
      this.#tell(`reads ${path}`)
      if (found !== library.read(head.oid, path)) wrong(path, found)
      return
    }
    const found: string[] = []
    for await (const { path, body } of head.readAll()) {
      found.push(path)
      const content = new TextDecoder().decode(body)
      if (content !== library.read(head.oid, path)) wrong(path, content)
    }
    this.#tell('reads all files')
    if (JSON.stringify(found.toSorted()) !== JSON.stringify(paths))
      wrong('The list', found.join(' '))
  }

  /** Does what needs the network perhaps. @throws what `work` throws, but for what is rightly not here */
  async allow(work: () => Promise<void>): Promise<void> {
    const { library, server } = this.#world
    const before = await this.#world.scheduler.outside(library.reachable(server.disk))
    try {
      await work()
    } catch (error) {
      // The server, or what stands between, said no to a read.
      if (error instanceof SyncError && this.#process.faults.length > 0) return
      if (!(error instanceof NotHereError)) throw error
      this.#tell(`is told: ${error.message} (${String(error.cause)})`)
      // An error has it as text; it was read out of an object.
      if (!(await this.#mayLack(error.oid as Oid, before))) throw error
    }
  }

  /** Whether the client rightly cannot have an object: it cannot ask for it, something happened, or the server let go of it. */
  async #mayLack(oid: Oid, before: ReadonlySet<Oid>): Promise<boolean> {
    const { library, server, scheduler } = this.#world
    if (this.#repository.store.onDemand === undefined || this.#process.faults.length > 0)
      return true
    return !before.has(oid) || !(await scheduler.outside(library.reachable(server.disk))).has(oid)
  }

  /** Whether a branch leads to something that nobody has any more whom this client knows. */
  async isBeyond(head: Oid): Promise<boolean> {
    const { library, server, scheduler } = this.#world
    const { disk } = this.#machine
    return (await scheduler.outside(library.nowhere([head], disk, server.disk))).length > 0
  }

  /** Where this client is not what it must be in the end, beside the heads of the server. */
  async differences(theirs: ReadonlyMap<string, Oid>): Promise<string[]> {
    const choice = await readChoice(this.#repository)
    const isChosen = choice?.branches === undefined ? () => true : refChooser(choice.branches)
    const refs = await this.#machine.disk.refs()
    const names = [...refs.keys()].filter((name) => name.startsWith(HEADS))
    const wanted = [...theirs.keys()].filter(isChosen)
    return [...new Set([...names, ...wanted])].filter((name) => {
      const own = refs.get(name)
      const tracked = refs.get(`refs/remotes/origin/${name.slice(HEADS.length)}`)
      return own !== theirs.get(name) && (isChosen(name) || own !== tracked)
    })
  }

  #tell(what: string): void {
    this.#world.ledger.tell(this.#machine.name, what)
  }
}

const HEADS = 'refs/heads/'
