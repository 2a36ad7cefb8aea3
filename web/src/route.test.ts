import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeName } from '@datakit/git/bytes'
import { formatRoute, HOME, parseRoute, type Route } from './route.ts'

const seed = Number(process.env['SEED'] ?? Date.now())

function route(changes: Partial<Route>): Route {
  return { ...HOME, repository: 'team/config', branch: 'main', ...changes }
}

describe('a route', () => {
  it('keeps a slash in the name and the branch apart from the path', () => {
    const place = route({ branch: 'feature/x', path: 'a/b.json' })
    expect(formatRoute(place)).toBe('#/team%2Fconfig/feature%2Fx/a/b.json')
    expect(parseRoute('#/team%2Fconfig/feature%2Fx/a/b.json')).toEqual(place)
  })

  it('names the view and the commit behind a question mark', () => {
    const oid = 'aa02989467eea6d8e11bc68f3663de51767f35f9'
    const place = route({ view: 'commit', oid })
    expect(formatRoute(place)).toBe(`#/team%2Fconfig/main/?view=commit&oid=${oid}`)
    expect(parseRoute(formatRoute(place))).toEqual(place)
  })

  it('leads home when it says nothing', () => {
    expect(['', '#', '#/', '#/?view=history'].map(parseRoute)).toEqual([HOME, HOME, HOME, HOME])
  })

  it('reads what a person typed without percent codes', () => {
    expect(parseRoute('#/config/main/grüße 100%.txt').path).toBe('grüße 100%.txt')
    expect(parseRoute('#/config').branch).toBeUndefined()
  })

  it('keeps a path that is not UTF-8 byte for byte', () => {
    const path = decodeName(Uint8Array.of(0x61, 0xff, 0x2f, 0x25))
    expect(formatRoute(route({ path }))).toBe('#/team%2Fconfig/main/a%FF/%25')
    expect(parseRoute('#/team%2Fconfig/main/a%FF/%25').path).toBe(path)
  })

  // Seen to fail when encodeSegment lets "%" through.
  it(`comes back from its fragment for 300 names (seed ${seed})`, () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 })
    const step = name.filter((text) => !text.includes('/'))
    const property = fc.property(name, name, fc.array(step), (repository, branch, steps) => {
      const place = route({ repository, branch, path: steps.join('/') })
      expect(parseRoute(formatRoute(place))).toEqual(place)
    })
    fc.assert(property, { seed, numRuns: 300 })
  })
})
