/**
 * Long work on the page's thread, in slices: between two of them keys are taken and frames are drawn.
 *
 * @module
 */

/** How long a slice is, in milliseconds. */
const SLICE = 8

/** Gives way to others now and then. */
export class Turns {
  #began = performance.now()

  /** Lets everybody else take a turn, when the slice is used up. To be called often: it costs nothing in between. */
  async give(): Promise<void> {
    if (performance.now() - this.#began < SLICE) return
    await nextTurn()
    this.#began = performance.now()
  }
}

/** Resolves when what waits for the thread had its turn. A timer would wait four milliseconds more. */
export function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { port1, port2 } = new MessageChannel()
  port1.addEventListener('message', () => {
    port1.close()
    resolve()
  })
  port1.start()
  port2.postMessage(undefined)
  return promise
}
