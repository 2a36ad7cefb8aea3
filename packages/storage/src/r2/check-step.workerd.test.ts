/** Checks and repairs of a bucket in steps: each cut off again and again, and beside pushes, they end as those that are not cut. */
import type { GitObject } from '@datakit/git/object'
import type { Oid } from '@datakit/git/oid'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { overR2, plainBucket } from '../../../../worker/test/r2-modes.ts'
import { codes, gather } from '../../test/checking.ts'
import { fillPlace } from '../../test/filled-place.ts'
import { blob, collect, move, request, stage } from '../../test/samples.ts'
import { steppingBucket } from '../../test/stepping-bucket.ts'
import type { StepLimits } from '../fsck/check-place.ts'
import type { CheckEvent, Counts, Finding, NextStep } from '../fsck/finding.ts'
import { randomId } from '../update.ts'
import { deleteAll, listAll, type Bucket } from './bucket.ts'
import { checkR2Step } from './check-step.ts'
import { checkR2, readRoot } from './check.ts'
import { r2Depot } from './depot.ts'
import { packKey } from './keys.ts'
import { repairR2Step } from './repair-step.ts'

/** So little that there are many steps. */
const limits: StepLimits = { bytes: 1, objects: 20 }
const DAY = 24 * 60 * 60 * 1000

type Step = (cursor: string | undefined, over: Bucket) => AsyncGenerator<CheckEvent | NextStep>

interface Ended {
  readonly findings: readonly Finding[]
  readonly counts: Counts | undefined
  readonly steps: number
}

/** Goes through all steps; each is done as `perform` does it. */
async function through(step: Step, bucket: Bucket, perform = takeStep): Promise<Ended> {
  const findings: Finding[] = []
  let counts: Counts | undefined
  let cursor: string | undefined
  for (let steps = 1; ; steps++) {
    const said = await perform(step, cursor, bucket)
    cursor = undefined
    for (const event of said) {
      if (event.kind === 'finding') findings.push(event.finding)
      if (event.kind === 'counts') counts = event.counts
      if (event.kind === 'next') cursor = event.cursor
    }
    if (cursor === undefined) return { findings, counts, steps }
  }
}

async function takeStep(step: Step, cursor: string | undefined, over: Bucket) {
  return collect<CheckEvent | NextStep>(step(cursor, over))
}

/** A step that is cut off at every few operations, before it and after it by turns, and then done. */
function cutting(stride: number): typeof takeStep {
  return async (step, cursor, over) => {
    for (let n = 0, wasCut = true; wasCut; n += stride) {
      wasCut = false
      const cut = steppingBucket(over, (count) => {
        wasCut ||= count === n
        if (count !== n) return 'go on'
        return (n / stride) % 2 === 0 ? 'die before' : 'die after'
      })
      await takeStep(step, cursor, cut).catch(() => undefined)
    }
    return takeStep(step, cursor, over)
  }
}

const clone = new Map<Oid, GitObject>()
let name = ''

afterEach(async () => {
  const keys: string[] = []
  for await (const { key } of listAll(plainBucket, '')) keys.push(key)
  await deleteAll(plainBucket, keys)
})

/** Loses a pack and spoils another. */
async function damage(): Promise<void> {
  const { root } = await readRoot(plainBucket, name)
  const [lost = '', spoilt = ''] = root.packs.slice(1).flatMap(({ id }) => packKey(id) ?? [])
  await plainBucket.delete([lost])
  const found = await plainBucket.get(spoilt)
  if (!found || !('arrayBuffer' in found)) throw new Error(`Expected ${spoilt}`)
  const bytes = new Uint8Array(await found.arrayBuffer())
  bytes[60] = (bytes[60] ?? 0) ^ 0x55
  await plainBucket.put(spoilt, bytes)
}

overR2(({ bucket, isThrottled }) => {
  const options = isThrottled ? {} : { writeInterval: 0 }
  const check: Step = (cursor, over) =>
    checkR2Step(over, name, nodeRuntime, { ...options, cursor, limits })
  const repair: Step = (cursor, over) =>
    repairR2Step(over, name, nodeRuntime, { ...options, cursor, limits, copies: clone })

  beforeEach(async () => {
    name = `steps/${randomId()}`
    clone.clear()
    await fillPlace(await r2Depot(bucket, options).open(name), clone)
  })

  async function refs(): Promise<string[]> {
    const state = await (await r2Depot(bucket).open(name)).read()
    return (await collect(state.refs())).map((ref) => `${ref.name} ${ref.oid}`)
  }

  it.each([false, true])('finds in steps what is found at once; damaged: %s', async (isDamaged) => {
    if (isDamaged) await damage()
    const whole = await gather(checkR2(bucket, name, nodeRuntime, options))
    const { findings, counts, steps } = await through(check, bucket)
    expect({ findings, counts }).toEqual({ findings: whole.findings, counts: whole.counts })
    expect(findings.length > 0).toBe(isDamaged)
    expect(steps).toBeGreaterThan(5)
  })

  it('is done in one step where little is to be done', async () => {
    const once: Step = (cursor, over) => checkR2Step(over, name, nodeRuntime, { cursor })
    expect((await through(once, bucket)).steps).toBe(1)
  })

  it('goes on, when it was cut off, to the same end', async () => {
    await damage()
    const { findings, counts } = await through(check, bucket)
    const cut = await through(check, bucket, cutting(isThrottled ? 9 : 3))
    expect({ findings: cut.findings, counts: cut.counts }).toEqual({ findings, counts })
  })

  it('lets pushes through meanwhile, and finds nothing missing of them', async () => {
    const place = await r2Depot(bucket, options).open(name)
    let pushes = 0
    const { findings } = await through(check, bucket, async (step, cursor, over) => {
      const added = blob(`pushed ${pushes}`)
      const addPacks = [await stage(place, [added])]
      const ref = move(`refs/tags/pushed-${pushes++}`, undefined, added.oid)
      const outcome = await place.update(request([ref], { addPacks }))
      expect(outcome.state).toBe('done')
      return takeStep(step, cursor, over)
    })
    expect(findings).toEqual([])
    expect(pushes).toBeGreaterThan(5)
  })

  it('mends in steps, each cut off again and again, what is mended at once', async () => {
    const before = await refs()
    await damage()
    await through(repair, bucket, cutting(isThrottled ? 9 : 3))
    expect(codes(await gather(checkR2(bucket, name, nodeRuntime, options)))).toEqual([])
    expect(await refs()).toEqual(before)
  })

  it('goes on with nothing that is not there, and leaves nothing for ever', async () => {
    const refused = { name: 'RefusedError', code: 'cursor' }
    for (const cursor of ['0'.repeat(32), '../root/x', ''])
      await expect(takeStep(check, cursor, bucket)).rejects.toMatchObject(refused)
    await takeStep(check, undefined, bucket)
    const said = await takeStep(check, undefined, bucket)
    const next = said.find((event) => event.kind === 'next')
    await expect(takeStep(repair, next?.cursor, bucket)).rejects.toMatchObject(refused)
    const clock = () => Date.now() + 2 * DAY
    await (await r2Depot(bucket, { ...options, clock }).open(name)).sweep({ grace: DAY })
    const kept: string[] = []
    for await (const { key } of listAll(plainBucket, 'c/')) kept.push(key)
    expect(kept).toEqual([])
  })
})
