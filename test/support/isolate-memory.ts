/**
 * Memory of an isolate: what the Worker holds while something runs, as the inspector of workerd tells it.
 *
 * A local workerd enforces no limit, so what would be too much at the edge has to be measured: the heap of V8 and the
 * buffers behind typed arrays, garbage that was not collected yet included.
 *
 * Spec: https://chromedevtools.github.io/devtools-protocol/v8/Runtime/#method-getHeapUsage
 *
 * @module
 */
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds between two samples. */
const INTERVAL = 50

/** What was seen. */
export interface MemorySeen {
  /** Most bytes of heap and buffers together. */
  readonly peak: number
  readonly samples: number
}

interface HeapUsage {
  readonly usedSize: number
  readonly backingStorageSize: number
}

/** Watches the isolate of the Worker whose inspector listens on a port of the loopback. */
export class IsolateMemory {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (usage: HeapUsage) => void>()
  #asked = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const { id, result } = JSON.parse(String(data)) as { id?: number; result: HeapUsage }
      if (id === undefined) return
      this.#waiting.get(id)?.(result)
      this.#waiting.delete(id)
    })
  }

  /** Connects. @throws Error when no Worker of ours is there */
  static async open(port: number): Promise<IsolateMemory> {
    const answer = await fetch(`http://127.0.0.1:${port}/json`)
    const targets = (await answer.json()) as { id: string; webSocketDebuggerUrl: string }[]
    const url = targets.find(({ webSocketDebuggerUrl }) =>
      webSocketDebuggerUrl.includes('core:user'),
    )?.webSocketDebuggerUrl
    if (url === undefined) throw new Error(`No Worker can be inspected on port ${port}`)
    const socket = new WebSocket(url)
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error(`Cannot inspect ${url}`)))
    })
    return new IsolateMemory(socket)
  }

  /** Runs something, and tells what the isolate held meanwhile. */
  async during(run: () => Promise<unknown>): Promise<MemorySeen> {
    const seen = { peak: 0, samples: 0 }
    let runs = true
    const sampling = (async () => {
      while (runs) {
        const { usedSize, backingStorageSize } = await this.#usage()
        seen.peak = Math.max(seen.peak, usedSize + backingStorageSize)
        seen.samples++
        await pause(INTERVAL)
      }
    })()
    try {
      await run()
    } finally {
      runs = false
    }
    await sampling
    return seen
  }

  close(): void {
    this.#socket.close()
  }

  #usage(): Promise<HeapUsage> {
    const id = ++this.#asked
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve)
      this.#socket.send(JSON.stringify({ id, method: 'Runtime.getHeapUsage' }))
    })
  }
}
