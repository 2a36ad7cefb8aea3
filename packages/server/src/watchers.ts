/**
 * Watchers: who listens to which repository, within the limits of the server.
 *
 * A listener has to show now and then that it is alive: a Worker whose client is gone may be ended without a word, and would
 * keep its place for ever. One that was taken for dead and is not, as its client reads slowly, comes in again if there is
 * room.
 *
 * @module
 */
import { Slot } from '@datakit/datakit/watch'
import type { Objects } from '@datakit/git/objects'
import type { Limits } from './limits.ts'
import { ProblemError } from './problem.ts'
import { WatchHub } from './watch-hub.ts'

/** Hubs that nobody listens to and that are kept for those who come back: they know what changed lately. */
const MAX_IDLE = 4

/** Looks that a listener may miss before it counts as dead. */
const MISSED = 3

/** All listeners of a server. */
export class Watchers {
  readonly #limits: Limits
  /** By name of the repository, in the order of their use, the last one at the end. */
  readonly #hubs = new Map<string, WatchHub>()
  readonly #listeners = new Set<Listener>()
  readonly #stopping: AbortSignal | undefined

  /** `stopping` is aborted when the server stops. */
  constructor(limits: Limits, stopping: AbortSignal | undefined) {
    this.#limits = limits
    this.#stopping = stopping
    stopping?.addEventListener('abort', () => {
      for (const { slot } of this.#listeners) slot.ring()
    })
  }

  /** Whether the server stops, and streams have to end. */
  get isStopping(): boolean {
    return this.#stopping?.aborted === true
  }

  /** Lets a listener in. @throws ProblemError `busy` when there are too many */
  admit(name: string, objects: Objects): Listener {
    const hub = this.#hubOf(name, objects)
    const poll = this.#pollOf(objects)
    const listener = new Listener({ name, hub, poll, enter: (who) => this.#enter(who) })
    listener.touch()
    return listener
  }

  #enter(listener: Listener): () => void {
    for (const each of this.#listeners) if (each.isDead) each.leave()
    const { name, hub, slot } = listener
    const { listeners, listenersOfOne } = this.#limits
    if (this.#listeners.size >= listeners || hub.size >= listenersOfOne) {
      throw new ProblemError(
        'busy',
        `Cannot watch "${name}": ${hub.size} listen to it already, and ${this.#listeners.size} in all; come again later, or sync now and then`,
        { 'retry-after': '30' },
      )
    }
    const stop = hub.listen(() => slot.ring())
    this.#listeners.add(listener)
    return () => {
      stop()
      this.#listeners.delete(listener)
      if (!hub.exists && this.#hubs.get(name) === hub) this.#hubs.delete(name)
    }
  }

  #hubOf(name: string, objects: Objects): WatchHub {
    const known = this.#hubs.get(name)
    // What nobody listens to may have been removed and made again elsewhere.
    const isGood = known?.exists === true && (known.size > 0 || known.objects === objects)
    const hub = isGood ? known : new WatchHub(objects, this.#pollOf(objects))
    this.#hubs.delete(name)
    this.#hubs.set(name, hub)
    const idle = [...this.#hubs].filter(([, { size }]) => size === 0)
    for (const [each] of idle.slice(0, Math.max(0, idle.length - 1 - MAX_IDLE)))
      this.#hubs.delete(each)
    return hub
  }

  #pollOf({ place }: Objects): number {
    const { listenerPoll, listenerSilence } = this.#limits
    return place.traits.hearsOthers ? listenerSilence : listenerPoll
  }
}

/** What a listener is made of. */
interface ListenerParts {
  readonly name: string
  readonly hub: WatchHub
  readonly poll: number
  /** Takes a place; gives how it is given back. @throws ProblemError `busy` */
  readonly enter: (listener: Listener) => () => void
}

/** Somebody who listens to a repository. */
export class Listener {
  readonly name: string
  readonly hub: WatchHub
  /** Rings when there may be something to see, or the server stops. */
  readonly slot = new Slot()
  /** Milliseconds between two looks that nobody hinted at. */
  readonly poll: number
  readonly #enter: ListenerParts['enter']
  #seenAt = 0
  #exit: (() => void) | undefined

  constructor({ name, hub, poll, enter }: ListenerParts) {
    this.name = name
    this.hub = hub
    this.poll = poll
    this.#enter = enter
  }

  /** Whether nothing was seen of it for longer than it waits at a time. */
  get isDead(): boolean {
    return Date.now() - this.#seenAt > MISSED * this.poll
  }

  /** Shows that it lives. @throws ProblemError `busy` when it was taken for dead, and others have its place */
  touch(): void {
    this.#exit ??= this.#enter(this)
    this.#seenAt = Date.now()
  }

  /** Lets the next one in. */
  leave(): void {
    this.#exit?.()
    this.#exit = undefined
  }
}
