/* oxlint-disable vitest/no-standalone-expect -- what must hold is checked at every step of a scene */
/**
 * Random histories and random choices: the part beside the whole.
 *
 * Seen to fail when trees on the way count as had with all that is below, when the server does not look at `held`, when refs that
 * are stale are haves, when nothing is noted as stale, and when what was left out is not promised.
 */
import type { Oid } from '@datakit/git/oid'
import type { Depot, Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { gitDirectoryDepot, openGitDirectory } from '@datakit/storage/git-directory'
import { compact } from '@datakit/storage/maintenance'
import { memoryDepot, memoryPlace } from '@datakit/storage/memory'
import { checkPlace } from '@datakit/storage/fsck/check-place'
import { verifyPacks } from '@datakit/storage/verify'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { git } from '../../../../test/support/stock-git.ts'
import { forceBranch, heads, refs } from '../../test/clients.ts'
import { Network } from '../../test/network.ts'
import { partOf, takesBranch, wrongWith } from '../../test/part-scene.ts'
import { choose, chooseSeed, seededRandom } from '../../test/random-history.ts'
import { Repository } from '../repository.ts'
import { setChoice, type SyncChoice } from './choice.ts'
import { sync } from './sync.ts'

const CASES = Number(process.env['CASES'] ?? 16)
/** Of these, with Git directories on both sides. */
const GIT_CASES = Math.ceil(CASES / 8)
const STEPS = 24
const BRANCHES = ['main', 'dev', 'team/x', 'team/y']
const DIRECTORIES = ['a', 'a/deep', 'b', 'b/deep', 'b/deep/er', 'c']
const NAMES = ['one', 'two', 'three', '.gitattributes']

type Random = () => number

/** A file of one of few contents, so that the same blobs and trees are met at many places. */
function contentFor(random: Random, name: string): string {
  if (name === '.gitattributes') return `*.x${Math.floor(random() * 3)} -merge\n`
  return `${Math.floor(random() * 4)} `.repeat(choose(random, [1, 20, 200]))
}

function randomChoice(random: Random): SyncChoice {
  const some = <T>(list: readonly T[]): T[] => list.filter(() => random() < 0.35)
  const paths = some([...DIRECTORIES, 'top', 'b/one', 'nowhere'])
  const branches = some([...BRANCHES, 'team/*', '*'])
  return {
    ...(random() < 0.6 && branches.length > 0 && { branches }),
    ...(random() < 0.7 && paths.length > 0 && { paths }),
    ...(random() < 0.4 && { blobLimit: choose(random, [0, 30, 300]) }),
  }
}

/** Some writes, and moves of whole directories if it has them whole, in one commit. */
async function edit(
  repository: Repository,
  random: Random,
  { branch, isWhole }: { readonly branch: string; readonly isWhole: boolean },
): Promise<void> {
  await repository.branch(branch).commit(
    async (files) => {
      for (let i = 0; i < 3; i++) {
        const name = choose(random, NAMES)
        const what = random()
        const path = `${choose(random, DIRECTORIES)}/${name}`
        if (what < 0.2) await files.write('top', contentFor(random, 'top'))
        else if (what < 0.35) await files.remove(path).catch(() => undefined)
        else if (what < 0.5 && isWhole) {
          // The same directory at another place: what was outside is inside then.
          const [from, to] = [choose(random, DIRECTORIES), choose(random, ['c/moved', 'a/moved'])]
          await files.move(from, to).catch(() => undefined)
        } else await files.write(path, contentFor(random, name))
      }
    },
    { message: `Change ${branch}` },
  )
}

/** Where the part is, and the server's repositories. */
interface Places {
  readonly part: Place
  readonly server: Depot
}

class Scene {
  readonly network: Network
  readonly whole: Repository
  readonly part: Repository
  readonly #random: Random
  #choice: SyncChoice = {}
  #tags = 0

  private constructor(of: {
    network: Network
    whole: Repository
    part: Repository
    random: Random
  }) {
    this.network = of.network
    this.whole = of.whole
    this.part = of.part
    this.#random = of.random
  }

  static async open(random: Random, places: Places): Promise<Scene> {
    const person = (name: string) => ({
      runtime: nodeRuntime,
      identity: () => ({ name, address: `${name.toLowerCase()}@example.org` }),
    })
    const whole = await Repository.open(memoryPlace(), person('Ada'))
    const part = await Repository.open(places.part, person('Grace'))
    const network = new Network({ depot: places.server })
    const scene = new Scene({ network, whole, part, random })
    await edit(whole, random, { branch: 'main', isWhole: true })
    await sync(whole, scene.network.options)
    return scene
  }

  async step(): Promise<void> {
    const random = this.#random
    const kind = random()
    if (kind < 0.35) await this.#editWhole()
    else if (kind < 0.45) await this.#tag()
    else if (kind < 0.55) await this.#editPart()
    else if (kind < 0.7) await this.#choose()
    else if (kind < 0.75) await this.#upkeep()
    else await this.#sync()
  }

  async end(): Promise<void> {
    await this.#sync()
    await this.#upkeep()
    await this.#check()
  }

  async #editWhole(): Promise<void> {
    const { whole, network } = this
    const random = this.#random
    await sync(whole, network.options)
    const branch = choose(random, BRANCHES)
    if (random() < 0.2) {
      const [from] = await whole.branches()
      const isThere = (await whole.branch(branch).oid()) !== undefined
      if (from !== undefined && !isThere) await whole.branch(branch).create(from.head)
    }
    await edit(whole, random, { branch, isWhole: true })
    await sync(whole, network.options)
  }

  async #tag(): Promise<void> {
    const server = await this.network.server()
    const { head } = choose(this.#random, await server.branches())
    await forceTagOf(server, `v${this.#tags++}`, head)
  }

  async #editPart(): Promise<void> {
    const branches = await this.part.branches()
    if (branches.length === 0) return
    const branch = choose(this.#random, branches).name
    await edit(this.part, this.#random, { branch, isWhole: false })
  }

  async #choose(): Promise<void> {
    this.#choice = this.#random() < 0.2 ? {} : randomChoice(this.#random)
    await setChoice(this.part, this.#choice)
  }

  async #upkeep(): Promise<void> {
    const { place } = this.part.store
    const { damaged } = await verifyPacks(place, nodeRuntime)
    expect(damaged).toEqual([])
    await compact(place, nodeRuntime)
    for await (const event of checkPlace(place, nodeRuntime))
      if (event.kind === 'finding') expect(event.finding).toMatchObject({ severity: 'info' })
  }

  async #sync(): Promise<void> {
    const { part, network } = this
    const before = await refs(part, 'refs/remotes/origin/')
    const { branches } = await sync(part, network.options)
    const stuck = branches.filter(({ state }) => state === 'conflict')
    for (const { branch } of stuck) {
      const theirs = (await refs(part, 'refs/remotes/origin/'))[`refs/remotes/origin/${branch}`]
      await forceBranch(part, branch, theirs)
    }
    if (stuck.length > 0) await sync(part, network.options)
    await this.#checkRefs(before)
    await this.#check()
  }

  /** What was asked for is as on the server; nothing else came or went. */
  async #checkRefs(before: Record<string, Oid>): Promise<void> {
    const after = await refs(this.part, 'refs/remotes/origin/')
    const server = await heads(await this.network.server())
    const own = await heads(this.part)
    for (const branch of BRANCHES) {
      const name = `refs/remotes/origin/${branch}`
      if (takesBranch(this.#choice, branch)) expect(after[name], name).toBe(server[branch])
      else if (own[branch] === undefined) expect(after[name], name).toBe(before[name])
    }
  }

  async #check(): Promise<void> {
    const { part, network } = this
    const server = await network.server()
    const there = await heads(server)
    const chosen = Object.entries(there).filter(([name]) => takesBranch(this.#choice, name))
    const isSynced = await refs(part, 'refs/datakit/choice/')
    const met = await partOf(server, Object.values(there) as Oid[], this.#choice)
    const inside = await partOf(server, chosen.map(([, oid]) => oid) as Oid[], this.#choice)
    for (const [oid, object] of met) object.isInside = inside.get(oid)?.isInside === true
    expect({ wrong: await wrongWith(part, server, met), isSynced }).toEqual({ wrong: [], isSynced })
  }

  /** Reads every file of every branch: what is not here comes. */
  async readAll(): Promise<void> {
    const server = await this.network.server()
    for (const { name, head } of await this.part.branches()) {
      const theirs = (await heads(server))[name]
      if (theirs !== head) continue
      const expected: string[] = []
      for await (const file of (await server.snapshot(head)).readAll())
        expected.push(`${file.path} ${String(file.body)}`)
      const found: string[] = []
      for await (const file of (await this.part.snapshot(head)).readAll())
        found.push(`${file.path} ${String(file.body)}`)
      expect(found.toSorted()).toEqual(expected.toSorted())
    }
    await this.#check()
  }
}

async function forceTagOf(repository: Repository, tag: string, to: Oid): Promise<void> {
  await repository.store.place.update({
    id: crypto.randomUUID().replaceAll('-', ''),
    refs: [{ name: `refs/tags/${tag}`, from: undefined, to }],
    log: { who: 'Eve <eve@example.org>', why: 'tag' },
  })
}

describe('a part of a random repository', () => {
  const seed = chooseSeed()
  console.log(`SEED=${seed}, ${CASES} cases`)
  // The first was seen to fail when what is made on a stale branch counted as a have.
  it.each([952584844, ...Array.from({ length: CASES }, (_, i) => seed + i)])(
    'is as the whole, as far as it was asked for, and comes in full when it is read (%i)',
    async (own) => {
      const random = seededRandom(own)
      const scene = await Scene.open(random, { part: memoryPlace(), server: memoryDepot() })
      for (let i = 0; i < STEPS; i++) await scene.step()
      await scene.end()
      await scene.readAll()
    },
  )

  it.each(Array.from({ length: GIT_CASES }, (_, i) => seed + CASES + i))(
    'is a partial clone to stock Git, and what it sends is sound (%i)',
    async (own) => {
      const folder = mkdtempSync(join(tmpdir(), 'datakit-part-'))
      const directory = join(folder, 'part.git')
      await git(folder, 'init', '-q', '--bare', '-b', 'main', directory)
      await git(directory, 'remote', 'add', 'origin', 'http://127.0.0.1:8787/config.git')
      const server = gitDirectoryDepot(folder, { create: true })
      const part = await openGitDirectory(directory)
      try {
        const random = seededRandom(own)
        const scene = await Scene.open(random, { part, server })
        for (let i = 0; i < STEPS; i++) await scene.step()
        await scene.end()
        await git(directory, 'fsck', '--strict')
        await scene.readAll()
        for (const each of [directory, join(folder, 'config.git')])
          await git(each, 'fsck', '--strict', '--full')
      } finally {
        await part.close()
        await server.close()
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
})
