/**
 * Index files: our index of a pack that Git made, worked out when it is first asked for.
 *
 * The pack is read once from end to end; every object is inflated and named on the way. What comes of it is kept as
 * `datakit/index/<id>`.
 *
 * @module
 */
import { stat } from 'node:fs/promises'

import { EMPTY_TREE, readOid } from '@datakit/git/oid'
import type { PackId } from '@datakit/git/place'
import { distinctRows } from '@datakit/git/pack/distinct-rows'
import { findRow, type PackTable } from '@datakit/git/pack/pack-table'
import { readPack } from '@datakit/git/pack/read-pack'
import { nodeRuntime } from '@datakit/git/runtime/node'

import { ifThere, replaceFile } from './durable.ts'
import type { GitFiles } from './git-files.ts'
import { piecesOf } from './pack-files.ts'

/** The indexes of one Git directory. */
export class IndexFiles {
  readonly #files: GitFiles
  readonly #making = new Map<PackId, Promise<void>>()

  constructor(files: GitFiles) {
    this.#files = files
  }

  /** Bytes of our index of a pack. @throws MissingError when the pack is gone */
  async read(id: PackId, start: number, end: number): Promise<Uint8Array> {
    // Whoever opens the index of a pack that is gone is told so, though the index may be there; who has opened it reads on.
    if (start === 0) await this.#files.pathOf(id)
    const path = await this.#files.indexPathOf(id)
    if ((await ifThere(stat(path))) === undefined) await this.#makeOnce(id, path)
    return await this.#files.open.read(path, start, end)
  }

  async #makeOnce(id: PackId, path: string): Promise<void> {
    const making = this.#making.get(id) ?? this.#make(id, path)
    this.#making.set(id, making)
    try {
      await making
    } finally {
      this.#making.delete(id)
    }
  }

  async #make(id: PackId, path: string): Promise<void> {
    const pack = `${await this.#files.pathOf(id)}.pack`
    const read = (start: number, end: number) => this.#files.open.read(pack, start, end)
    const writer = { read, write: async () => {} }
    const options = { runtime: nodeRuntime, writer, allowsRepeats: true }
    const { table } = await readPack(piecesOf(read), options)
    const rows = distinctRows(table)
    await replaceFile(`${this.#files.derived}/index`, path, rows.encodeIndex())
    if (lacksEmptyTree(rows)) await this.#files.loose.addEmptyTree()
    const isPromisor = this.#files.packs.find(id)?.promisor === true
    if (isPromisor) await this.#files.promisors.remember(id, rows)
  }
}

/** Whether a commit has the empty tree and the pack does not, as where nobody ever wrote it. */
function lacksEmptyTree(table: PackTable): boolean {
  for (let row = 0; row < table.count; row++) {
    if (table.type(row) !== 'commit') continue
    const links = table.packedLinks(row)
    if (links !== undefined && readOid(links.oids, 0) === EMPTY_TREE)
      return findRow(table, EMPTY_TREE) < 0
  }
  return false
}
