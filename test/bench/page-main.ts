/**
 * The page of the benchmark: opens any of the sides, once.
 *
 * @module
 */
import type { Bench } from './bench-page.ts'
import { measureLimit } from './limit-page.ts'
import { ourBench } from './our-page.ts'
import { placesBench, type PlacesBench } from './places-page.ts'
import { peerBench, viewBench } from './peer-page.ts'

const sides = { ours: ourBench, peer: peerBench, view: viewBench }
const opened = new Map<string, Promise<Bench>>()

let places: Promise<PlacesBench> | undefined

globalThis.measureLimit = measureLimit

globalThis.openPlaces = () => (places ??= placesBench())

globalThis.openBench = (side) => {
  const bench = opened.get(side) ?? Promise.resolve(sides[side]('bench'))
  opened.set(side, bench)
  return bench
}
