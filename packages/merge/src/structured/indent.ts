/**
 * Indentation: what is taken from one side stands as deep as the items around it, which the other side may have moved.
 *
 * Only whole lines are moved. Where blanks at the beginning of a line are part of a value, the value is another one then, which
 * the proof of the result finds out.
 *
 * @module
 */
import type { DocumentNode, Layout, Part, Versions } from './document.ts'
import { pick } from './merge-text.ts'

/** An item in the versions, and what was merged of it. */
export interface MergedPart {
  readonly ours: Part | undefined
  readonly theirs: Part | undefined
  readonly merged: Part
}

/** Moves what was taken from a side as deep as the merged items of the container are. */
export function indentParts(
  parts: readonly MergedPart[],
  { base, ours, theirs }: Versions<Layout>,
): Part[] {
  const [inOurs, inTheirs] = [depthOf(ours), depthOf(theirs)]
  if (inOurs === undefined || inTheirs === undefined || inOurs === inTheirs)
    return parts.map(({ merged }) => merged)
  const inBase = base && depthOf(base)
  const isMovedByOne = inOurs === inBase || inTheirs === inBase
  const depth = isMovedByOne ? (inOurs === inBase ? inTheirs : inOurs) : pick(inOurs, inTheirs)
  return parts.map((part) => {
    if (part.ours && part.theirs) return indentValue(part)
    return movePart(part.merged, part.ours ? inOurs : inTheirs, depth)
  })
}

/** An item that both sides have: its value may be one side's, and the line that it begins on the other's. */
function indentValue({ ours, theirs, merged }: MergedPart): Part {
  const to = indentationOf(merged.before)
  const sources = [ours, theirs].filter((part) => part?.node.text === merged.node.text)
  const depths = sources.map((part) => part && indentationOf(part.before))
  const [from] = depths
  if (from === undefined || to === undefined || depths.includes(to)) return merged
  return { ...merged, node: moveNode(merged.node, from, to) }
}

function movePart(part: Part, from: string, to: string): Part {
  if (indentationOf(part.before) !== from) return part
  return {
    key: part.key,
    before: moveLines(part.before, from, to),
    label: moveLines(part.label, from, to),
    node: moveNode(part.node, from, to),
    after: moveLines(part.after, from, to),
    post: moveLines(part.post, from, to),
  }
}

function moveNode(node: DocumentNode, from: string, to: string): DocumentNode {
  if (from === to || !node.text.includes('\n')) return node
  const text = moveLines(node.text, from, to)
  if (node.kind === 'scalar') return { kind: 'scalar', value: node.value, text }
  const { kind, style, isSection, meta, items } = node
  return { kind, style, isSection, meta, items, text, layout: () => node.layout() }
}

/** All lines but the first that begin with `from` begin with `to` instead. */
function moveLines(text: string, from: string, to: string): string {
  const [first = '', ...lines] = text.split('\n')
  const moved = lines.map((line, i) => {
    const isEmpty = line.trim() === '' && i < lines.length - 1
    return line.startsWith(from) && !isEmpty ? to + line.slice(from.length) : line
  })
  return [first, ...moved].join('\n')
}

/** The blanks in front of the items of a container that begin a line; `undefined` where none does, or they differ. */
function depthOf({ parts }: Layout): string | undefined {
  const depths = new Set(parts.map(({ before }) => indentationOf(before)))
  depths.delete(undefined)
  const [depth] = depths
  return depths.size === 1 ? depth : undefined
}

function indentationOf(before: string): string | undefined {
  return /\n([ \t]*)$/.exec(before)?.[1]
}
