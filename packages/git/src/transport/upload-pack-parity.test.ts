/**
 * What a fetch is answered, against what `git upload-pack` answers to the same bytes on the same repository: where the
 * history is cut, and which objects come.
 *
 * Git sends some objects that a client has already, and not always the same as we: those are set aside. What the client
 * lacks must be the same to the object.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'

import { describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import { randomHistory } from '../../test/history.ts'
import { readWhole } from '../../test/pack-reading.ts'
import type { RealRepository } from '../../test/real-git.ts'
import { random, seed } from '../../test/seed.ts'
import { collect, latin1, readerOf } from '../../test/support/hostile.ts'
import { KnownObjects } from '../../test/support/known-objects.ts'
import { load } from '../../test/support/load.ts'
import { streamOf } from '../byte-reader.ts'
import { concat } from '../bytes.ts'
import { Objects } from '../objects.ts'
import { parseOid, type Oid } from '../oid.ts'
import { encodeCommand } from '../protocol/command.ts'
import { encodeLines, FLUSH, lineText, readPacket } from '../protocol/pkt-line.ts'
import { readBands } from '../protocol/sideband.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { uploadPack } from './upload-pack.ts'

const HISTORIES = 2
const FETCHES = 24
console.info(`upload-pack parity: seed ${seed}, ${HISTORIES} histories, ${FETCHES} fetches each`)

/** Numbers and choices that follow from a seed. */
class Dice {
  readonly next: () => number

  constructor(from: number) {
    this.next = random(from)
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  one<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('There is nothing to choose from')
    return item
  }

  some<Item>(items: readonly Item[], share: number): Item[] {
    return items.filter(() => this.next() < share)
  }
}

/** A repository of Git's, and the same in a place of ours. */
interface Subject {
  readonly git: RealRepository
  readonly known: KnownObjects
  readonly objects: Objects
  readonly refs: ReadonlyMap<string, Oid>
  readonly commits: readonly Oid[]
}

async function subject(dice: Dice): Promise<Subject> {
  const git = randomHistory({ files: 12, commits: 24, random: dice.next })
  const commits = git.run(['rev-list', '--topo-order', 'main']).split('\n').map(parseOid)
  for (const [key, value] of [
    ['uploadpack.allowFilter', 'true'],
    ['uploadpack.allowRefInWant', 'true'],
    ['uploadpack.allowAnySHA1InWant', 'true'],
  ])
    git.run(['config', key ?? '', value ?? ''])
  for (let i = 0; i < 3; i++)
    git.run(['update-ref', `refs/heads/side-${i}`, commits[dice.below(commits.length)] ?? ''])
  git.run(['tag', '-a', '-m', 'of a tree', 'tree', 'main~2^{tree}'])
  git.run(['tag', '-a', '-m', 'of a tag', 'twice', 'tree'])
  const place = memoryPlace()
  const tip = git.run(['rev-parse', 'main'])
  // In several pushes, so that trees are told by older ones and by newer ones.
  for (const commit of dice.some(commits, 0.1).toReversed()) {
    git.run(['update-ref', 'refs/heads/main', commit])
    await load(place, git.folder, ['--thin'])
  }
  git.run(['update-ref', 'refs/heads/main', tip])
  await load(place, git.folder, ['--thin'])
  const listed = git.run(['for-each-ref', '--format=%(objectname) %(refname)']).split('\n')
  const refs = new Map(listed.map((line) => [line.slice(41), parseOid(line.slice(0, 40))]))
  const objects = await Objects.open(place, nodeRuntime)
  return { git, known: new KnownObjects(git), objects, refs, commits }
}

/** What a client has, which may be less than what its commits reach, by its filter. */
interface Client {
  readonly objects: Set<Oid>
  readonly shallow: Set<Oid>
  readonly filter: string | undefined
  /** Commits that it was sent, newest first. */
  readonly tips: Oid[]
}

interface Fetch {
  readonly wants: readonly Oid[]
  readonly haves: readonly Oid[]
  /** Lines about cuts. */
  readonly cuts: readonly string[]
  readonly words: readonly string[]
}

const filters = [
  'blob:none',
  'blob:limit=40',
  'tree:0',
  'tree:1',
  'tree:2',
  'tree:3',
  'object:type=commit',
  'object:type=tree',
  'object:type=blob',
  'object:type=tag',
  'combine:blob:none+tree:2',
  'combine:blob:limit=60+tree:2',
]

