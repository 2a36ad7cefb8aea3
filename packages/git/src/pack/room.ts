/**
 * Room: memory for one object after the other.
 *
 * An array for each of a hundred thousand objects would be garbage of all of them together, which a collector lets grow
 * to half of what a Worker has.
 *
 * @module
 */
/** Larger objects get memory of their own. */
const LARGE = 2 * 1024 * 1024

/** Gives memory for an object of `size` bytes. What was given before is overwritten. */
export type MakeRoom = (size: number) => Uint8Array<ArrayBuffer>

/** A room that grows with what is put into it, to twice as much. */
export function reusedRoom(): MakeRoom {
  let room = new Uint8Array(0)
  return (size) => {
    if (size > LARGE) return new Uint8Array(size)
    if (size > room.length) room = new Uint8Array(2 * size)
    return room.subarray(0, size)
  }
}
