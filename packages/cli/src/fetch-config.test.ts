import { describe, expect, it } from 'vitest'

import { Config } from '../../storage/src/git-directory/config.ts'
import { fetchPolicy } from './fetch-config.ts'

function policyOf(settings: Readonly<Record<string, string>>) {
  return fetchPolicy(new Config(Object.entries(settings).map(([key, value]) => ({ key, value }))))
}

describe('the fetch policy of a configuration', () => {
  it('is that of Git where it says nothing', () => {
    expect(policyOf({})).toMatchObject({
      wants: 'readable',
      offersTips: false,
      offersReachable: false,
      filters: undefined,
      refInWant: false,
      unborn: 'offered',
      objectInfo: false,
      sidebandAll: false,
      packfileUris: [],
    })
  })

  it('lets more be wanted, step by step', () => {
    expect(policyOf({ 'uploadpack.allowtipsha1inwant': 'true' })).toMatchObject({
      wants: 'hidden',
      offersTips: true,
      offersReachable: false,
    })
    expect(policyOf({ 'uploadpack.allowreachablesha1inwant': 'yes' })).toMatchObject({
      wants: 'hidden',
      offersReachable: true,
    })
    expect(policyOf({ 'uploadpack.allowanysha1inwant': '1' })).toMatchObject({
      wants: 'any',
      offersTips: true,
      offersReachable: true,
    })
  })

  it('offers filters, all or some', () => {
    const allowed = { 'uploadpack.allowfilter': 'true' }
    expect(policyOf(allowed).filters).toEqual({
      others: true,
      kinds: new Map(),
      maxTreeDepth: Infinity,
    })
    const some = policyOf({
      ...allowed,
      'uploadpackfilter.allow': 'false',
      'uploadpackfilter.blob:none.allow': 'true',
      'uploadpackfilter.tree.maxdepth': '2',
    })
    expect(some.filters).toEqual({
      others: false,
      kinds: new Map([
        ['blob:none', true],
        ['tree', true],
      ]),
      maxTreeDepth: 2,
    })
    expect(policyOf({ 'uploadpackfilter.allow': 'true' }).filters).toBeUndefined()
  })

  it('names the packs that files are to be had in', () => {
    const [oid, pack] = ['1'.repeat(40), '2'.repeat(40)]
    const uri = 'https://packs.example/one.pack'
    const value = `${oid} ${pack} ${uri}`
    expect(policyOf({ 'uploadpack.blobpackfileuri': value }).packfileUris).toEqual([
      { oid, pack, uri },
    ])
    for (const wrong of [uri, `${oid} ${uri}`, `${oid} ${pack}`, `${oid} ${pack} a b`])
      expect(() => policyOf({ 'uploadpack.blobpackfileuri': wrong })).toThrow(wrong)
  })

  it.each([
    ['advertise', 'offered'],
    ['allow', 'answered'],
    ['ignore', 'ignored'],
  ])('takes lsrefs.unborn = %s as "%s"', (word, unborn) => {
    expect(policyOf({ 'lsrefs.unborn': word }).unborn).toBe(unborn)
  })
})
