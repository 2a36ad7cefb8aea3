import { text, utf8 } from '@datakit/git/bytes'
import { nodeRuntime } from '@datakit/git/runtime/node'
import type { MergeDriver } from '@datakit/merge/driver'
import { memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import { read, states, write } from '../../test/clients.ts'
import { commit, type Edits } from '../../test/model-scene.ts'
import { Network } from '../../test/network.ts'
import type { ConflictOutcome } from '../transaction/land.ts'
import { Repository, type RepositoryOptions } from '../repository.ts'
import { planStep } from '../sync/sync-plan.ts'
import { sync } from '../sync/sync.ts'
import type { Snapshot } from '../files/snapshot.ts'

const LINES = 'one\ntwo\nthree\n'
const OURS = LINES.replace('one', 'ONE')
const THEIRS = LINES.replace('three', 'THREE')
/** Both sides of it change the same line. */
const CLASH = { base: 'x\n', ours: 'ours\n', theirs: 'theirs\n' }

interface Histories {
  readonly base: Edits
  readonly ours: Edits
  readonly theirs: Edits
}

async function open(options: Partial<RepositoryOptions> = {}): Promise<Repository> {
  return Repository.open(memoryPlace(), { runtime: nodeRuntime, ...options })
}

/** Merges what two branches made of a base; gives the files, or the conflict. */
async function merge(
  repository: Repository,
  { base, ours, theirs }: Histories,
): Promise<Snapshot | ConflictOutcome> {
  const start = await commit(repository, base)
  await repository.branch('theirs').create(start)
  const head = await commit(repository, theirs, 'theirs')
  await commit(repository, ours)
  const outcome = await repository.branch('main').merge(head)
  if (outcome.state === 'conflict') return outcome
  if (outcome.state !== 'committed') throw new Error(`The merge was ${outcome.state}`)
  return repository.snapshot(outcome.oid)
}

/** The merged file `f`, or the paths in conflict. */
async function outcomeOf(
  histories: Histories,
  options: Partial<RepositoryOptions> = {},
): Promise<string | undefined | readonly string[]> {
  const merged = await merge(await open(options), histories)
  return 'conflicts' in merged ? merged.conflicts.map(({ path }) => path) : merged.readText('f')
}

async function conflictOf(repository: Repository, histories: Histories): Promise<ConflictOutcome> {
  const merged = await merge(repository, histories)
  if ('conflicts' in merged) return merged
  throw new Error('There is no conflict')
}

/** A file `f` that both sides change, and what else they change. */
function changes(file: typeof CLASH, more: Partial<Histories> = {}): Histories {
  return {
    base: { f: file.base, ...more.base },
    ours: { f: file.ours, ...more.ours },
    theirs: { f: file.theirs, ...more.theirs },
  }
}
const APART = { base: LINES, ours: OURS, theirs: THEIRS }
const BOTH = LINES.replace('one', 'ONE').replace('three', 'THREE')

describe('the driver of a file', () => {
  it('merges by line when nothing is said, and not at all when that is not wanted', async () => {
    expect(await outcomeOf(changes(APART))).toBe(BOTH)
    expect(await outcomeOf(changes(APART), { mergeContent: false })).toEqual(['f'])
  })

  it('is chosen by attributes that one side alone has', async () => {
    const union = { '.gitattributes': 'f merge=union\n' }
    expect(await outcomeOf(changes(CLASH, { ours: union }))).toBe('ours\ntheirs\n')
    expect(await outcomeOf(changes(CLASH, { theirs: union }))).toBe('ours\ntheirs\n')
    expect(
      await outcomeOf(changes(CLASH, { base: union, ours: { '.gitattributes': undefined } })),
    ).toEqual(['f'])
  })

  it('is chosen by attributes that were merged, or by those of the base where they clash', async () => {
    const attributes = (text: string): Edits => ({ '.gitattributes': text })
    const merged = {
      base: attributes('# one\n# two\n# three\nf -merge\n'),
      ours: attributes('# 1\n# two\n# three\nf -merge\n'),
      theirs: attributes('# one\n# two\n# three\nf merge\n'),
    }
    expect(await outcomeOf(changes(APART, merged))).toBe(BOTH)
    const clash = {
      base: attributes('f merge=union\n'),
      ours: attributes('f -merge\n'),
      theirs: attributes('f merge=theirs\n'),
    }
    // By either side's rule alone, one of these would have `f` in conflict.
    const mirrored = { base: clash.base, ours: clash.theirs, theirs: clash.ours }
    for (const rules of [clash, mirrored])
      expect(await outcomeOf(changes(CLASH, rules))).toEqual(['.gitattributes'])
  })

  it('is chosen by the attributes of its own directory first, which links cannot be', async () => {
    const file = (path: string): Histories => ({
      base: { '.gitattributes': '* -merge\n', 'd/.gitattributes': 'f merge\n', [path]: LINES },
      ours: { [path]: OURS },
      theirs: { [path]: THEIRS },
    })
    expect('conflicts' in (await merge(await open(), file('d/f')))).toBe(false)
    expect('conflicts' in (await merge(await open(), file('d/e/f')))).toBe(false)
    expect('conflicts' in (await merge(await open(), file('e/f')))).toBe(true)
    const repository = await open()
    await repository.branch('main').commit(
      async (transaction) => {
        await transaction.write('.gitattributes', '* -merge', { mode: 0o120000 })
      },
      { message: 'Link' },
    )
    expect('conflicts' in (await merge(repository, changes(APART)))).toBe(false)
  })

  it('is the program’s where it has one of the name, and merges by line where nobody has', async () => {
    const longest: MergeDriver = ({ ours, theirs }) => ({
      state: 'merged',
      bytes: ours.length > theirs.length ? ours : theirs,
    })
    const drivers = new Map([['longest', longest]])
    const named = (name: string): Histories =>
      changes(CLASH, { base: { '.gitattributes': `f merge=${name}\n` } })
    expect(await outcomeOf(named('longest'), { drivers })).toBe('theirs\n')
    expect(await outcomeOf(named('longest'))).toEqual(['f'])
    expect(await outcomeOf(named('constructor'), { drivers })).toEqual(['f'])
    expect(await outcomeOf(named('ours'))).toBe('ours\n')
    const json = (file: string): Histories => ({
      base: { f: '', 'a.JSON': file },
      ours: { f: '1', 'a.JSON': '{"a": 2, "b": 1}\n' },
      theirs: { 'a.JSON': '{"a": 1, "b": 2}\n' },
    })
    expect(await outcomeOf(json('{"a": 1, "b": 1}\n'))).toBe('1')
    const none = new Map<string, MergeDriver>([['json', () => ({ state: 'conflict' })]])
    expect(await outcomeOf(json('{"a": 1, "b": 1}\n'), { drivers: none })).toEqual(['a.JSON'])
  })
})

describe('a conflict', () => {
  const labels = { base: 'base', ours: 'mine', theirs: 'yours' }

  it('is explained by the file with markers', async () => {
    const repository = await open()
    const outcome = await conflictOf(repository, changes(CLASH))
    const [conflict] = outcome.conflicts
    if (conflict === undefined) throw new Error('No conflict')
    // As it is after it was kept somewhere.
    const kept: typeof conflict = JSON.parse(JSON.stringify(conflict))
    const explained = await repository.explain(outcome, kept, { style: 'diff3', labels })
    expect(explained?.state === 'conflict' && explained.marked && text(explained.marked)).toBe(
      '<<<<<<< mine\nours\n||||||| base\nx\n=======\ntheirs\n>>>>>>> yours\n',
    )
  })

  it('is explained by keys, by a reason, or not at all', async () => {
    const repository = await open()
    const outcome = await conflictOf(repository, {
      base: { 'a.json': '{"a": 1}\n', b: '\0base', c: 'c' },
      ours: { 'a.json': '{"a": 2}\n', b: '\0ours', c: undefined },
      theirs: { 'a.json': '{"a": 3}\n', b: '\0theirs', c: 'theirs' },
    })
    const explained = await Promise.all(
      outcome.conflicts.map((conflict) => repository.explain(outcome, conflict)),
    )
    expect(explained).toMatchObject([
      { state: 'conflict', keys: [{ key: ['a'], base: '1', ours: '2', theirs: '3' }] },
      { state: 'conflict', reason: /not text/ },
      undefined,
    ])
  })

  const KEYS = {
    base: { 'a.json': '{\n  "users": 1,\n  "hosts": ["a"],\n  "old": 1\n}\n' },
    ours: { 'a.json': '{\n  "users": 2,\n  "hosts": ["a", "b"],\n  "mine": true\n}\n' },
    theirs: { 'a.json': '{\n  "users": 3,\n  "hosts": ["a", "c"],\n  "old": 4\n}\n' },
  }
  const DECISIONS = [
    { key: ['users'], keep: 'theirs' },
    { key: ['hosts', 1], keep: 'ours' },
    { key: ['old'], keep: 'ours' },
  ] as const

  it('is resolved key by key, and what was not in conflict is merged', async () => {
    const repository = await open()
    const outcome = await conflictOf(repository, KEYS)
    const [conflict] = outcome.conflicts
    const explained = conflict && (await repository.explain(outcome, conflict))
    const keys = explained?.state === 'conflict' ? explained.keys : undefined
    expect(keys?.map(({ key }) => key).toSorted()).toEqual(
      DECISIONS.map(({ key }) => key).toSorted(),
    )
    const resolutions = new Map([['a.json', { keys: DECISIONS }]])
    const resolved = await repository.resolve('main', outcome, resolutions)
    if (resolved.state !== 'committed') throw new Error(resolved.state)
    expect(await (await repository.snapshot(resolved.oid)).readText('a.json')).toBe(
      '{\n  "users": 3,\n  "hosts": ["a", "b"],\n  "mine": true\n}\n',
    )
  })

  it.each([
    ['a key that nothing was said of', 'a.json', DECISIONS.slice(1), '["users"]'],
    ['a file that is merged by line', 'f', [], 'it is not merged by key'],
  ])('stays, and the transaction open, where keys leave %s', async (_, path, keys, words) => {
    const repository = await open()
    const { base, ours, theirs } = KEYS
    const outcome = await conflictOf(repository, {
      base: { ...base, f: CLASH.base },
      ours: { ...ours, f: CLASH.ours },
      theirs: { ...theirs, f: CLASH.theirs },
    })
    const transaction = await repository.branch('main').transaction()
    await transaction.merge(outcome.theirs)
    await expect(transaction.resolve(path, { keys })).rejects.toMatchObject({
      code: 'conflicts',
      message: expect.stringContaining(words),
    })
    expect(transaction.conflicts.map((conflict) => conflict.path)).toContain(path)
    expect(transaction.isOpen).toBe(true)
  })

  it('is explained in the transaction that it is in, after a merge and after a revert', async () => {
    const repository = await open()
    const base = await commit(repository, { f: 'x\n' })
    await repository.branch('theirs').create(base)
    const theirs = await commit(repository, { f: 'theirs\n' }, 'theirs')
    const transaction = await repository.branch('main').transaction()
    await transaction.write('f', 'ours\n')
    await transaction.merge(theirs)
    const marked = (ours: string, theirs: string) => ({
      state: 'conflict',
      marked: utf8(`<<<<<<<\n${ours}=======\n${theirs}>>>>>>>\n`),
    })
    expect(await transaction.explain('f')).toEqual(marked('ours\n', 'theirs\n'))
    await expect(transaction.explain('g')).rejects.toMatchObject({ code: 'not-found' })
    transaction.abort()
    const change = await commit(repository, { f: 'changed\n' })
    await commit(repository, { f: 'changed again\n' })
    const revert = await repository.branch('main').transaction()
    await revert.revert(change)
    expect(await revert.explain('f')).toEqual(marked('changed again\n', 'x\n'))
  })
})

describe('a counter that both sides raised by the same', () => {
  const COUNTERS = { '.gitattributes': 'hits merge=counter\n' }

  it.each([
    ['beside other changes', { other: '1' }, { another: '2' }],
    ['beside changes of one side in its directory', { 'deep/in/other': '1' }, {}],
  ])('counts both, %s', async (_, ours, theirs) => {
    const counters = (value: string): Edits => ({
      hits: value,
      'deep/in/hits': value,
      plain: value,
    })
    const merged = await merge(await open(), {
      base: { ...COUNTERS, ...counters('1\n') },
      ours: { ...counters('2\n'), ...ours },
      theirs: { ...counters('2\n'), ...theirs },
    })
    if ('conflicts' in merged) throw new Error('There is a conflict')
    expect(await merged.readText('hits')).toBe('3\n')
    expect(await merged.readText('deep/in/hits')).toBe('3\n')
    expect(await merged.readText('plain')).toBe('2\n')
  })

  it('counts both where there was none, and takes what is no number as it is', async () => {
    const side = {
      hits: '1\n',
      'words/hits': 'many\n',
      'new/.gitattributes': 'n merge=counter\n',
      'new/n': '5',
    }
    const merged = await merge(await open(), {
      base: { ...COUNTERS, 'words/hits': '1\n' },
      ours: { ...side, other: '1' },
      theirs: { ...side, another: '2' },
    })
    if ('conflicts' in merged) throw new Error('There is a conflict')
    expect(await merged.readText('hits')).toBe('2\n')
    expect(await merged.readText('words/hits')).toBe('many\n')
    expect(await merged.readText('new/n')).toBe('10')
  })

  it('counts each addition once over criss-cross merges, and in the merge of a sync', async () => {
    const repository = await open()
    const start = await commit(repository, { ...COUNTERS, hits: '10\n' })
    await repository.branch('theirs').create(start)
    const [ours, theirs] = [
      await commit(repository, { hits: '11\n', a: '1' }),
      await commit(repository, { hits: '11\n', b: '1' }, 'theirs'),
    ]
    await repository.branch('main').merge(theirs)
    await repository.branch('theirs').merge(ours)
    for (const branch of ['main', 'theirs'])
      await commit(repository, { hits: '13\n', [branch]: '1' }, branch)
    const outcome = await repository
      .branch('main')
      .merge((await repository.branch('theirs').oid()) ?? start)
    if (outcome.state !== 'committed') throw new Error(`The merge was ${outcome.state}`)
    expect(await (await repository.snapshot(outcome.oid)).readText('hits')).toBe('14\n')

    const network = new Network()
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, '.gitattributes', '* merge=counter\n')
    await sync(ada, network.options)
    await sync(grace, network.options)
    for (const client of [ada, grace]) await write(client, 'hits', '1\n')
    for (const client of [ada, grace, ada]) await sync(client, network.options)
    expect(await read(ada, 'hits')).toBe('2\n')
  })

  it('is for a program to see to where it merges files itself', async () => {
    const seen: string[] = []
    const mergeContent = async ({ path }: { readonly path: string }) => {
      seen.push(path)
      return { state: 'conflict' } as const
    }
    const change = { f: '2', g: '2' }
    const histories = {
      base: { '.gitattributes': 'f merge=counter\n', f: '1', g: '1' },
      ours: { ...change, a: '' },
      theirs: { ...change, b: '' },
    }
    expect(await outcomeOf(histories, { mergeContent })).toBe('2')
    expect(seen).toEqual(['f'])
    expect(await outcomeOf(histories, { mergeContent: false })).toBe('2')
  })
})

describe('a sync', () => {
  it('merges lines that two clients changed, to the same commit whoever does it', async () => {
    const network = new Network()
    const [ada, grace] = [await network.client('Ada'), await network.client('Grace')]
    await write(ada, 'f', LINES)
    await sync(ada, network.options)
    await sync(grace, network.options)
    await write(ada, 'f', OURS)
    await write(grace, 'f', THEIRS)
    await sync(ada, network.options)
    const [theirs, own] = [await ada.branch('main').oid(), await grace.branch('main').oid()]
    if (own === undefined) throw new Error('There is no branch main')
    expect(states((await sync(grace, network.options)).branches)).toEqual({ main: 'merged' })
    await sync(ada, network.options)
    expect(await read(ada, 'f')).toBe(BOTH)
    const to = await grace.branch('main').oid()
    for (const client of [ada, grace])
      expect(await planStep(client, { branch: 'main', own, theirs })).toMatchObject({ to })
  })
})
