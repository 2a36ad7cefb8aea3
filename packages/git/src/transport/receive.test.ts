import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { randomHistory } from '../../test/history.ts'
import {
  blob,
  commitOf,
  emptyTree,
  log,
  main,
  move,
  name,
  newId,
  packOf,
  pieces,
  receive,
  state,
  thinPack,
  treeOf,
} from '../../test/pushing.ts'
import { RealRepository } from '../../test/real-git.ts'
import { random, seed } from '../../test/seed.ts'
import { utf8 } from '../bytes.ts'
import { nameObject, type GitObject } from '../object.ts'
import { Objects } from '../objects.ts'
import { EMPTY_TREE, type Oid } from '../oid.ts'
import type { Place, State } from '../place.ts'
import { nodeRuntime as runtime } from '../runtime/node.ts'
import { decodeTree, MODES } from '../tree.ts'
import { receiveUpdate } from './receive.ts'
import type { ReceivePolicy } from './ref-rules.ts'

let git: RealRepository
beforeEach(() => {
  git = new RealRepository()
})
afterEach(() => git.remove())

describe('receiving', () => {
  it('takes real history push by push, thin, and every object can be read', async () => {
    // Seen to fail when the children of a tree were not looked for in the trees of its parents.
    console.log(`SEED=${seed}`)
    const history = randomHistory({ files: 60, commits: 40, random: random() })
    const place = memoryPlace()
    const commits = history
      .run(['rev-list', '--reverse', '--first-parent', 'main'])
      .split('\n') as Oid[]
    let had: string[] = []
    for (let i = 4; i < commits.length + 5; i += 5) {
      const tip = commits[Math.min(i, commits.length - 1)] as Oid
      const pack = pieces(thinPack(history, [tip], had))
      const outcome = await receive(place, { updates: [await move(place, main, tip)], pack })
      expect(state(outcome)).toEqual(['done'])
      had = [tip]
    }
    const objects = await Objects.open(place, runtime)
    const all = history
      .run(['rev-list', '--objects', '--no-object-names', 'main'])
      .split('\n') as Oid[]
    for await (const { oid, type, body } of objects.readMany(all))
      expect(nameObject(runtime, { type, body })).toBe(oid)
    history.remove()
  })

  it('keeps chains of thin deltas short, however many pushes they come in', async () => {
    // Seen to fail when packs were kept as they came: the reads grew with the number of pushes.
    const place = memoryPlace()
    const line = (i: number, version: number): string =>
      `${i}: ${(i * 7919 + (i === 3 ? version : 0)) % 10_007}\n`
    let had: Oid | undefined
    for (let version = 0; version < 80; version++) {
      const content = Array.from({ length: 500 }, (_, i) => line(i, version)).join('')
      const body = git.run(['hash-object', '-w', '--stdin'], content)
      const tree = git.run(['mktree'], `100644 blob ${body}\tnumbers\n`)
      const tip = git.run([
        'commit-tree',
        tree,
        '-m',
        'x',
        ...(had === undefined ? [] : ['-p', had]),
      ]) as Oid
      const pack = pieces(thinPack(git, [tip], had === undefined ? [] : [had]))
      expect(
        state(await receive(place, { updates: [await move(place, main, tip)], pack })),
      ).toEqual(['done'])
      had = tip
    }
    let reads = 0
    const counted: Place = { ...place, readPack: (...args) => (reads++, place.readPack(...args)) }
    const objects = await Objects.open(counted, runtime, { window: 64 })
    const commit = await objects.links(had as Oid)
    const tree = commit?.kind === 'commit' ? await objects.read(commit.tree) : undefined
    for (const { oid } of tree === undefined ? [] : decodeTree(tree.body)) {
      expect(nameObject(runtime, await objects.read(oid))).toBe(oid)
    }
    console.log(`reads of packs: ${reads}`)
    expect(reads).toBeGreaterThan(5)
    expect(reads).toBeLessThan(50)
  })

  it('takes a branch at a commit that is there, without a pack', async () => {
    const place = memoryPlace()
    const tip = name(commitOf(EMPTY_TREE))
    await receive(place, {
      updates: [{ name: main, from: undefined, to: tip }],
      pack: pieces(await packOf([commitOf(EMPTY_TREE), emptyTree])),
    })
    expect(
      state(
        await receive(place, { updates: [{ name: 'refs/heads/b', from: undefined, to: tip }] }),
      ),
    ).toEqual(['done'])
    expect(await (await place.read()).ref('refs/heads/b')).toBe(tip)
  })

  // Seen to fail when only where refs are by now is looked at: simulation 1002009.
  it('says of a request that was done in part, however late it comes again, what was done', async () => {
    const place = memoryPlace()
    const first = commitOf(EMPTY_TREE)
    const second = commitOf(EMPTY_TREE, [name(first)])
    const third = commitOf(EMPTY_TREE, [name(second)])
    const pack = await packOf([first, second, third, emptyTree])
    const [a, b] = ['refs/heads/a', 'refs/heads/b']
    const to = (ref: string, from: GitObject | undefined, head: GitObject) => ({
      name: ref,
      from: from && name(from),
      to: name(head),
    })
    await receive(place, { updates: [to(main, undefined, third)], pack: pieces(pack) })
    await receive(place, { updates: [to(a, undefined, first), to(b, undefined, third)] })
    const request = { id: newId(), updates: [to(a, first, second), to(b, first, second)] }
    for (const _ of ['first', 'again'])
      expect(state(await receive(place, request))).toEqual(['done', 'lost'])
    await receive(place, { updates: [to(a, second, third)] })
    expect(state(await receive(place, request))).toEqual(['done', 'lost'])
    expect(await (await place.read()).ref(a)).toBe(name(third))
  })

  it('is told what an annotated tag leads to', async () => {
    const commit = git.run(['commit-tree', git.run(['mktree'], ''), '-m', 'x'])
    git.run(['update-ref', main, commit])
    git.run(['tag', '-a', '-m', 'one', 'v1', 'main'])
    git.run(['tag', '-a', '-m', 'two', 'v2', 'v1'])
    const tag = git.run(['rev-parse', 'v2']) as Oid
    const place = memoryPlace()
    const updates = [{ name: 'refs/tags/v2', from: undefined, to: tag }]
    expect(state(await receive(place, { updates, pack: pieces(thinPack(git, [tag])) }))).toEqual([
      'done',
    ])
    for await (const ref of (await place.read()).refs()) expect(ref.peeled).toBe(commit)
  })
})

