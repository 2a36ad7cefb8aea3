/**
 * The page of the benchmark: opens either side, once.
 *
 * @module
 */
import type { Bench } from './bench-page.ts'
import { ourBench } from './our-page.ts'
import { peerBench } from './peer-page.ts'

const opened = new Map<string, Promise<Bench>>()

globalThis.openBench = (side) => {
  const bench =
    opened.get(side) ?? Promise.resolve(side === 'ours' ? ourBench('bench') : peerBench('bench'))
  opened.set(side, bench)
  return bench
}
