/**
 * What whatever keeps parts of packs must do.
 *
 * @module
 */
import { describe, expect, it } from 'vitest'
import type { Uploads } from '@datakit/git/uploads'
import type { UploadOptions } from '../src/uploads.ts'

/** Runs the contract over empty uploads of one kind. Their parts are as old as the time at which they are written. */
export function uploadsContract(
  kind: string,
  open: (options: UploadOptions) => Promise<Uploads>,
): void {
  const one = { repository: 'a', pack: '11'.repeat(20) }
  const other = { repository: 'a', pack: '22'.repeat(20) }
  const below = { repository: 'a/b', pack: '11'.repeat(20) }
  const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value)

  describe(`uploads in ${kind}`, () => {
    it('keep parts under their numbers, as often as they come, for each repository and pack', async () => {
      const uploads = await open({})
      await uploads.write(one, 0, bytes(3))
      await uploads.write(one, 10, bytes(2, 9))
      await uploads.write(one, 10, bytes(2, 7))
      await uploads.write(below, 1, bytes(4))
      expect([...(await uploads.list(one))].sort(([a], [b]) => a - b)).toEqual([
        [0, 3],
        [10, 2],
      ])
      expect([...((await uploads.read(one, 10)) ?? [])]).toEqual([7, 7])
      expect(await uploads.read(one, 1)).toBeUndefined()
      expect([...(await uploads.list(other))]).toEqual([])
      await uploads.remove(one)
      await uploads.remove(one)
      expect([...(await uploads.list(one))]).toEqual([])
      expect((await uploads.read(below, 1))?.length).toBe(4)
      await uploads.remove(below)
    })

    // Seen to fail when the youngest goes first, and when the pack that is being written goes.
    it('make room by what was left alone for longest', async () => {
      const uploads = await open({ bytes: 12 })
      const rest = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 20))
      const third = { ...one, pack: '33'.repeat(20) }
      await uploads.write(other, 0, bytes(4))
      await rest()
      await uploads.write(one, 0, bytes(4))
      await rest()
      await uploads.write(other, 1, bytes(4))
      await uploads.write(third, 0, bytes(4))
      const left = async (): Promise<number[]> => {
        const lists = await Promise.all([one, other, third].map((pack) => uploads.list(pack)))
        return lists.map(({ size }) => size)
      }
      expect(await left()).toEqual([0, 2, 1])
      for (let number = 2; number < 5; number++) await uploads.write(other, number, bytes(4))
      expect(await left()).toEqual([0, 5, 0])
      await uploads.remove(other)
    })

    it('sweep what nobody went on with for a day', async () => {
      let later = 0
      const uploads = await open({ clock: () => Date.now() + later })
      await uploads.write(one, 0, bytes(4))
      later = 23 * 60 * 60 * 1000
      expect(await uploads.sweep()).toEqual({ deleted: 0 })
      later = 25 * 60 * 60 * 1000
      expect(await uploads.sweep()).toEqual({ deleted: 1 })
      expect([...(await uploads.list(one))]).toEqual([])
    })
  })
}
