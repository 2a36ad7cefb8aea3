/**
 * NodeFilter: what a filter lets pass, of the objects of a graph.
 *
 * Types and sizes come out of the indexes: nothing is read to be left out.
 *
 * @module
 */
import type { ObjectFilter } from '../protocol/filter.ts'
import type { ObjectType } from '../object.ts'
import type { Node, ObjectGraph } from './graph.ts'

/** A filter over a graph. Without one everything passes. */
export class NodeFilter {
  readonly #graph: ObjectGraph
  readonly #filter: ObjectFilter | undefined

  constructor(graph: ObjectGraph, filter: ObjectFilter | undefined) {
    this.#graph = graph
    this.#filter = filter
  }

  /** Depth from which on trees and blobs stay away. */
  get treeDepth(): number {
    return this.#filter?.treeDepth ?? Infinity
  }

  /** Whether it has to be known how deep an object lies. */
  get countsDepth(): boolean {
    return this.treeDepth !== Infinity
  }

  /** Whether the trees of commits have to be looked at. */
  get looksIntoTrees(): boolean {
    return this.treeDepth > 0 && (this.passesType('tree') || this.passesType('blob'))
  }

  passesType(type: ObjectType): boolean {
    return this.#filter?.types?.has(type) !== false
  }

  /** Whether no blob passes, whatever its size. */
  get passesNoBlob(): boolean {
    return this.#filter?.blobLimit === 0 || !this.passesType('blob')
  }

  /** Whether a located tree or blob passes, so far below a commit. */
  passes(node: Node, depth: number): boolean {
    const filter = this.#filter
    if (filter === undefined) return true
    const type = this.#graph.type(node)
    if (depth >= filter.treeDepth || !this.passesType(type)) return false
    return type !== 'blob' || this.#passesSize(node, filter.blobLimit)
  }

  /** Whether a receiver that always filtered so may be trusted to have an object that its commits reach. */
  keeps(node: Node): boolean {
    if (this.#filter === undefined) return true
    return !this.countsDepth && this.#graph.isLocated(node) && this.passes(node, 0)
  }

  #passesSize(node: Node, limit: number): boolean {
    if (limit === Infinity || limit === 0) return limit !== 0
    const { index, ordinal } = this.#graph.stored(node)
    return index.size(ordinal) < limit
  }
}
