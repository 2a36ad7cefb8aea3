/**
 * What branches, transactions and snapshots do, whatever place keeps the repository.
 *
 * @module
 */
import { afterEach, beforeEach, describe, it } from 'vitest'
import { branchContract, reflogContract } from './contract-branches.ts'
import { outcomeContract } from './contract-outcomes.ts'
import { snapshotContract } from './contract-snapshots.ts'
import { transactionContract } from './contract-transactions.ts'
import type { Scene, Test } from './model-scene.ts'

/** A repository that nobody has written to. */
export interface ModelUnderTest extends Scene {
  destroy(): Promise<void>
}

/** Runs every test of the model over one kind of place. */
export function modelContract(name: string, make: () => Promise<ModelUnderTest>): void {
  let model: ModelUnderTest
  const test: Test = (title, body) => it(title, () => body(model))
  describe(`${name}: the model`, () => {
    beforeEach(async () => {
      model = await make()
    })
    afterEach(() => model.destroy())
    describe('transactions', () => transactionContract(test))
    describe('outcomes', () => outcomeContract(test))
    describe('branches', () => branchContract(test))
    describe('reflogs', () => reflogContract(test))
    describe('snapshots', () => snapshotContract(test))
  })
}
