import { describe, expect, it } from 'vitest'
import { cases, random } from '../../test/seed.ts'
import { BodyCache } from './body-cache.ts'

/** A body that tells which it is. */
function bodyOf(key: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => key * 31 + i * 7)
}

describe('bodies of a pack', () => {
  it('are what was kept or are gone, never another, whatever their sizes', () => {
    const { seed: from } = cases(12_000)
    const next = random(from)
    for (const limit of [0, 1000, 40_000, 1_000_000]) {
      const cache = new BodyCache(limit)
      const lengths: number[] = []
      let held = 0
      for (let key = 0; key < 3000; key++) {
        lengths.push(Math.floor(next() ** 4 * 60_000))
        cache.set(key, bodyOf(key, lengths[key] ?? 0))
        const earlier = Math.floor(next() * (key + 1))
        const found = cache.get(earlier)
        if (found === undefined) continue
        held++
        expect(found).toEqual(bodyOf(earlier, lengths[earlier] ?? 0))
      }
      if (limit > 1000) expect(held).toBeGreaterThan(20)
    }
  })

  it('stay within the limit, the last ones longest', () => {
    const cache = new BodyCache(400_000)
    for (let key = 0; key < 1000; key++) cache.set(key, bodyOf(key, 1000))
    const kept = Array.from({ length: 1000 }, (_, key) => key).filter((key) => cache.get(key))
    expect(kept.length).toBeLessThanOrEqual(200)
    expect(kept.length).toBeGreaterThan(90)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 1000 - kept.length + i))
  })

  it('are not kept at all where there is no room', () => {
    const cache = new BodyCache(0)
    cache.set(1, bodyOf(1, 10))
    expect(cache.get(1)).toBeUndefined()
  })

  it('give their memory back', () => {
    const cache = new BodyCache(1_000_000)
    for (const [key, length] of [100, 200_000].entries()) cache.set(key, bodyOf(key, length))
    const kept = [0, 1].map((key) => cache.get(key))
    cache.release()
    expect(kept.map((body) => body?.length)).toEqual([0, 0])
  })
})