function newClient(dice: Dice): Client {
  const filter = dice.below(2) === 0 ? dice.one(filters) : undefined
  return { objects: new Set(), shallow: new Set(), filter, tips: [] }
}

function nextFetch({ refs, known, commits }: Subject, client: Client, dice: Dice): Fetch {
  const tips = [...refs.values()]
  const wants = new Set([dice.one(tips), ...dice.some(tips, 0.15), ...dice.some(commits, 0.03)])
  if (dice.below(8) === 0) wants.add(dice.one(known.ofType(dice.one(['tree', 'blob']))))
  const own = client.tips.filter((oid) => known.objects.get(oid)?.type === 'commit')
  return {
    wants: [...wants],
    haves: dice.below(4) === 0 ? [] : [...new Set(dice.some(own, 0.7))],
    cuts: [...[...client.shallow].map((oid) => `shallow ${oid}`), ...deepening(refs, client, dice)],
    words: ['ofs-delta', ...dice.some(['thin-pack', 'include-tag', 'no-progress'], 0.6)],
  }
}

function deepening(refs: Subject['refs'], { shallow }: Client, dice: Dice): string[] {
  const kind = dice.below(7)
  if (kind <= 1) return [`deepen ${1 + dice.below(8)}`]
  if (kind === 2 && shallow.size > 0) return [`deepen ${1 + dice.below(4)}`, 'deepen-relative']
  if (kind === 3 && shallow.size > 0) return ['deepen 2147483647']
  // Most of the history is there at the start, else nothing is selected and Git gives up.
  if (kind === 4) return [`deepen-since ${1_700_000_000 + 60 * dice.below(8)}`]
  const names = [...refs.keys()].filter((name) => /side|tags\/v/.test(name))
  return kind === 5 ? [`deepen-not ${dice.one(names)}`] : []
}

/** What came of a fetch. */
interface Answer {
  readonly error: string | undefined
  readonly cuts: readonly string[]
  readonly pack: Uint8Array | undefined
}

function requestV2({ wants, haves, cuts, words }: Fetch, filter: string | undefined): Uint8Array {
  return encodeCommand('fetch', [
    ...words,
    ...cuts,
    ...(filter === undefined ? [] : [`filter ${filter}`]),
    ...wants.map((oid) => `want ${oid}`),
    ...haves.map((oid) => `have ${oid}`),
    'done',
  ])
}

function requestV0({ wants, haves, cuts, words }: Fetch, filter: string | undefined): Uint8Array {
  const isRelative = cuts.includes('deepen-relative')
  const capabilities = ['multi_ack_detailed', 'side-band-64k', 'filter', ...words]
  if (isRelative) capabilities.push('deepen-relative')
  return concat([
    encodeLines(wants.map((oid, i) => `want ${oid}${i === 0 ? ` ${capabilities.join(' ')}` : ''}`)),
    encodeLines(cuts.filter((line) => line !== 'deepen-relative')),
    encodeLines(filter === undefined ? [] : [`filter ${filter}`]),
    FLUSH,
    encodeLines(haves.map((oid) => `have ${oid}`)),
    encodeLines(['done']),
  ])
}

async function parseV2(bytes: Uint8Array): Promise<Answer> {
  const reader = readerOf(bytes)
  const cuts: string[] = []
  for (let packet = await readPacket(reader); packet !== undefined;) {
    const line = packet.kind === 'line' ? lineText(packet.payload) : ''
    if (line.startsWith('ERR ')) return { error: line, cuts, pack: undefined }
    if (/^(un)?shallow /.test(line)) cuts.push(line)
    if (line === 'packfile') {
      const pack = await collect(readBands(reader, () => undefined))
      return { error: undefined, cuts: [...new Set(cuts)].sort(), pack }
    }
    packet = await readPacket(reader)
  }
  return { error: 'no pack', cuts, pack: undefined }
}

