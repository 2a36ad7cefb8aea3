/**
 * The work on a corpus that the benchmark of the store is about, the same for each side.
 *
 * @module
 */
import { corpusFile, corpusPath, type CorpusOptions } from '../support/corpus.ts'
import type { Change } from './bench-page.ts'

/** How many commits are compared with their parents. */
export const DIFFS = 50

/** Changes of one file each, another one in each revision. */
export function changes(corpus: CorpusOptions, count: number, revision: number): Change[] {
  return Array.from({ length: count }, (_, i) => {
    const file = ((revision + i) * 37) % corpus.files
    return [corpusPath(file, corpus.layout), corpusFile(file, revision + i)] as const
  })
}

/** Ten changes; those of the two sides do not meet. */
export function tenChanges(corpus: CorpusOptions, side: 0 | 1): Change[] {
  const step = Math.floor(corpus.files / 20)
  return Array.from({ length: 10 }, (_, i) => {
    const file = (2 * i + side) * step
    return [corpusPath(file, corpus.layout), corpusFile(file, 9500 + side)] as const
  })
}

/** Paths of all files. */
export function allPaths({ files, layout }: CorpusOptions): string[] {
  return Array.from({ length: files }, (_, i) => corpusPath(i, layout))
}

/** Paths of a hundred files, all over the corpus, without the first. */
export function hundredPaths(corpus: CorpusOptions): string[] {
  const { files, layout } = corpus
  return Array.from({ length: 100 }, (_, i) =>
    corpusPath(Math.floor((i * (files - 1)) / 100) + 1, layout),
  )
}

/** The middle one of some figures. */
export function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0
}
