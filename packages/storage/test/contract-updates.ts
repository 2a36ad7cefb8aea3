/**
 * What every place promises about refs, HEAD, receipts and the log.
 *
 * @module
 */
import { decodeName, utf8 } from '@datakit/git/bytes'
import type { Oid } from '@datakit/git/oid'
import { expect } from 'vitest'
import { digestUpdate } from '../src/update.ts'
import { collect, done, move, oid, request, settle, turn, type PlaceUnderTest } from './samples.ts'

type Test = (title: string, body: (scene: PlaceUnderTest) => Promise<void>) => void

const MAIN = 'refs/heads/main'

/** Refs move as asked, all or none, and from where they are. */
export function refContract(test: Test): void {
  test('reads as an empty repository before its first update', async ({ place }) => {
    const state = await place.read()
    expect(state.exists).toBe(false)
    expect(state.head).toEqual({ ref: MAIN })
    expect(state.packs).toEqual([])
    expect(await state.ref(MAIN)).toBeUndefined()
    expect(await collect(state.refs())).toEqual([])
    expect(await collect(place.log(MAIN))).toEqual([])
  })

  test('exists, and has an id, from its first update on', async ({ place }) => {
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const state = await place.read()
    expect(state.exists).toBe(true)
    expect(state.repository).not.toBe('')
    expect(await state.ref(MAIN)).toBe(oid(1))
    await done(place, request([move(MAIN, oid(1), oid(2))]))
    expect((await place.read()).repository).toBe(state.repository)
  })

  test('is lost on another repository than the one it is meant for', async ({ place, reopen }) => {
    const firsts = [1, 2, 3].map((n) =>
      request([move(`refs/heads/n${n}`, undefined, oid(n))], { repository: '' }),
    )
    const other = await reopen()
    const outcomes = await Promise.all(
      firsts.map((first, i) => settle(i === 1 ? other : place, first)),
    )
    expect(outcomes.filter(({ state }) => state === 'done')).toHaveLength(1)
    for (const [i, first] of firsts.entries())
      expect((await settle(place, first)).state).toBe(outcomes[i]?.state)
    const { repository } = await place.read()
    const moveMain = (repository: string) =>
      settle(place, request([move(MAIN, undefined, oid(4))], { repository }))
    expect((await moveMain('0'.repeat(32))).state).toBe('lost')
    expect((await moveMain(repository)).state).toBe('done')
    expect(await collect((await place.read()).refs())).toHaveLength(2)
  })

  test('gives every state a version of its own', async ({ place }) => {
    const before = await place.read()
    const version = await done(place, request([move(MAIN, undefined, oid(1))]))
    expect(version).not.toBe(before.version)
    expect((await place.read()).version).toBe(version)
    const next = await done(place, request([move(MAIN, oid(1), oid(2))]))
    const back = await done(place, request([move(MAIN, oid(2), oid(1))]))
    expect(new Set([before.version, version, next, back]).size).toBe(4)
  })

  test('moves a ref only from where the caller saw it', async ({ place }) => {
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const created = await settle(place, request([move(MAIN, undefined, oid(2))]))
    expect(created).toMatchObject({ state: 'lost', refs: new Map([[MAIN, oid(1)]]) })
    const moved = await settle(place, request([move(MAIN, oid(3), oid(2))]))
    expect(moved).toMatchObject({ state: 'lost', refs: new Map([[MAIN, oid(1)]]) })
    expect(await (await place.read()).ref(MAIN)).toBe(oid(1))
    await done(place, request([move(MAIN, oid(1), oid(2))]))
    expect(await (await place.read()).ref(MAIN)).toBe(oid(2))
  })

  test('deletes a ref only from where the caller saw it', async ({ place }) => {
    await done(place, request([move(MAIN, undefined, oid(1))]))
    expect((await settle(place, request([move(MAIN, oid(2), undefined)]))).state).toBe('lost')
    await done(place, request([move(MAIN, oid(1), undefined)]))
    expect(await (await place.read()).ref(MAIN)).toBeUndefined()
    const gone = await settle(place, request([move(MAIN, oid(1), undefined)]))
    expect(gone).toMatchObject({ state: 'lost', refs: new Map([[MAIN, undefined]]) })
    await done(place, request([move(MAIN, undefined, oid(3))]))
    expect(await (await place.read()).ref(MAIN)).toBe(oid(3))
  })

  test('changes nothing when one ref of many is elsewhere', async ({ place }) => {
    await done(place, request([move('refs/heads/a', undefined, oid(1))]))
    const moves = [
      move('refs/heads/0', undefined, oid(2)),
      move('refs/heads/a', oid(9), oid(2)),
      move('refs/heads/z', undefined, oid(2)),
    ]
    const outcome = await settle(place, request(moves))
    expect(outcome).toMatchObject({ state: 'lost', refs: new Map([['refs/heads/a', oid(1)]]) })
    expect((await collect((await place.read()).refs())).map(({ name }) => name)).toEqual([
      'refs/heads/a',
    ])
  })

  test('shows readers a change of many refs whole or not at all', async ({ place, reopen }) => {
    const names = Array.from({ length: 20 }, (_, i) => `refs/heads/branch-${i}`)
    const moveAll = (from: Oid | undefined, to: Oid) => names.map((name) => move(name, from, to))
    await done(place, request(moveAll(undefined, oid(1))))
    const other = await reopen()
    let writing = true
    const readers = [place, other].map(async (reader) => {
      while (writing) {
        const state = await reader.read()
        const first = await state.ref('refs/heads/branch-19')
        const all = await collect(state.refs('refs/heads/'))
        expect(all.map((ref) => ref.oid)).toEqual(names.map(() => first))
        await turn()
      }
    })
    for (let i = 1; i < 12; i++) await done(place, request(moveAll(oid(i), oid(i + 1))))
    writing = false
    await Promise.all(readers)
  })

  test('keeps the moment of a state, however late it is asked', async ({ place, reopen }) => {
    const refs = [move('refs/heads/a', undefined, oid(1)), move('refs/heads/b', undefined, oid(2))]
    await done(place, request(refs))
    const state = await place.read()
    const other = await reopen()
    await done(other, request([move('refs/heads/a', oid(1), oid(3))]))
    await done(other, request([move('refs/heads/b', oid(2), undefined)]))
    await done(other, request([move('refs/heads/c', undefined, oid(4))]))
    await done(other, request([move('refs/heads/a', oid(3), oid(5))]))
    expect(await state.ref('refs/heads/a')).toBe(oid(1))
    expect(await state.ref('refs/heads/b')).toBe(oid(2))
    expect(await state.ref('refs/heads/c')).toBeUndefined()
    expect((await collect(state.refs())).map((ref) => [ref.name, ref.oid])).toEqual([
      ['refs/heads/a', oid(1)],
      ['refs/heads/b', oid(2)],
    ])
    const now = await collect((await place.read()).refs())
    expect(now.map((ref) => [ref.name, ref.oid])).toEqual([
      ['refs/heads/a', oid(5)],
      ['refs/heads/c', oid(4)],
    ])
  })

  test('keeps the moment of a state with many refs', async ({ place }) => {
    const names = Array.from({ length: 400 }, (_, i) => `refs/heads/n${String(i).padStart(3, '0')}`)
    await done(place, request(names.map((name) => move(name, undefined, oid(1)))))
    const before = await place.read()
    const [first = '', second = ''] = names
    const added = move('refs/heads/n0000', undefined, oid(3))
    await done(
      place,
      request([move(first, oid(1), oid(2)), move(second, oid(1), undefined), added]),
    )
    const refs = await collect(before.refs())
    expect(refs.map(({ name }) => name)).toEqual(names)
    expect(new Set(refs.map((ref) => ref.oid))).toEqual(new Set([oid(1)]))
    expect(await before.ref(first)).toBe(oid(1))
    expect(await before.ref(second)).toBe(oid(1))
    expect(await before.ref(added.name)).toBeUndefined()
  })

  test('lets exactly one of 32 writers win each round', async ({ place, reopen }) => {
    const other = await reopen()
    await done(place, request([move(MAIN, undefined, oid(1))]))
    let current = oid(1)
    const winners = [current]
    for (let round = 1; round <= 4; round++) {
      const outcomes = await Promise.all(
        Array.from({ length: 32 }, (_, i) => {
          const wish = request([move(MAIN, current, oid(round * 100 + i))])
          return settle(i % 2 === 0 ? place : other, wish)
        }),
      )
      const won = outcomes.flatMap(({ state }, i) => (state === 'done' ? [i] : []))
      expect(won).toHaveLength(1)
      current = oid(round * 100 + (won[0] ?? 0))
      winners.push(current)
      expect(await (await other.read()).ref(MAIN)).toBe(current)
    }
    const log = await collect(place.log(MAIN))
    expect(log.map(({ to }) => to)).toEqual(winners.toReversed())
  })

  test('refuses a ref that would be file and directory', async ({ place }) => {
    await done(place, request([move('refs/heads/a/b', undefined, oid(1))]))
    const conflict = { code: 'ref-conflict' }
    const update = (name: string, more = 'refs/heads/z') =>
      place.update(request([move(name, undefined, oid(2)), move(more, undefined, oid(2))]))
    await expect(update('refs/heads/a')).rejects.toMatchObject(conflict)
    await expect(update('refs/heads/a/b/c')).rejects.toMatchObject(conflict)
    await expect(update('refs/heads/n', 'refs/heads/n/o')).rejects.toMatchObject(conflict)
    expect(await (await place.read()).ref('refs/heads/z')).toBeUndefined()
    await done(place, request([move('refs/heads/a-b', undefined, oid(2))]))
    await done(place, request([move('refs/heads/a/b', oid(1), undefined)]))
    await done(place, request([move('refs/heads/a', undefined, oid(3))]))
    expect(await (await place.read()).ref('refs/heads/a')).toBe(oid(3))
  })

  test('lists more than a thousand refs, ordered by bytes', async ({ place }) => {
    const names = Array.from({ length: 1200 }, (_, i) => `refs/heads/n${i}`)
    await done(place, request(names.map((name, i) => move(name, undefined, oid(i + 1)))))
    await done(place, request([move('refs/tags/v1', undefined, oid(1))]))
    const state = await place.read()
    const listed = await collect(state.refs())
    expect(listed.map(({ name }) => name)).toEqual([...names.toSorted(), 'refs/tags/v1'])
    expect(listed.find(({ name }) => name === 'refs/heads/n700')?.oid).toBe(oid(701))
    expect(await collect(state.refs('refs/heads/n119'))).toHaveLength(11)
    expect((await collect(state.refs('refs/t'))).map(({ name }) => name)).toEqual(['refs/tags/v1'])
    expect(await collect(state.refs('refs/x'))).toEqual([])
  })

  test('keeps names of any bytes, in the order of their bytes', async ({ place, reopen }) => {
    const latin = decodeName(Uint8Array.from([...utf8('refs/heads/caf'), 0xe9]))
    const names = ['Z', 'a', 'caf', 'café', 'ｚ', '😀'].map((name) => `refs/heads/${name}`)
    names.splice(4, 0, latin)
    await done(place, request(names.map((name, i) => move(name, undefined, oid(i + 1)))))
    const state = await (await reopen()).read()
    expect((await collect(state.refs())).map(({ name }) => name)).toEqual(names)
    expect(await state.ref(latin)).toBe(oid(5))
  })

  test('keeps what an annotated tag peels to', async ({ place, reopen }) => {
    const tag = { ...move('refs/tags/v1', undefined, oid(1)), peeled: oid(2) }
    await done(place, request([tag, move(MAIN, undefined, oid(2))]))
    expect(await collect((await (await reopen()).read()).refs())).toEqual([
      { name: MAIN, oid: oid(2), peeled: undefined },
      { name: 'refs/tags/v1', oid: oid(1), peeled: oid(2) },
    ])
  })

  test('keeps what a tag peels to when an update only says where it is', async ({
    place,
    reopen,
  }) => {
    const tag = { ...move('refs/tags/v1', undefined, oid(1)), peeled: oid(2) }
    await done(place, request([tag, move(MAIN, undefined, oid(2))]))
    const before = await place.read()
    const stays = move('refs/tags/v1', oid(1), oid(1))
    await done(place, request([stays, move(MAIN, oid(2), oid(4))]))
    const kept = { name: 'refs/tags/v1', oid: oid(1), peeled: oid(2) }
    expect(await collect((await (await reopen()).read()).refs('refs/tags/'))).toEqual([kept])
    await done(place, request([move('refs/tags/v1', oid(1), oid(3))]))
    expect(await collect(before.refs('refs/tags/'))).toEqual([kept])
    expect(await collect(place.log('refs/tags/v1'))).toHaveLength(2)
  })
}