describe('connectivity', () => {
  /** A place whose main is a commit with one file, and a second branch with another. */
  async function start(): Promise<{ place: Place; tip: Oid }> {
    const place = memoryPlace()
    const tree = treeOf([['a', MODES.file, name(blob)]])
    const pack = pieces(await packOf([commitOf(name(tree)), tree, blob]))
    const updates = [{ name: main, from: undefined, to: name(commitOf(name(tree))) }]
    expect(state(await receive(place, { updates, pack }))).toEqual(['done'])
    return { place, tip: name(commitOf(name(tree))) }
  }

  /** Pushes objects with the last of them as the new head of `branch`. */
  async function push(
    place: Place,
    branch: string,
    objects: readonly GitObject[],
  ): Promise<string[]> {
    const tip = objects.at(-1)
    const updates = [await move(place, branch, tip && name(tip))]
    return state(await receive(place, { updates, pack: pieces(await packOf(objects)) }))
  }

  it.each<[string, GitObject[]]>([
    ['a blob', [treeOf([['b', MODES.file, '1'.repeat(40) as Oid]])]],
    ['a tree', [treeOf([['b', MODES.tree, '1'.repeat(40) as Oid]])]],
    ['its tree', []],
  ])('refuses a commit that lacks %s', async (_, objects) => {
    const { place, tip } = await start()
    const [tree] = objects
    const commit = commitOf(tree === undefined ? ('2'.repeat(40) as Oid) : name(tree), [tip])
    expect(await push(place, main, [...objects, commit])).toEqual([
      expect.stringMatching('missing necessary objects'),
    ])
    expect(await (await place.read()).ref(main)).toBe(tip)
    expect((await place.read()).packs).toHaveLength(1)
  })

  it('refuses a commit without its parent', async () => {
    const { place } = await start()
    expect(
      await push(place, main, [emptyTree, commitOf(EMPTY_TREE, ['3'.repeat(40) as Oid])]),
    ).toEqual([expect.stringMatching('missing necessary objects: 33333')])
  })

  it('asks nothing of submodules', async () => {
    const { place, tip } = await start()
    const tree = treeOf([['module', MODES.gitlink, '1'.repeat(40) as Oid]])
    expect(await push(place, main, [tree, commitOf(name(tree), [tip])])).toEqual(['done'])
  })

  it('does not take an object as proof that is there and cannot be reached', async () => {
    // Seen to fail when presence was taken for proof.
    const { place, tip } = await start()
    const secret: GitObject = { type: 'blob', body: utf8('secret') }
    const hidden = treeOf([['s', MODES.file, name(secret)]])
    expect(
      await push(place, 'refs/heads/hidden', [secret, hidden, commitOf(name(hidden))]),
    ).toEqual(['done'])
    const gone = [await move(place, 'refs/heads/hidden', undefined)]
    expect(state(await receive(place, { updates: gone }))).toEqual(['done'])
    expect(await (await Objects.open(place, runtime)).has(name(secret))).toBe(true)
    expect(
      await push(place, main, [
        treeOf([['t', MODES.tree, name(hidden)]]),
        commitOf(name(treeOf([['t', MODES.tree, name(hidden)]])), [tip]),
      ]),
    ).toEqual([expect.stringMatching('missing necessary objects')])
    const branch = [{ name: 'refs/heads/again', from: undefined, to: name(commitOf(name(hidden))) }]
    expect(state(await receive(place, { updates: branch }))).toEqual([
      expect.stringMatching('missing necessary'),
    ])
  })

  it('does not take an object as proof that only refs reach which the caller may not read', async () => {
    const { place, tip } = await start()
    const policy = { readable: { key: 'b', includes: (ref: string) => ref === 'refs/heads/b' } }
    const updates = [{ name: 'refs/heads/b', from: undefined, to: tip }]
    expect(state(await receive(place, { updates, policy }))).toEqual([
      expect.stringMatching('missing necessary'),
    ])
    expect(
      state(await receive(place, { updates: [await move(place, main, undefined)], policy })),
    ).toEqual(['refused: deny updating a hidden ref'])
  })

  // Seen to fail when every attempt at an update has an id of its own.
  it('knows a request again whose first attempt was lost to packs that were merged', async () => {
    const { place, tip } = await start()
    let isFirst = true
    const busy: Place = {
      ...place,
      async update(request) {
        if (!isFirst) return place.update(request)
        isFirst = false
        return { state: 'lost', refs: new Map(), head: undefined, packs: [] }
      },
    }
    const request = {
      id: newId(),
      updates: [{ name: 'refs/heads/b', from: undefined, to: tip }],
    }
    expect(state(await receive(busy, request))).toEqual(['done'])
    expect(
      state(await receive(place, { updates: [await move(place, 'refs/heads/b', undefined)] })),
    ).toEqual(['done'])
    expect(state(await receive(place, request))).toEqual(['done'])
    expect(await (await place.read()).ref('refs/heads/b')).toBe(undefined)
  })

  it('takes what an older commit of the same history holds', async () => {
    const { place, tip } = await start()
    expect(await push(place, main, [emptyTree, commitOf(EMPTY_TREE, [tip])])).toEqual(['done'])
    const again = treeOf([['back', MODES.file, name(blob)]])
    const head = (await (await place.read()).ref(main)) as Oid
    expect(await push(place, main, [again, commitOf(name(again), [head])])).toEqual(['done'])
  })

  it('refuses an object that is named as another type than it has', async () => {
    const { place, tip } = await start()
    const asTree = treeOf([['a', MODES.tree, name(blob)]])
    expect(await push(place, main, [asTree, commitOf(name(asTree), [tip])])).toEqual([
      expect.stringMatching('missing|names'),
    ])
    const inPack: GitObject = { type: 'blob', body: utf8('new') }
    const wrong = treeOf([['a', MODES.tree, name(inPack)]])
    expect(await push(place, main, [inPack, wrong, commitOf(name(wrong), [tip])])).toEqual([
      expect.stringMatching('as a tree, it is a blob'),
    ])
    expect(await push(place, 'refs/heads/b', [blob])).toEqual([
      'refused: a branch must point at a commit',
    ])
  })

  it('opens few trees for a usual push, however many there are', async () => {
    const { place } = await start()
    const leaf = (i: number): GitObject => treeOf([[`f${i}`, MODES.file, name(blob)]])
    const leaves = Array.from({ length: 300 }, (_, i) => leaf(i))
    const rows = leaves.map((tree, i) => [`d${i}`, MODES.tree, name(tree)] as const)
    const [first, second] = [
      treeOf(rows),
      treeOf([...rows.slice(1), ['d0', MODES.tree, name(leaf(999))]]),
    ]
    expect(await push(place, 'refs/heads/b', [...leaves, first, commitOf(name(first))])).toEqual([
      'done',
    ])
    let reads = 0
    const counted: Place = { ...place, readPack: (...args) => (reads++, place.readPack(...args)) }
    const objects = await Objects.open(counted, runtime, { window: 64 })
    const next = commitOf(name(second), [name(commitOf(name(first)))])
    const updates = [await move(place, 'refs/heads/b', name(next))]
    const pack = pieces(await packOf([leaf(999), second, next]))
    expect(state(await receiveUpdate(objects, { id: newId(), log, updates, pack }))).toEqual([
      'done',
    ])
    console.log(`reads of a pack: ${reads}`)
    expect(reads).toBeLessThan(20)
  })
})

