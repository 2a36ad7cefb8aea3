/**
 * Three-way merge by line, byte for byte as Git does it.
 *
 * Both sides are compared with the base. A change that only one side made is taken; changes of both that overlap or touch
 * are a conflict, unless they are the same. A conflict is then narrowed down to the lines in which the sides differ, and
 * conflicts that stand close together become one.
 *
 * Whether there is a conflict, and what comes out when there is none, does not depend on which side is which.
 *
 * @module
 */
import { findChanges, type Change, type DiffAlgorithm } from './changes.ts'
import type { MarkerOptions } from './driver.ts'
import { at, LineTable, sliceLines, type Lines } from './lines.ts'
import { writeMerge } from './write-merge.ts'

/** Which side a conflict is decided for: one of them, or both, ours first. */
export type Favour = 'ours' | 'theirs' | 'union'

/** How to merge. */
export interface LineMergeOptions {
  /** `histogram` when left out. */
  readonly algorithm?: DiffAlgorithm | undefined
  /** Decides conflicts; they are marked when left out. */
  readonly favour?: Favour | undefined
  /** Makes one of two conflicts also when many lines stand between them, but no letter and no digit: `git merge-file` does. */
  readonly joinsOverBlank?: boolean | undefined
  readonly markers?: MarkerOptions | undefined
}

/** Three versions of a file; the base may be empty. */
export interface Versions {
  readonly base: Uint8Array
  readonly ours: Uint8Array
  readonly theirs: Uint8Array
}

/** Three versions as lines of one table. */
export interface LineVersions {
  readonly base: Lines
  readonly ours: Lines
  readonly theirs: Lines
}

/** A part of the file that is not taken from both sides alike: lines of each version, and whose are taken. */
export interface Region {
  readonly take: 'ours' | 'theirs' | 'conflict'
  readonly base: Span
  readonly ours: Span
  readonly theirs: Span
}

/** Lines that stand together. */
export interface Span {
  readonly start: number
  readonly count: number
}

/** A merged file, and how many conflicts are marked in it. */
export interface MergedLines {
  readonly bytes: Uint8Array
  readonly conflicts: number
}

/** Merges. Works on any bytes; what is not text should not come here. */
export function mergeLines(versions: Versions, options: LineMergeOptions = {}): MergedLines {
  const table = new LineTable()
  const lines = {
    base: table.add(versions.base),
    ours: table.add(versions.ours),
    theirs: table.add(versions.theirs),
  }
  const algorithm = options.algorithm ?? 'histogram'
  const compare = (a: Lines, b: Lines): Change[] =>
    findChanges({ a: a.ids, b: b.ids, ids: table.size }, algorithm)
  const ourChanges = compare(lines.base, lines.ours)
  if (ourChanges.length === 0) return { bytes: versions.theirs, conflicts: 0 }
  const theirChanges = compare(lines.base, lines.theirs)
  if (theirChanges.length === 0) return { bytes: versions.ours, conflicts: 0 }
  const found = new Overlay(lines, ourChanges, theirChanges).regions
  const regions = narrow(lines, found, { ...options, algorithm, ids: table.size })
  const conflicts = regions.filter(({ take }) => take === 'conflict').length
  return {
    bytes: writeMerge(lines, regions, options),
    conflicts: options.favour === undefined ? conflicts : 0,
  }
}

/** Lays the changes of both sides over each other. */
class Overlay {
  readonly regions: Region[] = []
  readonly #lines: LineVersions

  constructor(lines: LineVersions, ours: readonly Change[], theirs: readonly Change[]) {
    this.#lines = lines
    let [i, j] = [0, 0]
    for (;;) {
      const [our, their] = [ours[i], theirs[j]]
      if (our === undefined && their === undefined) return
      if (our && (!their || our.a + our.countA < their.a)) {
        this.#takeOurs(our, their)
        i++
      } else if (their && (!our || their.a + their.countA < our.a)) {
        this.#takeTheirs(their, our)
        j++
      } else if (our && their) {
        if (!this.#isSame(our, their)) this.#conflict(our, their)
        const [ourEnd, theirEnd] = [our.a + our.countA, their.a + their.countA]
        if (ourEnd >= theirEnd) j++
        if (theirEnd >= ourEnd) i++
      }
    }
  }

  /** Lines of the other side stand as far from its next change, or from its end, as those of the base. */
  #takeOurs(our: Change, their: Change | undefined): void {
    const { base, theirs } = this.#lines
    const shift = their ? their.b - their.a : theirs.ids.length - base.ids.length
    this.#add({
      take: 'ours',
      base: { start: our.a, count: our.countA },
      ours: { start: our.b, count: our.countB },
      theirs: { start: our.a + shift, count: our.countA },
    })
  }

  #takeTheirs(their: Change, our: Change | undefined): void {
    const { base, ours } = this.#lines
    const shift = our ? our.b - our.a : ours.ids.length - base.ids.length
    this.#add({
      take: 'theirs',
      base: { start: their.a, count: their.countA },
      ours: { start: their.a + shift, count: their.countA },
      theirs: { start: their.b, count: their.countB },
    })
  }

  #conflict(our: Change, their: Change): void {
    const start = Math.min(our.a, their.a)
    const end = Math.max(our.a + our.countA, their.a + their.countA)
    const spanOf = ({ a, countA, b, countB }: Change): Span => {
      const before = a - start
      return { start: b - before, count: before + countB + end - a - countA }
    }
    const base = { start, count: end - start }
    this.#add({ take: 'conflict', base, ours: spanOf(our), theirs: spanOf(their) })
  }

  /** Adds a region, or makes one of it and the last where they touch. */
  #add(region: Region): void {
    const last = this.regions.at(-1)
    const touches =
      last && (region.ours.start <= endOf(last.ours) || region.theirs.start <= endOf(last.theirs))
    if (!touches) {
      this.regions.push(region)
      return
    }
    const take = region.take === last.take ? last.take : 'conflict'
    this.regions[this.regions.length - 1] = { ...join(last, region), take }
  }

  #isSame(our: Change, their: Change): boolean {
    const isAlike = our.a === their.a && our.countA === their.countA && our.countB === their.countB
    const [a, b] = [this.#lines.ours.ids, this.#lines.theirs.ids]
    return isAlike && isEqual(a, b, { a: our.b, b: their.b, count: our.countB })
  }
}

