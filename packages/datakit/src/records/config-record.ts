/**
 * Configuration record: typed fields over layers of branches, the first of which that has a value wins.
 *
 * A field is a file, so that people edit it with stock git and changes of different fields merge. A person's changes are
 * in the first layer; a program writes its defaults into the last when it starts, so that those of a newer program hold at
 * once wherever nobody has decided otherwise. What holds is mirrored to a state branch, where programs without this
 * library read it.
 *
 * Spec: docs/records.md
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { checkOptions, listOf, text, type Rule } from '../argument.ts'
import type { Branch } from '../branch/branch.ts'
import { joinPath } from '../files/path.ts'
import { splitWritablePath } from '../files/path-problems.ts'
import type { Repository } from '../repository.ts'
import type { Transaction } from '../transaction/transaction.ts'
import { watchPlace, type WatchOptions } from '../watch/watch.ts'
import { commitOnTop } from './commit-on-top.ts'
import { FieldError } from './field-error.ts'
import type { Field } from './field.ts'
import { Layer, type LayerText, type LayerTexts } from './layer.ts'

/** Fields by name. A name may have steps: `proxy/http`. */
export type Fields = Readonly<Record<string, Field<unknown>>>

/** What a field holds. */
export type ValueOf<F> = F extends Field<infer T> ? T : never

/** What all fields hold. */
export type Values<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name]> }

/** What a record is made of. */
export interface RecordOptions<F extends Fields> {
  /**
   * Branches, the one that wins first. {@link ConfigRecord.set} writes to the first, programs write their defaults to the
   * last: `['user', 'experimental', 'defaults']`.
   */
  readonly layers: readonly [string, string, ...string[]]
  /** Branch that what holds is mirrored to; none when left out. */
  readonly state?: string | undefined
  /** Directory of the fields in all of these branches; the root when left out. */
  readonly path?: string | undefined
  readonly fields: F
  /** Which version of the defaults this program knows; 1 when left out. Those of a newer one are left alone. */
  readonly schema?: number | undefined
}

/** What holds for a field. */
export interface FieldState<T> {
  readonly value: T
  /** {@link ConfigRecord.version} of when the value last changed. */
  readonly version: number
  /** The branch that it is from; `undefined` when no layer has it, or what it has is no value. */
  readonly layer: string | undefined
  /** Why what is stored does not hold; it stays in the store as it is. */
  readonly problem: { readonly layer: string; readonly message: string } | undefined
}

/** Where to set values, and what the commit says. */
export interface SetOptions {
  /** One of the layers; the first when left out. */
  readonly layer?: string | undefined
  readonly message?: string | undefined
}

/** Name of the field that has the version of the defaults. */
const SCHEMA = 'schema-version'

/** A record of configuration. */
export class ConfigRecord<const F extends Fields> {
  readonly #repository: Repository
  readonly #fields: ReadonlyMap<string, Field<unknown>>
  readonly #path: string
  readonly #layers: readonly Layer[]
  readonly #state: Branch | undefined
  readonly #states = new Map<string, FieldState<unknown>>()
  #texts: readonly LayerTexts[] = []
  #version = 0
  #isMirrored = false
  #refreshing: Promise<void> = Promise.resolve()

  private constructor(repository: Repository, options: RecordOptions<F>) {
    const { layers, path = '', fields, state } = options
    this.#repository = repository
    this.#fields = new Map(Object.entries(fields))
    this.#path = path
    const keys = [...this.#fields.keys()]
    this.#layers = layers.map((branch) => new Layer(repository, branch, { path, keys }))
    this.#state = state === undefined ? undefined : repository.branch(state)
  }

  /**
   * Opens a record: writes the program's defaults to the last layer in one commit where they are not there, reads all layers
   * and mirrors what holds.
   *
   * @throws TypeError for layers, paths and names that cannot be meant; RangeError for names of branches
   * @throws FieldError `invalid-value` when a default is no value of its field
   */
  static async open<const F extends Fields>(
    repository: Repository,
    options: RecordOptions<F>,
  ): Promise<ConfigRecord<F>> {
    checkRecord(options)
    const record = new ConfigRecord(repository, options)
    const { schema = 1 } = options
    await record.#writeDefaults(`Defaults of ${options.path ?? 'the configuration'}`, (stored) =>
      stored > schema ? undefined : stored,
    )
    await record.refresh()
    return record
  }

