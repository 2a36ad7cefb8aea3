/**
 * Raw pushes to a repository with a hook `proc-receive`, and hooks that report anything: what the client is told, and what
 * there is afterwards, is what `git http-backend` makes of it.
 *
 * Seen to fail when a status on a ref that was given back was taken.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ByteReader, streamOf } from '../../packages/git/src/byte-reader.ts'
import { encodeLine, FLUSH } from '../../packages/git/src/protocol/pkt-line.ts'
import { readBands } from '../../packages/git/src/protocol/sideband.ts'
import { cases, random } from '../../packages/git/test/seed.ts'
import { BesideBackend, type Served } from '../support/beside-backend.ts'
import { hookedRepositories, type Hooked } from '../support/proc-receive-hook.ts'
import { git, refsOf } from '../support/stock-git.ts'

const beside = new BesideBackend('proc-receive-raw')
/** A pack without objects. */
const EMPTY_PACK = Buffer.from(
  '5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e',
  'hex',
)
const TOPIC = 'refs/for/main/topic'
const RULES = ['refs/for']
const ZERO = '0'.repeat(40)
const A = 'a'.repeat(40)
const B = 'b'.repeat(40)
let prepare: (hooked: Hooked) => Served

beforeAll(async () => {
  await beside.start()
  prepare = await hookedRepositories(beside)
})
afterAll(() => beside.stop())

describe('raw requests', () => {
  it.each(['report-status', 'report-status-v2'])(
    'have what the hook made in the report, if they ask for version 2 of it (%s)',
    async (capability) => {
      const report = [`ok ${TOPIC}`, 'option refname refs/changes/1/1', `option new-oid ${A}`]
      const updates = [`${ZERO} ${await first()} ${TOPIC}`]
      const raw = { updates, capabilities: [capability] }
      const [mine, judge] = await sendBoth({ rules: RULES, hook: { report } }, raw)
      expect(mine).toEqual(judge)
      expect(mine.report.includes('option refname')).toBe(capability.endsWith('v2'))
    },
  )

  it('leave refs to the hook wherever they are', async () => {
    const hook = { report: ['ok refs/heads/main', 'ok refs/heads/nowhere'] }
    const updates = [
      `${A} ${await first()} refs/heads/main`,
      `${A} ${ZERO} refs/heads/nowhere`,
      `${ZERO} ${ZERO} refs/heads/neither`,
    ]
    const raw = { updates, capabilities: ['report-status', 'side-band-64k'] }
    const [mine, judge] = await sendBoth({ rules: ['refs/heads'], hook }, raw)
    expect(mine).toEqual(judge)
    expect(mine.report).toContain('ok refs/heads/main')
  })

  const { numRuns } = cases(12)

  it(`are answered as by Git whatever the hook reports (${numRuns} reports)`, async () => {
    const next = random()
    for (let i = 0; i < numRuns; i++) {
      const report = randomReport(next)
      const hook = { report, code: next() < 0.15 ? 1 : 0 }
      const oid = await first()
      const updates = [...LEFT, 'refs/heads/plain'].map((name) => `${ZERO} ${oid} ${name}`)
      const capabilities = [
        next() < 0.2 ? 'report-status' : 'report-status-v2',
        'side-band-64k',
        ...(next() < 0.3 ? ['atomic'] : []),
      ]
      const [mine, judge] = await sendBoth({ rules: RULES, hook }, { updates, capabilities })
      expect(mine, JSON.stringify({ hook, capabilities })).toEqual(judge)
    }
  })
})

const LEFT = ['refs/for/a', 'refs/for/b', 'refs/for/c']

function first(): Promise<string> {
  return git(beside.source, 'rev-parse', 'main~1')
}

interface RawPush {
  /** `OLD NEW NAME` each. */
  readonly updates: readonly string[]
  readonly capabilities: readonly string[]
}

/** The same request to both servers: what each says, and what there is afterwards. */
async function sendBoth(wish: Hooked, push: RawPush): Promise<readonly [RawResult, RawResult]> {
  const { ours, theirs } = beside.urls
  const mine = await send(ours, wish, push)
  return [mine, await send(theirs, wish, push)]
}

interface RawResult {
  readonly report: string
  /** What the person who pushes reads. */
  readonly words: string
  readonly refs: string
  readonly told: string
}

async function send(
  url: string,
  wish: Hooked,
  { updates, capabilities }: RawPush,
): Promise<RawResult> {
  const { name, directory } = prepare(wish)
  const lines = updates.map((line, i) => (i === 0 ? `${line}\0${capabilities.join(' ')}` : line))
  const answer = await fetch(`${url}/${name}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
    body: Buffer.concat([...lines.map((line) => encodeLine(line)), FLUSH, EMPTY_PACK]),
  })
  const body = new Uint8Array(await answer.arrayBuffer())
  let words = ''
  let report = Buffer.from(body)
  if (capabilities.includes('side-band-64k')) {
    const reader = new ByteReader(streamOf(body), 'an answer')
    const pieces: Uint8Array[] = []
    for await (const piece of readBands(reader, (said) => (words += said)))
      pieces.push(piece.slice())
    report = Buffer.concat(pieces)
  }
  const told = readFileSync(join(directory, 'told'), 'utf8')
  return { report: report.toString(), words, refs: await refsOf(directory), told }
}

/** Lines of which a hook may make a report, each kind as often as it is in a list here. */
function randomReport(next: () => number): string[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T
  let last = pick(LEFT)
  // Mostly about one that was named just before: the order of what is said of a ref matters.
  const ref = (): string => {
    if (next() < 0.5) last = pick([...LEFT, ...LEFT, 'refs/heads/plain', 'refs/for/no'])
    return last
  }
  const oid = (): string => pick([A, B, ZERO, A.toUpperCase(), `${A} and more`, 'abc', ''])
  const line = (): string =>
    pick([
      () => `ok ${ref()}`,
      () => `ok ${ref()}`,
      () => `ok ${ref()}`,
      () => `ok ${ref()} and more`,
      () => `ng ${ref()}`,
      () => `ng ${ref()} for a reason`,
      () => `option refname ${ref()}`,
      () => 'option refname',
      () => `option old-oid ${oid()}`,
      () => `option new-oid ${oid()}`,
      () => 'option new-oid',
      () => 'option forced-update',
      () => 'option fall-through',
      () => 'option fall-through',
      () => 'option unknown thing',
      () => pick(['ok', 'option', '', ' ', `maybe ${ref()}`]),
    ])()
  return Array.from({ length: Math.floor(next() * 15) }, line)
}
