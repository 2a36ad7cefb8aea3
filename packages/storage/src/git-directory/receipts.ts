/**
 * Receipts: how earlier updates ended, `datakit/receipts`, a line each: `id digest milliseconds outcome version`.
 *
 * The file only grows, by single writes, so that processes need no lock to add to it; a line that was cut by a crash is
 * passed over. When it is large it is set aside as `receipts.<milliseconds>`, and a file that was set aside goes when all
 * its receipts may be forgotten.
 *
 * @module
 */
import { rename, stat } from 'node:fs/promises'

import { text } from '@datakit/git/bytes'

import { KEPT_RECEIPTS, RECEIPT_LIFETIME, type KeptReceipt } from '../update.ts'
import { appendSynced, ifThere, removeIfThere, syncDirectory } from './durable.ts'
import { FileCache } from './file-cache.ts'
import { namesIn } from './object-directories.ts'

/** Length at which the file is set aside, in bytes: about 7,000 receipts. */
const LARGE = 1 << 20

/** The receipts of one Git directory. */
export class Receipts {
  readonly #directory: string
  readonly #files = new FileCache(decodeReceipts)

  /** `directory` is our own inside the Git directory. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** How the update with an id ended. */
  find(id: string): KeptReceipt | undefined {
    for (const name of this.#names()) {
      const receipt = this.#files.read(`${this.#directory}/${name}`)?.get(id)
      if (receipt !== undefined) return receipt
    }
    return undefined
  }

  /** Adds a receipt, on the disk when the promise resolves; does nothing if it is there. */
  async add(receipt: KeptReceipt): Promise<void> {
    if (this.find(receipt.id) !== undefined) return
    const { id, digest, at, outcome, version } = receipt
    const isFirst = (await ifThere(stat(`${this.#directory}/receipts`))) === undefined
    // The line feed in front ends a line that a crash cut.
    await appendSynced(
      `${this.#directory}/receipts`,
      `\n${id} ${digest} ${at} ${outcome} ${version}\n`,
    )
    if (isFirst) await syncDirectory(this.#directory)
  }

  /** Sets a large file aside and forgets what may be forgotten. Call it where updates exclude each other. */
  async rotate(now: number): Promise<void> {
    const current = await ifThere(stat(`${this.#directory}/receipts`))
    if (current === undefined || current.size < LARGE) return
    await rename(`${this.#directory}/receipts`, `${this.#directory}/receipts.${now}`)
    let newer = 0
    for (const name of this.#names()) {
      const path = `${this.#directory}/${name}`
      const receipts = this.#files.read(path) ?? new Map<string, KeptReceipt>()
      const newest = Math.max(0, ...[...receipts.values()].map(({ at }) => at))
      if (newer >= KEPT_RECEIPTS && newest < now - RECEIPT_LIFETIME) await removeIfThere(path)
      newer += receipts.size
    }
  }

  /** Names of the files, newest first. */
  #names(): string[] {
    const aside = namesIn(this.#directory).filter((name) => /^receipts\.\d+$/.test(name))
    return ['receipts', ...aside.sort((a, b) => Number(b.slice(9)) - Number(a.slice(9)))]
  }
}

function decodeReceipts(bytes: Uint8Array): ReadonlyMap<string, KeptReceipt> {
  const receipts = new Map<string, KeptReceipt>()
  for (const line of text(bytes).split('\n')) {
    const match = /^([0-9a-f]{32,}) ([0-9a-f]{40}) (\d+) (done|lost) ([0-9a-f]{40})$/.exec(line)
    if (match === null) continue
    const [, id = '', digest = '', at = '', outcome, version = ''] = match
    receipts.set(id, {
      id,
      digest,
      at: Number(at),
      outcome: outcome === 'done' ? 'done' : 'lost',
      version,
    })
  }
  return receipts
}