  /** Counts up whenever a value changes in this handle. */
  get version(): number {
    return this.#version
  }

  /** What holds for a field, as of the last {@link refresh}. @throws FieldError `unknown-field` */
  get<Name extends keyof F & string>(name: Name): FieldState<ValueOf<F[Name]>> {
    const state = this.#states.get(name)
    if (state === undefined) throw unknownField(name, this.#fields)
    // Values under a name were read by the field of that name.
    return state as FieldState<ValueOf<F[Name]>>
  }

  /** What all fields hold, as of the last {@link refresh}. */
  values(): Values<F> {
    const values = [...this.#states].map(([name, { value }]) => [name, value] as const)
    // As above, one field at a time.
    return Object.fromEntries(values) as Values<F>
  }

  /** Whether a field has changed since {@link version} was `version`. @throws FieldError `unknown-field` */
  hasChanged(name: keyof F & string, version: number): boolean {
    return this.get(name).version > version
  }

  /**
   * Sets several fields in one commit of the first layer, whoever sets them at the same time: the last one wins, field by
   * field. `undefined` takes the value away, so that the layers below show.
   *
   * @returns the commit; `undefined` when nothing differed
   * @throws FieldError before anything is written: `unknown-field`, `invalid-value`
   * @throws PathError when a file is where a directory of a field should be, or the other way round
   */
  async set(
    values: { readonly [Name in keyof F]?: ValueOf<F[Name]> | undefined },
    options: SetOptions = {},
  ): Promise<Oid | undefined> {
    checkOptions(values, {})
    checkOptions(options, { layer: text, message: text })
    const texts = Object.entries(values).map(([name, value]) => this.#textOf(name, value))
    const branch = this.#layerOf(options.layer)
    const message = options.message ?? `Set ${texts.map(({ name }) => name).join(', ')}`
    const oid = await commitOnTop(branch, message, (files) => this.#write(files, texts))
    await this.refresh()
    return oid
  }

  /**
   * Goes over to version `n` of the defaults: writes those of this program, takes away what has no default, and notes the
   * version, in one commit. Does nothing when the store is as new: programs call it whenever they start.
   *
   * @returns whether there was anything to do
   */
  async upgrade(n: number): Promise<boolean> {
    if (!Number.isSafeInteger(n) || n < 1)
      throw new RangeError(`Not a version of defaults: ${n}, expected a whole number from 1 on`)
    const oid = await this.#writeDefaults(`Upgrade the defaults to version ${n}`, (stored) =>
      n > stored ? n : undefined,
    )
    await this.refresh()
    return oid !== undefined
  }

  /** The version of the defaults that the store has; 1 where it says none. */
  async schemaVersion(): Promise<number> {
    return this.#readSchema((await this.#last().head()) ?? { readText: async () => undefined })
  }

  /** Reads the layers again, and mirrors what holds if that is something else. What cannot be read leaves the old value. */
  refresh(): Promise<void> {
    const next = this.#refreshing.then(() => this.#refresh())
    this.#refreshing = next.catch(() => undefined)
    return next
  }

  /** What holds for a field now, and whenever it changes. Values in between may be skipped. */
  watch<Name extends keyof F & string>(
    name: Name,
    options: WatchOptions = {},
  ): AsyncIterableIterator<FieldState<ValueOf<F[Name]>>, void, undefined> {
    this.get(name)
    const read = async (): Promise<FieldState<ValueOf<F[Name]>>> => {
      await this.refresh()
      return this.get(name)
    }
    const isEqual = (a: { version: number }, b: { version: number }): boolean =>
      a.version === b.version
    return watchPlace(this.#repository.store.place, read, { ...options, isEqual })
  }

  /** What all fields hold now, and whenever one of them changes. */
  watchAll(options: WatchOptions = {}): AsyncIterableIterator<Values<F>, void, undefined> {
    const versions = new WeakMap<Values<F>, number>()
    const read = async (): Promise<Values<F>> => {
      await this.refresh()
      const values = this.values()
      versions.set(values, this.#version)
      return values
    }
    const isEqual = (a: Values<F>, b: Values<F>): boolean => versions.get(a) === versions.get(b)
    return watchPlace(this.#repository.store.place, read, { ...options, isEqual })
  }

  async #refresh(): Promise<void> {
    await this.#look()
    // Somebody may have written what is newer while we did: whoever writes last looks last.
    while (!this.#isMirrored) if (await this.#mirror()) await this.#look()
  }

  async #look(): Promise<void> {
    const texts: LayerTexts[] = []
    for (const layer of this.#layers) texts.push(await layer.read())
    const isSame = texts.every((each, i) => each === this.#texts[i])
    if (!isSame) this.#recompute(texts)
    this.#texts = texts
  }

  #recompute(texts: readonly LayerTexts[]): void {
    const before = this.#version
    for (const [name, field] of this.#fields) {
      const known = this.#states.get(name)
      const state = this.#effective(name, field, texts)
      const isSame = known !== undefined && field.isEqual(known.value, state.value)
      if (!isSame) this.#version = before + 1
      this.#states.set(name, { ...state, version: isSame ? known.version : before + 1 })
    }
    if (this.#version !== before) this.#isMirrored = false
  }

  /** The value of the first layer that has one. */
  #effective(
    name: string,
    field: Field<unknown>,
    texts: readonly LayerTexts[],
  ): Omit<FieldState<unknown>, 'version'> {
    const i = texts.findIndex((layer) => layer.has(name))
    const layer = this.#layers[i]?.branch.name
    const text: LayerText | undefined = texts[i]?.get(name)
    if (layer === undefined || text === undefined)
      return { value: field.fallback, layer: undefined, problem: undefined }
    const known = this.#states.get(name)
    if (text.state === 'unreadable' && known !== undefined)
      return { ...known, problem: { layer, message: text.problem } }
    const parsed = text.state === 'text' ? field.parse(text.text) : text
    if ('value' in parsed) return { value: parsed.value, layer, problem: undefined }
    const { problem: message } = parsed
    return { value: field.fallback, layer: undefined, problem: { layer, message } }
  }

  /** Writes what holds to the state branch, in one commit. False when it says that already. */
  async #mirror(): Promise<boolean> {
    const message = `State of ${this.#path || 'the configuration'}`
    const texts = [...this.#states].map(([name, { value }]) => this.#textOf(name, value))
    const oid =
      this.#state && (await commitOnTop(this.#state, message, (files) => this.#write(files, texts)))
    this.#isMirrored = true
    return oid !== undefined
  }

  /** Writes the defaults with the version that `choose` gives for the stored one; nothing when it gives none. */
  async #writeDefaults(
    message: string,
    choose: (stored: number) => number | undefined,
  ): Promise<Oid | undefined> {
    const texts = [...this.#fields].map(([name, { fallback }]) => this.#textOf(name, fallback))
    return commitOnTop(this.#last(), message, async (files) => {
      const stored = await this.#readSchema(files)
      const version = choose(stored)
      if (version === undefined) return
      await this.#write(files, texts)
      const path = joinPath(this.#path, SCHEMA)
      const isNoted = stored === version && (await files.readText(path)) !== undefined
      if (!isNoted) await files.write(path, `${version}\n`)
    })
  }

  async #readSchema(files: Pick<Transaction, 'readText'>): Promise<number> {
    const text = (await files.readText(joinPath(this.#path, SCHEMA)))?.trim() ?? ''
    const stored = /^\d+$/.test(text) ? Number(text) : 1
    return Number.isSafeInteger(stored) ? stored : 1
  }

  #textOf(name: string, value: unknown): FieldText {
    const field = this.#fields.get(name)
    if (field === undefined) throw unknownField(name, this.#fields)
    if (value === undefined) return { name, text: undefined, field }
    try {
      return { name, text: `${field.format(value)}\n`, field }
    } catch (error) {
      if (!(error instanceof FieldError)) throw error
      throw new FieldError(error.code, `Field "${name}": ${error.message}`, { cause: error })
    }
  }

  async #write(files: Transaction, texts: readonly FieldText[]): Promise<void> {
    for (const { name, text, field } of texts) {
      const path = joinPath(this.#path, name)
      if (text === undefined) {
        await files.remove(path)
        continue
      }
      const stat = await files.stat(path)
      const isThere = stat?.kind === 'file' || stat?.kind === 'executable'
      const known = isThere ? await files.readText(path) : undefined
      // A value that somebody wrote in another way, with other blanks or spellings, is not written again.
      if (known !== undefined && isSameText(field, known, text)) continue
      await files.write(path, text)
    }
  }

  #last(): Branch {
    const last = this.#layers.at(-1)
    if (last === undefined) throw new TypeError('A record has layers')
    return last.branch
  }

  #layerOf(name: string | undefined): Branch {
    const found =
      name === undefined ? this.#layers[0] : this.#layers.find((l) => l.branch.name === name)
    if (found !== undefined) return found.branch
    const names = this.#layers.map(({ branch }) => branch.name).join('", "')
    throw new TypeError(`Not a layer of this record: "${name}", expected one of "${names}"`)
  }
}

/** What a file of a field shall say; `undefined` for no file. */
interface FieldText {
  readonly name: string
  readonly text: string | undefined
  readonly field: Field<unknown>
}

function isSameText(field: Field<unknown>, known: string, text: string): boolean {
  const [a, b] = [field.parse(known), field.parse(text)]
  return 'value' in a && 'value' in b && field.isEqual(a.value, b.value)
}

function checkRecord(options: RecordOptions<Fields>): void {
  checkOptions(options, { layers: listOf(text), state: text, path: text, fields: fieldsRule })
  const {
    layers = [],
    state,
    path = '',
    fields = {},
    schema = 1,
  } = options as Partial<typeof options>
  const branches = state === undefined ? layers : [...layers, state]
  if (layers.length < 2 || new Set(branches).size < branches.length)
    throw new TypeError(
      `Not the layers of a record: "${branches.join('", "')}", expected two or more branches and a state, all different`,
    )
  if (!Number.isSafeInteger(schema) || schema < 1)
    throw new RangeError(`Not a version of defaults: ${schema}, expected a whole number from 1 on`)
  if (path !== '') splitWritablePath(path)
  const names = Object.keys(fields)
  for (const name of names) {
    splitWritablePath(name)
    const clash = names.find((other) => other.startsWith(`${name}/`))
    if (clash !== undefined)
      throw new TypeError(
        `Not fields of one record: "${name}" is a file, so "${clash}" cannot be in it`,
      )
    if (name === SCHEMA || name.startsWith(`${SCHEMA}/`))
      throw new TypeError(`Not a field: "${SCHEMA}" is the version of the defaults`)
  }
}

const fieldsRule: Rule = {
  fits: (value) =>
    value instanceof Object &&
    Object.values(value).every((field) => field instanceof Object && 'parse' in field),
  wanted: 'fields by name, as `{ port: int(80) }`',
}

function unknownField(name: string, fields: ReadonlyMap<string, unknown>): FieldError {
  const names = [...fields.keys()].join('", "')
  return new FieldError('unknown-field', `There is no field "${name}": the record has "${names}"`)
}
