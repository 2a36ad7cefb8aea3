/**
 * The storage of this browser: asked to keep what is here, and watched before it is full.
 *
 * @module
 */
import { signal, type ReadonlySignal } from '@preact/signals'

/** Below so many bytes a person is warned. */
const LITTLE = 20_000_000
/** From this share of the quota on, too. */
const MOST = 0.95
/** Between two questions to a person, in milliseconds; only some browsers ask one. */
const WEEK = 7 * 24 * 3_600_000
/** Between two looks, in milliseconds. */
const PAUSE = 10_000
const ASKED = 'datakit-asked-to-keep'

const left = signal<number | undefined>(undefined)
let looked = 0

/** Bytes that are left for this site, while they are few; `undefined` otherwise, and where the browser does not tell. */
export const littleLeft: ReadonlySignal<number | undefined> = left

/**
 * Asks the browser not to delete what this site keeps, once there is something to lose. Whether it does not. Never
 * rejects.
 */
export async function askToKeep({ byPerson = false } = {}): Promise<boolean> {
  try {
    if (await navigator.storage.persisted()) return true
    const asked = Number(localStorage.getItem(ASKED) ?? 0)
    if (!byPerson && Date.now() - asked < WEEK) return false
    localStorage.setItem(ASKED, String(Date.now()))
    return await navigator.storage.persist()
  } catch {
    // Not every browser has it, or lets every page have it.
    return false
  }
}

/** Looks how much room there is, unless somebody just did. Never rejects. */
export async function watchStorage(): Promise<void> {
  if (Date.now() - looked < PAUSE) return
  looked = Date.now()
  await measureStorage()
}

/** Looks how much room there is. Never rejects. */
export async function measureStorage(): Promise<void> {
  try {
    const { usage = 0, quota = Infinity } = await navigator.storage.estimate()
    const isLittle = quota - usage < LITTLE || usage > quota * MOST
    left.value = isLittle ? Math.max(0, quota - usage) : undefined
  } catch {
    left.value = undefined
  }
}
