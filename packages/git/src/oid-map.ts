/**
 * OidMap: a small number for each of very many oids, in typed arrays.
 *
 * A `Map` of a million strings takes 150 MB; this takes 37. The hash depends on random numbers of this process, since
 * whoever sends a tree chooses the oids in it and could make them all collide.
 *
 * @module
 */
import { enlarge, release } from './memory.ts'
import { encodeOid, OID_BYTES, readOid, type Oid } from './oid.ts'

// Drawn when they are first needed: a Worker has no random numbers before its first request.
let drawn: Int32Array | undefined
const NONE = -1

/** Oids in the order in which they were added, each once, each with a value from 0 to 255. */
export class OidMap {
  #oids = new Uint8Array(64 * OID_BYTES)
  #values = new Uint8Array(64)
  /** Place of an oid, plus one; 0 where nothing is. */
  #slots = new Uint32Array(128)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Where the oid whose bytes begin at `start` was put; -1 when it was not. */
  find(bytes: Uint8Array, start = 0): number {
    const slot = this.#slotOf(bytes, start)
    return (this.#slots[slot] ?? 0) - 1
  }

  /** Puts the oid in, unless it is there, and tells where it is. A new one has the value 0. */
  add(bytes: Uint8Array, start = 0): number {
    const slot = this.#slotOf(bytes, start)
    const there = (this.#slots[slot] ?? 0) - 1
    if (there !== NONE) return there
    const place = this.#size++
    if (place === this.#values.length) this.#grow()
    const at = place * OID_BYTES
    // A view for each of a hundred thousand would be 10 MB of garbage.
    for (let i = 0; i < OID_BYTES; i++) this.#oids[at + i] = bytes[start + i] ?? 0
    this.#slots[this.#slotOf(bytes, start)] = place + 1
    return place
  }

  value(place: number): number {
    return this.#values[place] ?? 0
  }

  setValue(place: number, value: number): void {
    this.#values[place] = value
  }

  oid(place: number): Oid {
    return readOid(this.#oids, place * OID_BYTES)
  }

  /** The oid as bytes: a view, valid until the next one is added. */
  oidBytes(place: number): Uint8Array {
    return this.#oids.subarray(place * OID_BYTES, (place + 1) * OID_BYTES)
  }

  /** Gives its memory back now; nothing may be asked afterwards. */
  release(): void {
    release(this.#oids, this.#values, this.#slots)
  }

  /** Another map with the same oids, places and values. */
  copy(): OidMap {
    const copy = new OidMap()
    copy.#oids = this.#oids.slice()
    copy.#values = this.#values.slice()
    copy.#slots = this.#slots.slice()
    copy.#size = this.#size
    return copy
  }

  /** A map without some oids, in which the others may have other places; this one where there are none to leave out. */
  without(oids: readonly Oid[]): OidMap {
    if (oids.length === 0) return this
    const left = new OidMap()
    const dropped = new Set(oids.map((oid) => this.find(encodeOid(oid))))
    for (let place = 0; place < this.size; place++) {
      if (!dropped.has(place)) left.setValue(left.add(this.oidBytes(place)), this.value(place))
    }
    return left
  }

  #slotOf(bytes: Uint8Array, start: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash(bytes, start) & mask; ; slot = (slot + 1) & mask) {
      const place = (this.#slots[slot] ?? 0) - 1
      if (place === NONE || this.#isAt(place, bytes, start)) return slot
    }
  }

  #isAt(place: number, bytes: Uint8Array, start: number): boolean {
    const at = place * OID_BYTES
    for (let i = 0; i < OID_BYTES; i++) if (this.#oids[at + i] !== bytes[start + i]) return false
    return true
  }

  #grow(): void {
    const capacity = this.#values.length * 2
    this.#oids = enlarge(this.#oids, new Uint8Array(capacity * OID_BYTES))
    this.#values = enlarge(this.#values, new Uint8Array(capacity))
    release(this.#slots)
    this.#slots = new Uint32Array(capacity * 2)
    const mask = this.#slots.length - 1
    for (let place = 0; place < this.#size - 1; place++) {
      let slot = hash(this.#oids, place * OID_BYTES) & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = place + 1
    }
  }
}

function hash(bytes: Uint8Array, start: number): number {
  drawn ??= crypto.getRandomValues(new Int32Array(6)).map((seed) => seed | 1)
  const seeds = drawn
  let mixed = seeds[5] ?? 0
  for (let i = 0; i < 5; i++) {
    const at = start + 4 * i
    const word =
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)
    mixed = Math.imul(mixed ^ word, seeds[i] ?? 1)
    mixed ^= mixed >>> 15
  }
  return mixed
}