describe('a push from a shallow clone', () => {
  const base = commitOf(EMPTY_TREE)
  const boundary = commitOf(EMPTY_TREE, [name(base)])
  const tip = commitOf(EMPTY_TREE, [name(boundary)])
  const push = async (
    place: Place,
    policy: ReceivePolicy = {},
  ): Promise<{ outcome: string[]; state: State }> => {
    const updates = [{ name: 'refs/heads/new', from: undefined, to: name(tip) }]
    const pack = pieces(await packOf([emptyTree, boundary, tip]))
    const boundaries = [name(boundary), '9'.repeat(40) as Oid]
    const outcome = await receive(place, { updates, pack, boundaries, policy })
    return { outcome: state(outcome), state: await place.read() }
  }

  it('is taken where the parents are here', async () => {
    const place = memoryPlace()
    const updates = [{ name: main, from: undefined, to: name(base) }]
    await receive(place, { updates, pack: pieces(await packOf([emptyTree, base])) })
    const { outcome, state } = await push(place)
    expect(outcome).toEqual(['done'])
    expect([...state.shallow]).toEqual([])
  })

  it('is refused where the repository would become shallow', async () => {
    const { outcome, state } = await push(memoryPlace())
    expect(outcome).toEqual(['refused: shallow update not allowed'])
    expect(state.exists).toBe(false)
  })

  it('makes the repository shallow where that is allowed', async () => {
    const { outcome, state } = await push(memoryPlace(), { takesShallow: true })
    expect(outcome).toEqual(['done'])
    expect([...state.shallow]).toEqual([name(boundary)])
  })
})

