/**
 * Writing a merge down: the lines of both sides, and markers around what is in conflict.
 *
 * @module
 */
import { MARKER_SIZE } from './driver.ts'
import { endsWithCrLf, endsWithLineFeed, sliceLines, type Lines } from './lines.ts'
import type { LineMergeOptions, LineVersions, Region, Span } from './merge-lines.ts'

/** Longer ones help nobody, and an attribute may ask for more than there is memory. */
const MAX_MARKER_SIZE = 10_000

/** The merged file: what no region covers is ours, where both sides are alike. */
export function writeMerge(
  lines: LineVersions,
  regions: readonly Region[],
  options: LineMergeOptions,
): Uint8Array {
  const writer = new Writer(lines, options)
  for (const region of regions) writer.write(region)
  return writer.finish()
}

class Writer {
  readonly #lines: LineVersions
  readonly #options: LineMergeOptions
  readonly #parts: Uint8Array[] = []
  /** The next of our lines. */
  #next = 0

  constructor(lines: LineVersions, options: LineMergeOptions) {
    this.#lines = lines
    this.#options = options
  }

  write(region: Region): void {
    const { ours, theirs } = this.#lines
    const take = region.take === 'conflict' ? (this.#options.favour ?? 'conflict') : region.take
    this.#copy(ours, { start: this.#next, count: region.ours.start - this.#next })
    const lineEnd = this.#lineEnd(region)
    if (take === 'conflict') this.#mark(region, lineEnd)
    if (take === 'ours') this.#copy(ours, region.ours)
    if (take === 'union') this.#copyClosed(ours, region.ours, lineEnd)
    if (take === 'theirs' || take === 'union') this.#copy(theirs, region.theirs)
    this.#next = region.ours.start + region.ours.count
  }

  finish(): Uint8Array {
    const { ours } = this.#lines
    this.#copy(ours, { start: this.#next, count: ours.ids.length - this.#next })
    return concat(this.#parts)
  }

  #mark({ ours: our, theirs: their, base: old }: Region, lineEnd: string): void {
    const { base, ours, theirs } = this.#lines
    const { style = 'merge', size, labels } = this.#options.markers ?? {}
    const length = size !== undefined && size > 0 ? Math.min(size, MAX_MARKER_SIZE) : MARKER_SIZE
    const mark = (character: string, label?: string): void => {
      const text = character.repeat(length) + (label === undefined ? '' : ` ${label}`) + lineEnd
      this.#parts.push(new TextEncoder().encode(text))
    }
    mark('<', labels?.ours)
    this.#copyClosed(ours, our, lineEnd)
    if (style !== 'merge') {
      mark('|', labels?.base)
      this.#copyClosed(base, old, lineEnd)
    }
    mark('=')
    this.#copyClosed(theirs, their, lineEnd)
    mark('>', labels?.theirs)
  }

  #copy(lines: Lines, { start, count }: Span): void {
    if (count > 0) this.#parts.push(sliceLines(lines, start, count))
  }

  /** Copies lines so that another may follow. */
  #copyClosed(lines: Lines, span: Span, lineEnd: string): void {
    this.#copy(lines, span)
    if (span.count > 0 && !endsWithLineFeed(lines, span.start + span.count - 1))
      this.#parts.push(new TextEncoder().encode(lineEnd))
  }

  /** How lines end around a region: as both sides' lines before it do, or their first; and as the first of the base does. */
  #lineEnd({ ours: our, theirs: their }: Region): string {
    const { base, ours, theirs } = this.#lines
    const isCrLf =
      usesCrLf(ours, Math.max(our.start - 1, 0)) !== false &&
      usesCrLf(theirs, Math.max(their.start - 1, 0)) !== false &&
      usesCrLf(base, 0) === true
    return isCrLf ? '\r\n' : '\n'
  }
}

/** Whether a line ends with CR LF, or would if it were not the last; `undefined` when nothing tells. */
function usesCrLf(lines: Lines, line: number): boolean | undefined {
  if (lines.ids.length === 0) return undefined
  const isOpen = line === lines.ids.length - 1 && !endsWithLineFeed(lines, line)
  if (!isOpen) return endsWithCrLf(lines, line)
  return line === 0 ? undefined : endsWithCrLf(lines, line - 1)
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
