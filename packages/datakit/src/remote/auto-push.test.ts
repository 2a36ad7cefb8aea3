import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../test/bundles.ts'
import { write } from '../../test/clients.ts'
import { GitServer, type GitRemote } from '../../test/git-server.ts'
import { autoPush, type AutoPushEvent, type AutoPushOptions } from './auto-push.ts'
import type { Repository } from '../repository.ts'

const server = new GitServer()
beforeAll(() => server.start())
afterAll(() => server.stop())

/** Pushes `main` of a new repository to one of Git's, and gives the events one by one. */
async function watched(options: Partial<AutoPushOptions> = {}): Promise<{
  git: GitRemote
  repository: Repository
  stop: () => void
  next: () => Promise<AutoPushEvent | undefined>
}> {
  const git = server.repository()
  const repository = await open()
  await write(repository, 'a', '0')
  const controller = new AbortController()
  const { signal } = controller
  const all = { refs: ['refs/heads/*'], quiet: 100, retryAfter: 10, signal, ...options }
  const events = autoPush(repository, git.remote, all)
  const next = async () => {
    const { value } = await events.next()
    return value ?? undefined
  }
  return { git, repository, stop: () => controller.abort(), next }
}

const states = (event: AutoPushEvent | undefined): unknown =>
  event?.state === 'waiting' ? 'waiting' : event?.outcome.refs.map(({ state }) => state)

describe('auto-push', () => {
  it('pushes what is here, then changes that come together at once', async () => {
    // Seen to fail when each change was a push of its own.
    const { git, repository, next, stop } = await watched()
    expect(states(await next())).toEqual(['created'])
    const event = next()
    // It has seen that nothing is new, and waits.
    await new Promise((resolve) => setTimeout(resolve, 50))
    const before = server.requests
    for (const content of ['1', '2', '3', '4', '5']) {
      await write(repository, 'a', content)
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
    expect(states(await event)).toEqual(['updated'])
    expect(server.requests - before).toBe(2)
    expect(git.there('show', 'main:a')).toBe('5')
    expect(git.there('rev-list', '--count', 'main')).toBe('6')
    stop()
    expect(await next()).toBeUndefined()
  })

  it('pushes though changes do not end', async () => {
    const { repository, next, stop } = await watched({ quiet: 100_000, patience: 60 })
    await next()
    const event = next()
    let isPushed = false
    void event.then(() => (isPushed = true))
    for (let i = 0; !isPushed && i < 500; i++) {
      await write(repository, 'a', `${i}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(isPushed).toBe(true)
    stop()
  })

  it('misses no change that comes while it pushes', async () => {
    const late: { write?: () => Promise<unknown> } = {}
    const { git, repository, next, stop } = await watched({
      fetch: async (url, init) => {
        const answer = await fetch(url, init)
        if (init.method === 'POST') await late.write?.()
        return answer
      },
    })
    late.write = async () => {
      late.write = undefined as never
      await write(repository, 'a', 'late')
    }
    expect(states(await next())).toEqual(['created'])
    expect(states(await next())).toEqual(['updated'])
    expect(git.there('show', 'main:a')).toBe('late')
    stop()
  })

  it('tries again while the remote is out of reach, after longer and longer', async () => {
    let isDown = true
    const { next, stop } = await watched({
      fetch: (url, init) => (isDown ? Promise.reject(new TypeError('down')) : fetch(url, init)),
    })
    const waits: number[] = []
    for (let i = 0; i < 3; i++) {
      const event = await next()
      if (event?.state === 'waiting') waits.push(event.retryAfter)
    }
    expect(waits).toEqual([10, 20, 40])
    isDown = false
    expect(states(await next())).toEqual(['created'])
    stop()
  })

  it('stops at what only a person can settle', async () => {
    const { git, repository, next } = await watched()
    await next()
    git.run('fetch', '-q', 'origin')
    git.run('checkout', '-q', '-b', 'main', 'origin/main')
    git.commit('theirs', '1')
    const event = next()
    await write(repository, 'a', '1')
    expect(await event).toMatchObject({
      state: 'stopped',
      outcome: { refs: [{ state: 'fetch-first' }] },
    })
    expect(await next()).toBeUndefined()
  })

  it('ends with the error when the token is not taken', async () => {
    const guarded = new GitServer()
    await guarded.start('secret')
    const git = guarded.repository()
    const repository = await open()
    await write(repository, 'a', '1')
    const events = autoPush(repository, git.remote, { refs: ['main'], token: 'wrong' })
    await expect(events.next()).rejects.toMatchObject({ code: 'unauthorised' })
    await guarded.stop()
  })

  it('ends at once when it is told to, also while it waits', async () => {
    const { next, stop } = await watched()
    await next()
    const end = next()
    stop()
    expect(await end).toBeUndefined()
  })
})
