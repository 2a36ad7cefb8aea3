import { portableRuntime } from '@datakit/git/runtime/portable'
import { openIndexedDbPlace } from '@datakit/storage/indexeddb'
import { expect, it } from 'vitest'
import { carryBundles } from '../../test/carry-bundles.ts'

it('carries bundles from and to IndexedDB', async () => {
  const names = ['bundle-from', 'bundle-to'].map((name) => `${name}-${Date.now()}`)
  const [from, to] = await Promise.all(names.map((name) => openIndexedDbPlace(name)))
  if (from === undefined || to === undefined) throw new Error('There are two names')
  const { source, copy } = await carryBundles(portableRuntime, from, to)
  expect(copy).toEqual(source)
  for (const place of [from, to]) await place.close()
  for (const name of names) indexedDB.deleteDatabase(name)
})
