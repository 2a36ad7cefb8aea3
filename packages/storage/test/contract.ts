/**
 * The contract of places: what `packages/git/src/place.ts` promises, as tests that run over each of them, in Node, in
 * Chromium and in workerd. So: no API of one runtime here. `packages/storage/README.md` says how to run it.
 *
 * @module
 */
import { describe, it } from 'vitest'
import { packContract, stateContract, sweepContract } from './contract-packs.ts'
import { headContract, receiptContract, refContract } from './contract-updates.ts'
import type { MakePlace, PlaceUnderTest } from './samples.ts'

export type { MakePlace, PlaceUnderTest } from './samples.ts'

/** Runs every test of the contract, each over a place that `make` gives and that is destroyed afterwards. */
export function placeContract(name: string, make: MakePlace): void {
  const test = (title: string, body: (scene: PlaceUnderTest) => Promise<void>) =>
    it(title, async () => {
      const scene = await make()
      try {
        await body(scene)
      } finally {
        await scene.destroy()
      }
    })
  describe(`${name}: refs`, () => refContract(test))
  describe(`${name}: HEAD`, () => headContract(test))
  describe(`${name}: receipts and log`, () => receiptContract(test))
  describe(`${name}: packs`, () => packContract(test))
  describe(`${name}: condemned packs`, () => sweepContract(test))
  describe(`${name}: state`, () => stateContract(test))
}
