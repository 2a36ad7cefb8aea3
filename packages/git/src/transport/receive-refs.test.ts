import { describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import {
  commitOf,
  emptyTree,
  main,
  move,
  name,
  newId,
  packOf,
  pieces,
  receive,
  state,
} from '../../test/pushing.ts'
import { EMPTY_TREE, type Oid } from '../oid.ts'
import type { Place, RefUpdate, UpdateOutcome } from '../place.ts'

describe('refs', () => {
  const commit = commitOf(EMPTY_TREE)
  const tip = name(commit)
  const other = name(commitOf(EMPTY_TREE, [tip]))
  const pack = async (): Promise<AsyncIterable<Uint8Array>> =>
    pieces(await packOf([emptyTree, commit, commitOf(EMPTY_TREE, [tip])]))
  const create = (...names: string[]): RefUpdate[] =>
    names.map((name) => ({ name, from: undefined, to: tip }))

  async function start(...names: string[]): Promise<Place> {
    const place = memoryPlace()
    expect(
      new Set(state(await receive(place, { updates: create(...names), pack: await pack() }))),
    ).toEqual(new Set(['done']))
    return place
  }

  it('are refused by name, each on its own', async () => {
    const place = await start(main)
    const updates = create(
      'refs/heads/a..b',
      'HEAD',
      'refs/heads/main/x',
      'refs/heads/ok',
      'refs/heads/ok/no',
      'refs/x',
    )
    expect(state(await receive(place, { updates, pack: await pack() }))).toEqual([
      'refused: funny refname',
      'refused: funny refname',
      expect.stringContaining('"refs/heads/main" exists'),
      'done',
      expect.stringContaining('"refs/heads/ok" exists'),
      'refused: funny refname',
    ])
  })

  it('are all refused when one is and the push is atomic', async () => {
    const place = await start(main)
    const updates = create('refs/heads/a..b', 'refs/heads/ok')
    expect(state(await receive(place, { updates, atomic: true }))).toEqual([
      'refused: funny refname',
      'refused: atomic push failure',
    ])
    expect(await (await place.read()).ref('refs/heads/ok')).toBeUndefined()
  })

  it('are lost where they moved, and the others are done', async () => {
    const place = await start(main, 'refs/heads/b')
    const updates = [{ name: main, from: other, to: tip }, ...create('refs/heads/c')]
    const { refs } = await receive(place, { updates })
    expect(refs).toEqual([
      { name: main, state: 'lost', current: tip },
      { name: 'refs/heads/c', state: 'done' },
    ])
  })

  it('are lost where they move while the pack is read', async () => {
    const place = await start(main, 'refs/heads/b')
    const bytes = await packOf([emptyTree, commitOf(EMPTY_TREE, [tip])])
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 20)
      await receive(place, { updates: [await move(place, main, other)], pack: await pack() })
      yield bytes.subarray(20)
    }
    const updates = [
      { name: main, from: tip, to: undefined },
      { name: 'refs/heads/b', from: tip, to: other },
    ]
    const outcome = await receive(place, { updates, pack: slow(), policy: { deleteCurrent: true } })
    expect(outcome.refs).toEqual([
      { name: main, state: 'lost', current: other },
      { name: 'refs/heads/b', state: 'done' },
    ])
  })

  it('cannot lose the current branch by deletion, unless that is allowed', async () => {
    const place = await start(main, 'refs/heads/b')
    const updates = [
      await move(place, main, undefined),
      await move(place, 'refs/heads/b', undefined),
    ]
    expect(state(await receive(place, { updates }))).toEqual([
      'refused: deletion of the current branch prohibited',
      'done',
    ])
    const again = await receive(place, {
      updates: updates.slice(0, 1),
      policy: { deleteCurrent: true },
    })
    expect(state(again)).toEqual(['done'])
  })

  it('are refused on their own where what they point at is not here', async () => {
    const place = await start(main)
    const nowhere = '1'.repeat(40) as Oid
    const wishes = (): RefUpdate[] => [
      { name: 'refs/heads/nowhere', from: undefined, to: nowhere },
      ...create('refs/heads/ok'),
    ]
    expect(state(await receive(place, { updates: wishes() }))).toEqual([
      `refused: missing necessary objects: ${nowhere}`,
      'done',
    ])
    const atomic = await receive(place, { updates: wishes(), atomic: true })
    expect(state(atomic)).not.toContain('done')
  })

  it('that are protected move forward only, and are not deleted', async () => {
    const place = await start(main, 'refs/heads/b', 'refs/tags/v1')
    const policy = { protects: (name: string) => name !== 'refs/heads/b', deleteCurrent: true }
    const forward = [await move(place, main, other), await move(place, 'refs/tags/v1', other)]
    expect(state(await receive(place, { updates: forward, policy, pack: await pack() }))).toEqual([
      'done',
      'done',
    ])
    const back = [
      await move(place, main, tip),
      await move(place, 'refs/tags/v1', undefined),
      await move(place, 'refs/heads/b', undefined),
      await move(place, main, undefined),
    ]
    expect(state(await receive(place, { updates: back.slice(0, 3), policy }))).toEqual([
      'refused: non-fast-forward',
      'refused: deletion prohibited: this ref is protected',
      'done',
    ])
    expect(state(await receive(place, { updates: back.slice(3), policy }))).toEqual([
      'refused: deletion prohibited: this ref is protected',
    ])
  })

  it('are refused when their name is longer than a disk can keep', async () => {
    const place = await start(main)
    const names = [`refs/heads/${'x'.repeat(250)}`, `refs/heads/${'x'.repeat(251)}`]
    const deep = `refs/heads${'/step'.repeat(200)}`
    expect(state(await receive(place, { updates: create(...names, deep) }))).toEqual([
      'done',
      'refused: the name is too long',
      'refused: the name is too long',
    ])
  })

  it('that are not there and should not be make no repository', async () => {
    const place = memoryPlace()
    const updates = [{ name: 'refs/heads/x', from: undefined, to: undefined }]
    expect(state(await receive(place, { updates }))).toEqual(['done'])
    expect((await place.read()).exists).toBe(false)
  })

  it.each([false, true])('come 20,000 at once, atomic: %s', async (atomic) => {
    const place = await start(main)
    const names = Array.from({ length: 20_000 }, (_, i) => `refs/heads/many/${i % 100}/${i}`)
    const created = await receive(place, { updates: create(...names), atomic })
    expect(new Set(state(created))).toEqual(new Set(['done']))
    const clashing = await receive(place, {
      updates: create(...names.map((each) => `${each}/below`)),
      atomic,
    })
    expect(state(clashing).filter((each) => each === 'done')).toEqual([])
  })

  it.each([
    [['refs/heads/topic'], 'refs/heads/topic'],
    [['refs/heads/a', 'refs/heads/master'], 'refs/heads/master'],
    [['refs/heads/a', 'refs/heads/main'], 'refs/heads/main'],
    [['refs/tags/v1'], 'refs/heads/main'],
  ])('%j come first, and HEAD points at %s', async (names, expected) => {
    expect((await (await start(...names)).read()).head).toEqual({ ref: expected })
  })
})

