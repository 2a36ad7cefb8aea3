/**
 * A program of a simulation that keeps its configuration in a record: layers that sync like any branch, and a state that each client mirrors.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { ConfigRecord } from '../../src/records/config-record.ts'
import { bool, int, string } from '../../src/records/field.ts'
import type { Repository } from '../../src/repository.ts'
import { choose } from '../random-history.ts'
import type { Machine, World } from './world.ts'

const FIELDS = { memory: int(2048), debug: bool(false), 'proxy/http': string() }
type FieldName = keyof typeof FIELDS
const DIRECTORY = 'vm'
const OPTIONS = {
  layers: ['user', 'defaults'],
  state: 'state',
  path: DIRECTORY,
  fields: FIELDS,
} as const

/** What a program does with its configuration. */
export class RecordClient {
  readonly #world: World
  readonly #repository: Repository
  readonly #acknowledge: (oid: Oid) => Promise<void>

  /** `acknowledge` is told of every commit that the program was told of. */
  constructor(
    of: { readonly world: World; readonly machine: Machine; readonly repository: Repository },
    acknowledge: (oid: Oid) => Promise<void>,
  ) {
    this.#world = of.world
    this.#repository = of.repository
    this.#acknowledge = acknowledge
  }

  /** Starts the program, which writes its defaults; then somebody changes a setting, perhaps, or a newer program comes. */
  async use(): Promise<void> {
    const { scheduler } = this.#world
    const record = await ConfigRecord.open(this.#repository, {
      ...OPTIONS,
      schema: 1 + scheduler.below(2),
    })
    if (scheduler.chance(0.1)) await record.upgrade(2 + scheduler.below(2))
    const values = {
      ...(scheduler.chance(0.6) && { memory: scheduler.below(4) * 1024 }),
      ...(scheduler.chance(0.3) && { debug: scheduler.chance(0.5) }),
      ...(scheduler.chance(0.4) && { 'proxy/http': this.#proxy() }),
    }
    const oid = await record.set(values, { layer: choose(scheduler.random, OPTIONS.layers) })
    if (oid === undefined) return
    await this.#acknowledge(oid)
    await this.#checkWritten(oid, values)
  }

  /** What holds, by what the layers say; a record that is opened says the same, and so does the state that it mirrors. */
  async check(): Promise<string> {
    const record = await ConfigRecord.open(this.#repository, OPTIONS)
    const held = record.values()
    for (const name of Object.keys(FIELDS) as FieldName[]) {
      const expected = await this.#expected(name)
      const state = await (
        await this.#repository.branch(OPTIONS.state).head()
      )?.readText(`${DIRECTORY}/${name}`)
      if (textOf(held[name]) !== expected || state !== expected)
        this.#world.ledger.blame(`${name} is ${held[name]}, ${state} in the state, not ${expected}`)
    }
    return JSON.stringify(held)
  }

  #proxy(): string | undefined {
    const { scheduler } = this.#world
    return scheduler.chance(0.3) ? undefined : `http://${scheduler.below(9)}`
  }

  /** What the first layer that has a field says of it; what the program falls back to where that is no value. */
  async #expected(name: FieldName): Promise<string | undefined> {
    const { parse, fallback } = FIELDS[name]
    for (const layer of OPTIONS.layers) {
      const head = await this.#repository.branch(layer).head()
      const text = await head?.readText(`${DIRECTORY}/${name}`)
      if (text === undefined) continue
      const parsed = parse(text)
      return textOf('value' in parsed ? parsed.value : fallback)
    }
    return textOf(fallback)
  }

  /** The commit that a program is told of says what was to be set. */
  async #checkWritten(oid: Oid, values: Readonly<Record<string, unknown>>): Promise<void> {
    const snapshot = await this.#repository.snapshot(oid)
    for (const [name, value] of Object.entries(values)) {
      const text = await snapshot.readText(`${DIRECTORY}/${name}`)
      if (text !== textOf(value))
        this.#world.ledger.blame(`${name} was set to ${String(value)}, and ${oid} has ${text}`)
    }
  }
}

/** What a file says of a value; `undefined` for no file. */
function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : `${String(value)}\n`
}