describe('a pack that must not come in', () => {
  it.each([
    [
      'a path that is .git to some file system',
      treeOf([['GIT~1', MODES.file, name(blob)]]),
      'hasDotgit',
    ],
    [
      'a tree out of order',
      {
        type: 'tree',
        body: Buffer.concat([
          treeOf([['b', MODES.file, name(blob)]]).body,
          treeOf([['a', MODES.file, name(blob)]]).body,
        ]),
      } as GitObject,
      'treeNotSorted',
    ],
  ])('is refused for %s, and leaves nothing behind', async (_, tree, id) => {
    const place = memoryPlace()
    const commit = commitOf(name(tree))
    const pack = pieces(
      await packOf([blob, { type: tree.type, body: Uint8Array.from(tree.body) }, commit]),
    )
    const outcome = await receive(place, {
      updates: [{ name: main, from: undefined, to: name(commit) }],
      pack,
    })
    expect(outcome.problem?.message).toContain(id)
    expect(state(outcome)).toEqual(['refused: unpacker error'])
    expect((await place.read()).exists).toBe(false)
    expect(await place.sweep({ grace: 0 })).toEqual({ deleted: 0 })
  })

  it('is refused wherever it is cut short', async () => {
    const bytes = await packOf([emptyTree, commitOf(EMPTY_TREE)])
    for (let end = 0; end < bytes.length; end++) {
      const place = memoryPlace()
      const updates = [{ name: main, from: undefined, to: name(commitOf(EMPTY_TREE)) }]
      const outcome = await receive(place, { updates, pack: pieces(bytes.subarray(0, end), 7) })
      expect(outcome.problem?.code).toBe('malformed')
      expect((await place.read()).exists).toBe(false)
    }
  })

  it('is refused beyond the limits', async () => {
    const pack = () =>
      packOf([blob, emptyTree, commitOf(EMPTY_TREE)]).then((bytes) => pieces(bytes))
    const updates = [{ name: main, from: undefined, to: name(commitOf(EMPTY_TREE)) }]
    for (const limits of [{ bytes: 100 }, { objects: 2 }, { object: 5 }, { inflated: 20 }]) {
      const outcome = await receive(memoryPlace(), { updates, limits, pack: await pack() })
      expect(outcome.problem?.code).toMatch('too-')
    }
    expect(state(await receive(memoryPlace(), { updates, pack: await pack() }))).toEqual(['done'])
  })
})
