/**
 * The library of a simulation: every object that any disk ever had, against which a part of a repository is judged.
 *
 * @module
 */
import type { GitObject } from '@datakit/git/object'
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import { readLinks, unpackLinks } from '@datakit/git/pack/links'
import { parseScope, type SyncScope } from '@datakit/git/protocol/sync-choice'
import { decodeTree, isGitlinkMode, isTreeMode } from '@datakit/git/tree'
import type { Disk } from './ledger.ts'

const HELD = 'refs/datakit/choice/held'
const STALE = 'refs/datakit/choice/stale/'
const BRANCHES = 'refs/remotes/origin/'
const OTHERS = 'refs/datakit/origin/'

/** Keeps what was seen. */
export class Library {
  readonly #objects = new Map<Oid, GitObject>()
  /** What a ref of the server has led to, whether it does so still or not. */
  readonly #served = new Set<Oid>()

  /** Takes in what an oid leads to, as far as a disk has it. */
  async learn(objects: Objects, oid: Oid, isServer: boolean): Promise<void> {
    const seen = isServer ? this.#served : this.#objects
    const stack = [oid]
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen.has(at)) continue
      const object = this.#objects.get(at) ?? (await readHere(objects, at))
      if (object === undefined) continue
      this.#objects.set(at, object)
      if (isServer) this.#served.add(at)
      stack.push(...namedBy(object))
    }
  }

  /** The content of a file of a commit; `undefined` when there is none. @throws Error when nobody ever had what is on the way to it */
  read(commit: Oid, path: string): string | undefined {
    let oid = this.#treeOf(commit)
    for (const step of path.split('/')) {
      const { type, body } = this.#get(oid)
      const entry = type === 'tree' ? decodeTree(body).find(({ name }) => name === step) : undefined
      if (entry === undefined) return undefined
      oid = entry.oid
    }
    const { type, body } = this.#get(oid)
    return type === 'blob' ? new TextDecoder().decode(body) : undefined
  }

  /** Paths of the files of a commit. */
  paths(commit: Oid): string[] {
    const found: string[] = []
    const stack = [{ oid: this.#treeOf(commit), path: '' }]
    for (let at = stack.pop(); at !== undefined; at = stack.pop())
      for (const { mode, name, oid } of decodeTree(this.#get(at.oid).body)) {
        const path = at.path === '' ? name : `${at.path}/${name}`
        if (isTreeMode(mode)) stack.push({ oid, path })
        else found.push(path)
      }
    return found.sort()
  }

  /** Those that commits lead to and a disk does not have, nor a ref of the server's disk leads to. */
  async nowhere(oids: Iterable<Oid>, disk: Disk, server: Disk): Promise<Oid[]> {
    const [here, there] = [await disk.objects(), await this.reachable(server)]
    const gone: Oid[] = []
    for (const oid of this.#reach(oids))
      if (!there.has(oid) && !(await here.has(oid))) gone.push(oid)
    return gone
  }

  /** What the refs of a disk lead to. */
  async reachable(disk: Disk): Promise<Set<Oid>> {
    return this.#reach((await disk.refs()).values())
  }

  /**
   * What is wrong with a disk that has a part: a commit that is not here; something that is neither here nor promised; something
   * that was promised and that no ref of the server ever led to; something that is not here though what is written down
   * says that it is.
   */
  async wrongWith(disk: Disk): Promise<string[]> {
    const objects = await disk.objects()
    const refs = await disk.refs()
    const wrong: string[] = []
    const seen = new Set<Oid>()
    const stack = [...refs.values()]
    for (let oid = stack.pop(); oid !== undefined; oid = stack.pop()) {
      if (seen.has(oid)) continue
      seen.add(oid)
      // What is below something that was promised is promised with it.
      if (await objects.has(oid)) stack.push(...namedBy(this.#get(oid)))
      else if (this.#get(oid).type === 'commit') wrong.push(`commit ${oid} is not here`)
      else if ((await objects.state.promised(oid)) === undefined)
        wrong.push(`${this.#whereIs(oid, refs)} is neither here nor promised`)
      else if (!this.#served.has(oid))
        wrong.push(`${oid} was promised, and the server never had it`)
    }
    const held = refs.get(HELD)
    const scope =
      held === undefined
        ? {}
        : parseScope(JSON.parse(String(new TextDecoder().decode((await objects.read(held)).body))))
    const inside = new Set<Oid>()
    for (const [name, oid] of refs) if (isSure(name, refs)) this.#reachIn(oid, scope, inside)
    for (const oid of inside)
      if (!(await objects.has(oid))) wrong.push(`${oid} should be here, ${JSON.stringify(scope)}`)
    return wrong
  }

  /** Says by which way a ref leads to an object. */
  #whereIs(wanted: Oid, refs: ReadonlyMap<string, Oid>): string {
    const seen = new Set<Oid>()
    const stack = [...refs].map(([name, oid]) => ({ oid, way: name }))
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (at.oid === wanted) return `${this.#get(wanted).type} ${wanted} (${at.way})`
      if (seen.has(at.oid)) continue
      seen.add(at.oid)
      for (const oid of namedBy(this.#get(at.oid)))
        stack.push({ oid, way: `${at.way} ${oid.slice(0, 7)}` })
    }
    return wanted
  }

  #reach(oids: Iterable<Oid>): Set<Oid> {
    const seen = new Set<Oid>()
    const stack = [...oids]
    for (let oid = stack.pop(); oid !== undefined; oid = stack.pop()) {
      if (seen.has(oid)) continue
      seen.add(oid)
      stack.push(...namedBy(this.#get(oid)))
    }
    return seen
  }

  /** Adds what must be here of a ref of the server. */
  #reachIn(oid: Oid, scope: SyncScope, into: Set<Oid>): void {
    const walked = new Set<Oid>()
    const stack = [oid]
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (walked.has(at)) continue
      walked.add(at)
      into.add(at)
      const object = this.#get(at)
      const links = linksOf(object)
      if (links?.kind === 'tag') stack.push(links.target)
      if (links?.kind !== 'commit') continue
      stack.push(...links.parents)
      this.#treeIn(links.tree, '', { scope, into })
    }
  }

  #treeIn(
    oid: Oid,
    path: string,
    to: { readonly scope: SyncScope; readonly into: Set<Oid> },
  ): void {
    const { paths = [''], blobLimit = Infinity } = to.scope
    to.into.add(oid)
    for (const { mode, name, oid: child } of decodeTree(this.#get(oid).body)) {
      if (isGitlinkMode(mode)) continue
      const below = path === '' ? name : `${path}/${name}`
      const isInside = paths.some(
        (each) => each === '' || below === each || below.startsWith(`${each}/`),
      )
      const isOnWay = paths.some((each) => each.startsWith(`${below}/`))
      if (isTreeMode(mode)) {
        if (isInside || isOnWay) this.#treeIn(child, below, to)
      } else if (isInside && this.#get(child).body.length < blobLimit) to.into.add(child)
    }
  }

  #treeOf(commit: Oid): Oid {
    const links = linksOf(this.#get(commit))
    if (links?.kind === 'commit') return links.tree
    throw new Error(`${commit} is no commit`)
  }

  #get(oid: Oid): GitObject {
    const object = this.#objects.get(oid)
    if (object === undefined) throw new Error(`Nobody ever had ${oid}`)
    return object
  }
}

/** Whether a ref mirrors one of the server's, and is not stale. */
function isSure(name: string, refs: ReadonlyMap<string, Oid>): boolean {
  if (name.startsWith(BRANCHES)) return !refs.has(`${STALE}heads/${name.slice(BRANCHES.length)}`)
  return name.startsWith(OTHERS) && !refs.has(STALE + name.slice(OTHERS.length))
}

async function readHere(objects: Objects, oid: Oid): Promise<GitObject | undefined> {
  return (await objects.has(oid)) ? objects.read(oid) : undefined
}

function linksOf({ type, body }: GitObject): ReturnType<typeof unpackLinks> | undefined {
  const packed = readLinks(type, body)
  return packed && unpackLinks(packed)
}

function namedBy(object: GitObject): Oid[] {
  if (object.type === 'tree')
    return decodeTree(object.body).flatMap(({ mode, oid }) => (isGitlinkMode(mode) ? [] : [oid]))
  const links = linksOf(object)
  if (links?.kind === 'commit') return [links.tree, ...links.parents]
  return links?.kind === 'tag' ? [links.target] : []
}
