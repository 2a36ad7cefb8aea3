import { describe, expect, it } from 'vitest'
import { nextTurn, Turns } from './turns.ts'

/** Keeps the thread busy for so many milliseconds. */
function work(milliseconds: number): void {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

describe('long work in slices', () => {
  it('lets a message through between two slices, and none within one', async () => {
    const order: string[] = []
    const { port1, port2 } = new MessageChannel()
    port1.addEventListener('message', () => order.push('key'))
    port1.start()
    const turns = new Turns()
    port2.postMessage('key')
    await turns.give()
    order.push('work')
    work(20)
    await turns.give()
    order.push('more work')
    port1.close()
    expect(order).toEqual(['work', 'key', 'more work'])
  })

  it('gives a turn to whoever waits', async () => {
    let hasRun = false
    setTimeout(() => (hasRun = true))
    for (let i = 0; i < 1000 && !hasRun; i++) await nextTurn()
    expect(hasRun).toBe(true)
  })
})
