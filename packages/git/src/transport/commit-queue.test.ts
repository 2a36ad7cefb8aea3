import { describe, expect, it } from 'vitest'

import { random } from '../../test/seed.ts'
import { CommitQueue } from './commit-queue.ts'

function drain(queue: CommitQueue): number[] {
  const nodes: number[] = []
  for (let node = queue.take(); node !== undefined; node = queue.take()) nodes.push(node)
  return nodes
}

describe('a queue of commits', () => {
  it('gives those without a generation first, by time, and the others by generation', () => {
    const queue = new CommitQueue()
    queue.add(1, { generation: 5, time: 900 })
    queue.add(2, { generation: 0, time: 100 })
    queue.add(3, { generation: 7, time: 50 })
    queue.add(4, { generation: 0, time: 200 })
    queue.add(5, { generation: 5, time: 901 })
    expect(drain(queue)).toEqual([4, 2, 3, 5, 1])
    expect(queue.take()).toBeUndefined()
  })

  it('keeps the order of a thousand', () => {
    const next = random()
    const queue = new CommitQueue()
    const generations = Array.from({ length: 1000 }, () => 1 + Math.floor(next() * 300))
    for (const [node, generation] of generations.entries()) queue.add(node, { generation, time: 0 })
    const taken = drain(queue).map((node) => generations[node])
    expect(taken).toEqual(generations.toSorted((a, b) => b - a))
  })
})