describe('an update whose answer is lost', () => {
  const tip = name(commitOf(EMPTY_TREE))
  const updates = [{ name: 'refs/heads/topic', from: undefined, to: tip }]
  const pack = async (): Promise<AsyncIterable<Uint8Array>> =>
    pieces(await packOf([emptyTree, commitOf(EMPTY_TREE)]))

  /** A place whose first answers are these; `undefined` lets the update happen and loses the answer. */
  function faulty(place: Place, answers: (UpdateOutcome | undefined)[]): Place {
    return {
      ...place,
      async update(request) {
        if (answers.length === 0) return place.update(request)
        const answer = answers.shift()
        if (answer !== undefined) return answer
        await place.update(request)
        return { state: 'unknown', cause: new Error('cut') }
      },
    }
  }

  it('is asked for again under the same id', async () => {
    const place = memoryPlace()
    const outcome = await receive(faulty(place, [undefined]), { updates, pack: await pack() })
    expect(state(outcome)).toEqual(['done'])
    expect((await place.read()).packs).toHaveLength(1)
  })

  it('waits while the place is busy', async () => {
    const busy = { state: 'busy', retryAfter: 1 } as const
    const outcome = await receive(faulty(memoryPlace(), [busy, busy, busy]), {
      updates,
      pack: await pack(),
    })
    expect(state(outcome)).toEqual(['done'])
  })

  it('is worked out again when it was lost because packs changed', async () => {
    const lost = { state: 'lost', refs: new Map(), head: undefined, packs: ['gone'] } as const
    const outcome = await receive(faulty(memoryPlace(), [lost, lost]), {
      updates,
      pack: await pack(),
    })
    expect(state(outcome)).toEqual(['done'])
  })

  it('is told again to a caller who repeats the request, though the ref has moved on', async () => {
    // Seen to fail when the choice of HEAD was not part of what is asked again.
    const place = memoryPlace()
    const id = newId()
    expect(state(await receive(place, { id, updates, pack: await pack() }))).toEqual(['done'])
    await receive(place, {
      updates: [{ name: 'refs/heads/topic', from: tip, to: undefined }],
      policy: { deleteCurrent: true },
    })
    expect(state(await receive(place, { id, updates, pack: await pack() }))).toEqual(['done'])
    expect(await (await place.read()).ref('refs/heads/topic')).toBeUndefined()
  })

  // Seen to fail when a ref counts as moved that somebody else had moved there long before.
  it('is told again as lost, though somebody else had the ref there before', async () => {
    let now = 1_000_000
    const other = name(commitOf(EMPTY_TREE, [tip]))
    const both = [emptyTree, commitOf(EMPTY_TREE), commitOf(EMPTY_TREE, [tip])]
    const place = memoryPlace({ clock: () => now })
    const first = [
      { name: main, from: undefined, to: other },
      { name: 'refs/heads/b', from: undefined, to: tip },
    ]
    await receive(place, { updates: first, pack: pieces(await packOf(both)) })
    await receive(place, { updates: [{ name: main, from: other, to: tip }] })
    now += 600_000
    const id = newId()
    const wishes = [
      { name: main, from: undefined, to: other },
      { name: 'refs/heads/b', from: tip, to: other },
    ]
    const packed = pieces(await packOf(both))
    const outcome = await receive(place, { id, updates: wishes, pack: packed })
    expect(state(outcome)).toEqual(['lost', 'done'])
    now += 1000
    await receive(place, { updates: [{ name: 'refs/heads/b', from: other, to: tip }] })
    expect(state(await receive(place, { id, updates: wishes }))).toEqual(['lost', 'done'])
  })

  it('says where things are when the id was used for something else', async () => {
    const place = memoryPlace()
    const id = newId()
    await receive(place, { id, updates, pack: await pack() })
    const different = [{ name: 'refs/heads/other', from: undefined, to: tip }]
    expect(state(await receive(place, { id, updates: different }))).toEqual(['lost'])
  })
})
