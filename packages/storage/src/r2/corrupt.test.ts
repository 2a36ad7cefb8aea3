/**
 * Random damage to the objects of a bucket: bits flipped, cut, lost, or two exchanged, of any kind, the root too. `SEED` and `CASES` in the
 * environment make others than the default ones. What is read afterwards is what was written or an error that says what is wrong, and whoever goes on
 * committing loses nothing.
 */
import { GitError } from '@datakit/git/error'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { expect, it } from 'vitest'
import { cases, random } from '../../../git/test/seed.ts'
import { goOn, lies, writeAtRandom, type Draw } from '../../test/damaged.ts'
import { memoryBucket } from '../../test/memory-bucket.ts'
import { compact } from '../maintenance.ts'
import { r2Depot } from './depot.ts'

const KINDS = ['flip', 'cut', 'lose', 'swap'] as const
type Filled = ReturnType<typeof memoryBucket>

/** Damages one object, and says which and how. Bits of a root are R2's to keep: it has no checksum of ours. */
async function damage(bucket: Filled, draw: Draw): Promise<string> {
  const kind = KINDS[draw(KINDS.length)] ?? 'flip'
  const keys = [...bucket.kept.keys()].sort()
  const [key = '', other = ''] = [keys[draw(keys.length)], keys[draw(keys.length)]]
  const bytes = bucket.kept.get(key)?.bytes.slice() ?? new Uint8Array()
  const second = bucket.kept.get(other)?.bytes ?? bytes
  if (kind === 'lose') await bucket.delete([key])
  if (kind === 'cut') await bucket.put(key, bytes.slice(0, draw(bytes.length)))
  if (kind === 'swap') {
    await bucket.put(key, second)
    await bucket.put(other, bytes)
  }
  if (kind === 'flip' && !key.startsWith('root/')) {
    const at = draw(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << draw(8))
    await bucket.put(key, bytes)
  }
  return `${kind} ${key}`
}

async function tryDamage(seed: number): Promise<string[]> {
  const next = random(seed)
  const draw: Draw = (end) => Math.floor(next() * end)
  const bucket = memoryBucket()
  const options = { writeInterval: 0 }
  const first = await r2Depot(bucket, options).open('config')
  const written = await writeAtRandom(first, draw)
  if (draw(2) === 0) await compact(first, nodeRuntime)
  const said = await damage(bucket, draw)
  const place = await r2Depot(bucket, options).open('config')
  const problems = await lies(place, written)
  // Whoever has lost its root is not there: that is seen, and said, by whoever was in sync with it.
  if (said.startsWith('lose root/')) return []
  problems.push(...(await goOn(place, written)))
  await compact(place, nodeRuntime).catch((error: unknown) => {
    if (!(error instanceof GitError)) problems.push(`compact: ${String(error)}`)
  })
  problems.push(...(await lies(await r2Depot(bucket, options).open('config'), written)))
  return problems.map((each) => `SEED=${seed}, ${said}: ${each}`)
}

it(
  'reads what was written or says what is wrong, whichever object is damaged',
  { timeout: 600_000 },
  async () => {
    const { seed, numRuns } = cases(Number(process.env['CASES'] ?? 50))
    const problems: string[] = []
    for (let i = 0; i < numRuns; i++) problems.push(...(await tryDamage(seed + i)))
    expect(problems).toEqual([])
  },
)