/** HEAD moves as refs do. */
export function headContract(test: Test): void {
  test('moves HEAD only from where the caller saw it', async ({ place, reopen }) => {
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const trunk = { ref: 'refs/heads/trunk' }
    await done(place, request([], { head: { from: { ref: MAIN }, to: trunk } }))
    expect((await (await reopen()).read()).head).toEqual(trunk)
    const late = request([move(MAIN, oid(1), oid(2))], {
      head: { from: { ref: MAIN }, to: { ref: 'refs/heads/other' } },
    })
    expect(await settle(place, late)).toMatchObject({ state: 'lost', head: trunk })
    const state = await place.read()
    expect(state.head).toEqual(trunk)
    expect(await state.ref(MAIN)).toBe(oid(1))
  })

  test('moves HEAD and refs in one step', async ({ place }) => {
    const trunk = { ref: 'refs/heads/trunk' }
    const before = await place.read()
    const refs = [move(trunk.ref, undefined, oid(1))]
    await done(place, request(refs, { head: { from: { ref: MAIN }, to: trunk } }))
    expect(before.head).toEqual({ ref: MAIN })
    const state = await place.read()
    expect(state.head).toEqual(trunk)
    expect(await state.ref(trunk.ref)).toBe(oid(1))
    const log = await collect(place.log('HEAD'))
    expect(log[0]).toMatchObject({ ref: 'HEAD', who: 'Ada <ada@example.org>', external: false })
  })
}

