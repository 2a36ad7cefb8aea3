/**
 * Whether what came from the server is proved: every object under its own name, and everything there that it names.
 *
 * A sync moves refs as soon as their heads are checked, so that nobody waits for the rest. Until that is proved too, what is here
 * is not known to be what the server has. What is proved is written down pack by pack, so a page that is closed meanwhile leaves
 * the rest to the next one.
 *
 * @module
 */
import { computed, signal, type ReadonlySignal } from '@preact/signals'
import type { RepositoryStore } from './data.ts'
import { isOfObjects } from './trouble.ts'

/** How far what came from the server is proved. */
export type Proof =
  | 'proved'
  /** Some of it is not, yet. */
  | 'checking'
  /** Some of it is not what it should be. */
  | 'damaged'

/** Milliseconds that something may be open before this page proves it: a worker that syncs, in any page, is at it already. */
const PATIENCE = 1_000

/** Has what came from the server proved, and knows how that went. */
export class ProofWatch {
  readonly state: ReadonlySignal<Proof>
  readonly #store: Pick<RepositoryStore, 'keepUp'>
  readonly #hasOpen = signal(false)
  readonly #damage = signal<string | undefined>(undefined)
  #timer: ReturnType<typeof setTimeout> | undefined
  #running: Promise<void> | undefined
  #isDue = false
  /** How often something was found damaged, and how often it had been when the last sync that is over began. */
  #found = 0
  #asked = 0
  #isStopped = false

  constructor(store: Pick<RepositoryStore, 'keepUp'>) {
    this.#store = store
    this.state = computed(() => {
      if (this.#damage.value !== undefined) return 'damaged'
      return this.#hasOpen.value ? 'checking' : 'proved'
    })
  }

  /** What is wrong with what the server sent, what was done about it and what comes next, for people. */
  get damage(): ReadonlySignal<string | undefined> {
    return this.#damage
  }

  /** Takes in whether all is proved that is here, and has the rest proved if nobody else does. */
  note(isProved: boolean): void {
    this.#hasOpen.value = !isProved
    // What is damaged stays so until a sync brings it again.
    if (isProved || this.#isStopped || this.state.value === 'damaged') return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.state.value === 'checking') void this.keepUp()
    }, PATIENCE)
  }

  /**
   * Whether something could not be read, for all that is known, because of what the server sent: then this device is not to
   * blame. It is taken back, and that is said.
   */
  explains(failure: unknown): boolean {
    return this.state.value !== 'proved' && isOfObjects(failure)
  }

  /** Has what a sync brought proved that begins now: to be called when that is over. What was damaged before, it asks for anew. */
  beginSync(): () => Promise<void> {
    const found = this.#found
    return () => {
      this.#asked = found
      return this.keepUp()
    }
  }

  /** Does what nobody waits for, and once more when it was asked for meanwhile. Never rejects. */
  keepUp(): Promise<void> {
    this.#isDue = true
    this.#running ??= this.#rounds()
    return this.#running
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #rounds(): Promise<void> {
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false
      try {
        const [damage] = await this.#store.keepUp()
        if (damage !== undefined) this.#found++
        // That what is left is whole does not mean that what was taken back has come.
        if (damage !== undefined || this.#asked === this.#found) this.#damage.value = damage
      } catch (error) {
        // It goes on after the next sync, and until then nobody says that all is proved.
        console.warn(error)
      }
    }
    this.#running = undefined
  }
}