async function parseV0(bytes: Uint8Array, { cuts: asked }: Fetch): Promise<Answer> {
  const reader = readerOf(bytes)
  const cuts: string[] = []
  let hasCuts = !asked.some((line) => line.startsWith('deepen'))
  for (let packet = await readPacket(reader); packet !== undefined;) {
    const line = packet.kind === 'line' ? lineText(packet.payload) : undefined
    if (line?.startsWith('ERR ')) return { error: line, cuts, pack: undefined }
    if (!hasCuts && line === undefined) hasCuts = true
    else if (!hasCuts) cuts.push(line ?? '')
    else if (line?.endsWith(' common') !== true) {
      const pack = await collect(readBands(reader, () => undefined))
      return { error: undefined, cuts: [...new Set(cuts)].sort(), pack }
    }
    packet = await readPacket(reader)
  }
  return { error: 'no pack', cuts, pack: undefined }
}

function askGit(folder: string, request: Uint8Array, version: number): Uint8Array {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_PROTOCOL: `version=${version}` }
  try {
    return execFileSync('git', ['upload-pack', '--stateless-rpc', folder], {
      input: request,
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  } catch (error) {
    // It tells its reason to nobody but its log.
    return (error as { stdout: Uint8Array }).stdout
  }
}

/** The objects of a pack. Its outside bases have to be among those that the client has. */
async function objectsOf(pack: Uint8Array, { known }: Subject, has: ReadonlySet<Oid>) {
  const resolveBase = async (oid: Oid) => (has.has(oid) ? known.objects.get(oid) : undefined)
  const { objects } = await readWhole(pack, { resolveBase })
  return new Set(objects.keys())
}

function without(oids: Iterable<Oid>, set: ReadonlySet<Oid>): Oid[] {
  return [...oids].filter((oid) => !set.has(oid)).sort()
}

function both(a: ReadonlySet<Oid>, b: ReadonlySet<Oid>): Set<Oid> {
  return new Set([...a, ...b])
}

function apply(client: Client, cuts: readonly string[], sent: Iterable<Oid>): void {
  for (const oid of sent) client.objects.add(oid)
  for (const line of cuts) {
    const [word, oid = ''] = line.split(' ')
    if (word === 'shallow') client.shallow.add(parseOid(oid))
    else client.shallow.delete(parseOid(oid))
  }
}

describe.each([0, 2] as const)('a fetch in version %i', (version) => {
  it(`is answered as Git answers it (${HISTORIES} histories)`, async () => {
    let [ours, gits] = [0, 0]
    for (let i = 0; i < HISTORIES; i++) {
      const dice = new Dice(seed + i + version * 1000)
      const subjects = await subject(dice)
      let client = newClient(dice)
      for (let k = 0; k < FETCHES; k++) {
        if (dice.below(4) === 0) client = newClient(dice)
        const extra = await compare(subjects, client, { dice, version })
        ours += extra.ours
        gits += extra.gits
      }
      subjects.git.remove()
    }
    console.info(`objects that the client had: ${ours} from us, ${gits} from Git`)
  })
})

/**
 * What the client has by its own word: its haves and its shallow commits that are so no longer, with what they reach, and
 * the tags of that, which Git sends again or not. (It may not have the shallow commits: where two cuts lie behind each
 * other Git tells of both and sends only the first. We rely on the haves alone.)
 */
function hadBy(
  { known, refs }: Subject,
  { shallow }: Client,
  { fetch, cuts }: { fetch: Fetch; cuts: readonly string[] },
): Set<Oid> {
  const unshallow = cuts.flatMap((line) =>
    line.startsWith('unshallow ') ? [parseOid(line.slice(10))] : [],
  )
  const has = known.reach([...fetch.haves, ...unshallow], shallow)
  const isHad = (oid: Oid): boolean => {
    const tagged = [...known.reach([oid])].filter((each) => known.objects.get(each)?.type !== 'tag')
    return tagged.some((each) => has.has(each))
  }
  const tags = [...refs].filter(([name, oid]) => name.startsWith('refs/tags/') && isHad(oid))
  for (const [, oid] of tags)
    for (const each of known.reach([oid]))
      if (known.objects.get(each)?.type === 'tag') has.add(each)
  return has
}

/** What the wants reach that lead to a tree or a blob and not to a commit. */
function filesWanted({ known, refs }: Subject, wants: readonly Oid[]): Set<Oid> {
  const isFile = (oid: Oid): boolean =>
    ![...known.reach([oid])].some((each) => known.objects.get(each)?.type === 'commit')
  const files = known.reach(wants.filter(isFile))
  // Their tags come along with them.
  const tags = [...refs.values()].filter((oid) => [...known.reach([oid])].some((o) => files.has(o)))
  for (const tag of tags.filter(isFile)) for (const oid of known.reach([tag])) files.add(oid)
  return files
}

/** Fetches from both, compares, and gives how many objects came in vain. */
async function compare(
  all: Subject,
  client: Client,
  { dice, version }: { dice: Dice; version: 0 | 2 },
): Promise<{ ours: number; gits: number }> {
  const fetch = nextFetch(all, client, dice)
  const request = version === 2 ? requestV2(fetch, client.filter) : requestV0(fetch, client.filter)
  const parse = (bytes: Uint8Array): Promise<Answer> =>
    version === 2 ? parseV2(bytes) : parseV0(bytes, fetch)
  const theirs = await parse(askGit(all.git.folder, request, version))
  const own = await parse(await collect(uploadPack(all.objects, streamOf(request), { version })))
  const what = latin1(request)
  if (theirs.pack === undefined || own.pack === undefined) {
    expect([own.pack, theirs.pack, own.error], what).toEqual([
      undefined,
      undefined,
      'ERR no commits selected for shallow requests',
    ])
    return { ours: 0, gits: 0 }
  }
  expect(own.cuts, what).toEqual(theirs.cuts)
  const has = hadBy(all, client, { fetch, cuts: own.cuts })
  const sent = await objectsOf(own.pack, all, client.objects)
  const expected = await objectsOf(theirs.pack, all, new Set(all.known.objects.keys()))
  const aside = client.filter === undefined ? has : both(has, filesWanted(all, fetch.wants))
  // A combination may let more pass than Git's, which forgets a file that one of its filters saw in a deeper place first.
  if (client.filter?.startsWith('combine:') !== true)
    expect(without(sent, aside), what).toEqual(without(expected, aside))
  // What was wanted by name comes whatever the filter says. Git forgets that when it meets it on the way, too.
  expect(without(expected, both(sent, has)), what).toEqual([])
  apply(client, own.cuts, sent)
  client.tips.unshift(...[...sent].filter((oid) => all.known.objects.get(oid)?.type === 'commit'))
  return {
    ours: sent.size - without(sent, has).length,
    gits: expected.size - without(expected, has).length,
  }
}

/** A request that asks whether its haves are enough, in the words of version 0 or of version 2. */
function negotiation(
  wants: readonly Oid[],
  haves: readonly Oid[],
  words: readonly string[],
): { v0: Uint8Array; v2: Uint8Array } {
  const lines = haves.map((oid) => `have ${oid}`)
  return {
    v0: concat([
      encodeLines(wants.map((oid, i) => `want ${oid}${i === 0 ? ` ${words.join(' ')}` : ''}`)),
      FLUSH,
      encodeLines(lines),
      FLUSH,
    ]),
    v2: encodeCommand('fetch', [...wants.map((oid) => `want ${oid}`), ...lines]),
  }
}

describe('a round of haves', () => {
  it('is acknowledged in the words of Git', async () => {
    const dice = new Dice(seed + 5000)
    const all = await subject(dice)
    for (let i = 0; i < 24; i++) {
      const strangers = Array.from({ length: dice.below(3) }, (_, k) =>
        parseOid(`${k + 1}`.repeat(40)),
      )
      const own = dice.some(all.commits, 0.3)
      const haves = [...own, ...strangers].toSorted(() => dice.next() - 0.5)
      const wants = [dice.one(all.commits), ...dice.some(all.commits, 0.05)]
      const words = dice.one([['multi_ack_detailed'], ['multi_ack'], ['side-band-64k']])
      const { v0, v2 } = negotiation([...new Set(wants)], haves, words)
      const own0 = await collect(uploadPack(all.objects, streamOf(v0), { version: 0 }))
      // Without multi_ack Git repeats its one word for haves that it knew already, which no client expects.
      if (words[0] !== 'side-band-64k' || own.length < 2)
        expect(latin1(own0), latin1(v0)).toBe(latin1(askGit(all.git.folder, v0, 0)))
      const theirs = latin1(askGit(all.git.folder, v2, 2)).replace(/packfile\n.*/s, '')
      const answer = await collect(uploadPack(all.objects, streamOf(v2), { version: 2 }))
      expect(latin1(answer).replace(/packfile\n.*/s, ''), latin1(v2)).toBe(theirs)
    }
    all.git.remove()
  })
})