/** An update that is asked twice happens once. */
export function receiptContract(test: Test): void {
  test('answers a repeated update with its outcome', async ({ place, reopen }) => {
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const wish = request([move(MAIN, oid(1), undefined)])
    await done(place, wish)
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const other = await reopen()
    expect((await settle(other, wish)).state).toBe('done')
    expect(await (await other.read()).ref(MAIN)).toBe(oid(1))
    expect(await collect(other.log(MAIN))).toHaveLength(3)
  })

  test('answers a repeated update that was lost as lost, whatever it would find by then', async ({
    place,
    reopen,
  }) => {
    await done(
      place,
      request([move(MAIN, undefined, oid(1)), move('refs/heads/x', undefined, oid(9))]),
    )
    await done(place, request([move(MAIN, oid(1), oid(2))]))
    const removal = request([move(MAIN, oid(1), undefined)])
    const creation = request([move('refs/heads/x', undefined, oid(3))])
    const trunk = { ref: 'refs/heads/trunk' }
    const switching = request([], { head: { from: trunk, to: { ref: 'refs/heads/x' } } })
    const late = [removal, creation, switching]
    for (const wish of late) expect((await settle(place, wish)).state).toBe('lost')
    // Somebody brings everything to where the late ones expect it.
    const back = [move(MAIN, oid(2), oid(1)), move('refs/heads/x', oid(9), undefined)]
    await done(place, request(back, { head: { from: { ref: MAIN }, to: trunk } }))
    for (const each of [place, await reopen()]) {
      for (const wish of late) expect((await settle(each, wish)).state).toBe('lost')
      const state = await each.read()
      expect(await state.ref(MAIN)).toBe(oid(1))
      expect(await state.ref('refs/heads/x')).toBeUndefined()
      expect(state.head).toEqual(trunk)
    }
  })

  test('keeps a receipt of what was lost', async ({ place, reopen }) => {
    await done(place, request([move(MAIN, undefined, oid(1))]))
    const wish = request([move(MAIN, undefined, oid(2))])
    await settle(place, wish)
    const { id } = wish
    expect(await (await (await reopen()).read()).receipt(id)).toMatchObject({
      id,
      digest: digestUpdate(wish),
      outcome: 'lost',
    })
    const other = { ...wish, refs: [move(MAIN, oid(1), oid(2))] }
    await expect(place.update(other)).rejects.toMatchObject({ code: 'receipt-mismatch' })
  })

  test('settles two of the same update at once as one', async ({ place, reopen }) => {
    const other = await reopen()
    const wish = request([move(MAIN, undefined, oid(1))])
    const outcomes = await Promise.all([place, other, place].map((each) => settle(each, wish)))
    expect(outcomes.map(({ state }) => state)).toEqual(['done', 'done', 'done'])
    expect(await collect(place.log(MAIN))).toHaveLength(1)
  })

  test('keeps a receipt of what was done', async ({ place, reopen }) => {
    const wish = request([move(MAIN, undefined, oid(1))])
    expect(await (await place.read()).receipt(wish.id)).toBeUndefined()
    await done(place, wish)
    const { id } = wish
    expect(await (await (await reopen()).read()).receipt(id)).toMatchObject({
      id,
      digest: digestUpdate(wish),
      outcome: 'done',
    })
  })

  test('keeps receipts of the last 300 updates', async ({ place }) => {
    const first = request([move(MAIN, undefined, oid(1))])
    await done(place, first)
    for (let i = 1; i < 300; i++) await done(place, request([move(MAIN, oid(i), oid(i + 1))]))
    expect((await settle(place, first)).state).toBe('done')
    expect(await (await place.read()).receipt(first.id)).toMatchObject({ outcome: 'done' })
    expect(await (await place.read()).ref(MAIN)).toBe(oid(300))
    expect(await collect(place.log(MAIN))).toHaveLength(300)
  })

  test('refuses an id that was used for something else', async ({ place }) => {
    const wish = request([move(MAIN, undefined, oid(1))])
    await done(place, wish)
    const other = { ...wish, refs: [move(MAIN, oid(1), oid(2))] }
    await expect(place.update(other)).rejects.toMatchObject({ code: 'receipt-mismatch' })
    expect(await (await place.read()).ref(MAIN)).toBe(oid(1))
  })

  test('logs who moved what and why, newest first', async ({ place, reopen }) => {
    const grace = { who: 'Grace <grace@example.org>', why: 'push: tidy up' }
    await done(
      place,
      request([move(MAIN, undefined, oid(1)), move('refs/heads/x', undefined, oid(7))]),
    )
    await done(place, request([move(MAIN, oid(1), oid(2))], { log: grace }))
    await settle(place, request([move(MAIN, oid(1), oid(3))]))
    const log = await collect((await reopen()).log(MAIN))
    expect(log).toEqual([
      { ref: MAIN, from: oid(1), to: oid(2), ...grace, at: expect.any(Number), external: false },
      {
        ref: MAIN,
        from: undefined,
        to: oid(1),
        who: 'Ada <ada@example.org>',
        why: 'commit: edit',
        at: expect.any(Number),
        external: false,
      },
    ])
    expect(Math.abs((log[0]?.at ?? 0) - Date.now())).toBeLessThan(60_000)
    expect(await collect(place.log('refs/heads/x'))).toHaveLength(1)
  })
}