/** What narrowing needs besides the regions. */
interface Narrowing extends LineMergeOptions {
  readonly algorithm: DiffAlgorithm
  readonly ids: number
}

/** Conflicts narrowed down to what differs. With the base shown, they are narrowed from their ends alone, or not at all. */
function narrow(lines: LineVersions, regions: readonly Region[], how: Narrowing): Region[] {
  const style = how.markers?.style ?? 'merge'
  if (style === 'diff3') return [...regions]
  if (style === 'zdiff3') return regions.map((region) => trim(lines, region))
  const split = regions.flatMap((region) => splitConflict(lines, region, how))
  const joined = joinClose(lines, split, how.joinsOverBlank === true)
  return joined.flatMap((region) => (region === SAME ? [] : region))
}

function trim({ ours, theirs }: LineVersions, region: Region): Region {
  if (region.take !== 'conflict') return region
  let { start: a, count: countA } = region.ours
  let { start: b, count: countB } = region.theirs
  for (; countA > 0 && countB > 0 && ours.ids[a] === theirs.ids[b]; countA--, countB--) {
    a++
    b++
  }
  while (countA > 0 && countB > 0 && ours.ids[a + countA - 1] === theirs.ids[b + countB - 1]) {
    countA--
    countB--
  }
  return { ...region, ours: { start: a, count: countA }, theirs: { start: b, count: countB } }
}

/** A conflict in which both did the same. It is none, but Git joins no conflicts across it. */
const SAME = 'same'

/** The parts of a conflict in which the sides differ. */
function splitConflict(
  { ours, theirs }: LineVersions,
  region: Region,
  how: Narrowing,
): (Region | typeof SAME)[] {
  const { take, base, ours: our, theirs: their } = region
  if (take !== 'conflict' || our.count === 0 || their.count === 0) return [region]
  const a = ours.ids.subarray(our.start, endOf(our))
  const b = theirs.ids.subarray(their.start, endOf(their))
  const changes = findChanges({ a, b, ids: how.ids }, how.algorithm)
  if (changes.length === 0) return [SAME]
  return changes.map((change) => ({
    take,
    base,
    ours: { start: our.start + change.a, count: change.countA },
    theirs: { start: their.start + change.b, count: change.countB },
  }))
}

/** Lines between two conflicts that are not worth ending one and beginning another. */
const CLOSE = 3

function joinClose(
  { ours }: LineVersions,
  regions: readonly (Region | typeof SAME)[],
  joinsOverBlank: boolean,
): (Region | typeof SAME)[] {
  const joined: (Region | typeof SAME)[] = []
  for (const region of regions) {
    const last = joined.at(-1)
    const isPair = region !== SAME && last !== undefined && last !== SAME
    if (isPair && last.take === 'conflict' && region.take === 'conflict') {
      const start = endOf(last.ours)
      const between = { start, count: region.ours.start - start }
      if (between.count <= CLOSE || (joinsOverBlank && isBlank(ours, between))) {
        joined[joined.length - 1] = join(last, region)
        continue
      }
    }
    joined.push(region)
  }
  return joined
}

/** Whether there is neither an ASCII letter nor a digit. */
function isBlank(lines: Lines, { start, count }: Span): boolean {
  return !sliceLines(lines, start, count).some((byte) => {
    const lower = byte | 0x20
    return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a)
  })
}

/** Both regions and what stands between them. */
function join(first: Region, second: Region): Region {
  const over = (a: Span, b: Span): Span => ({ start: a.start, count: endOf(b) - a.start })
  return {
    take: first.take,
    base: over(first.base, second.base),
    ours: over(first.ours, second.ours),
    theirs: over(first.theirs, second.theirs),
  }
}

function endOf({ start, count }: Span): number {
  return start + count
}

function isEqual(
  a: Int32Array,
  b: Int32Array,
  where: { readonly a: number; readonly b: number; readonly count: number },
): boolean {
  for (let i = 0; i < where.count; i++) if (at(a, where.a + i) !== at(b, where.b + i)) return false
  return true
}
