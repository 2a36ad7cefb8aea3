/**
 * Stock Git as the judge: a bare repository in a folder of its own, and the way of objects between it and a place.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ObjectType } from '@datakit/git/object'
import { parseOid, type Oid } from '@datakit/git/oid'
import { encodePack, type PackObject } from '@datakit/git/pack/write-pack'
import type { Place } from '@datakit/git/place'
import { nodeRuntime } from '@datakit/git/runtime/node'

/** What a program printed, and how it ended. */
export interface Result {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const environment = {
  PATH: process.env['PATH'],
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_SYSTEM: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.org',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.org',
  LC_ALL: 'C',
}

/** A bare repository that stock Git keeps. */
export class StockGit {
  readonly directory: string

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), 'datakit-'))
    this.run(['init', '-q', '--bare', '-b', 'main'])
  }

  /** Runs git here and gives what it printed, without the last line end. Throws when it fails. */
  run(args: readonly string[], input: string | Uint8Array = ''): string {
    const options = { cwd: this.directory, input, env: environment, maxBuffer: 1 << 28 }
    return execFileSync('git', args, { ...options, stdio: 'pipe' })
      .toString()
      .replace(/\n$/, '')
  }

  /** Runs git here, whatever its exit status. */
  try(args: readonly string[]): Result {
    const options = { cwd: this.directory, env: environment, maxBuffer: 1 << 28 }
    const { status, stdout, stderr } = spawnSync('git', args, options)
    return { status: status ?? -1, stdout: stdout.toString(), stderr: stderr.toString() }
  }

  oid(name: string): Oid {
    return parseOid(this.run(['rev-parse', '--verify', name]))
  }

  /** Takes over every pack and every ref of a place, and lets fsck look at them. */
  async take(place: Place): Promise<void> {
    const state = await place.read()
    // Not `--strict`, which wants what a pack builds on to come before it: fsck looks when all are there.
    for (const { id, size } of state.packs)
      this.run(['index-pack', '--fix-thin', '--stdin'], await place.readPack(id, 0, size))
    let refs = ''
    for await (const { name, oid } of state.refs()) refs += `update ${name} ${oid}\n`
    this.run(['update-ref', '--stdin'], refs)
    this.run(['fsck', '--full', '--strict'])
  }

  /** Puts every object and every ref into a place; not verified, its commits have no generations. */
  async give(place: Place, verified = true): Promise<void> {
    const { bytes, table } = await encodePack(nodeRuntime, this.#objects())
    const writer = await place.writePack()
    await writer.write(bytes)
    const staged = await writer.finish({ table, needs: [], verified })
    const lines = this.run(['for-each-ref', '--format=%(refname) %(objectname)']).split('\n')
    const refs = lines
      .filter((line) => line !== '')
      .map((line) => {
        const [name = '', oid = ''] = line.split(' ')
        return { name, from: undefined, to: parseOid(oid) }
      })
    const id = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('hex')
    const log = { who: 'Ada <ada@example.org>', why: 'import' }
    const outcome = await place.update({ id, refs, addPacks: [staged], log })
    if (outcome.state !== 'done') throw new Error(`The import was ${outcome.state}`)
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }

  #objects(): PackObject[] {
    const args = ['cat-file', '--batch', '--batch-all-objects', '--unordered']
    const options = { cwd: this.directory, env: environment, maxBuffer: 1 << 28 }
    const output = execFileSync('git', args, options)
    const objects: PackObject[] = []
    for (let at = 0; at < output.length;) {
      const end = output.indexOf(10, at)
      const [oid = '', type = '', size = ''] = output.toString('latin1', at, end).split(' ')
      const body = new Uint8Array(output.subarray(end + 1, end + 1 + Number(size)))
      // Git prints nothing but its four types here.
      objects.push({ oid: parseOid(oid), type: type as ObjectType, body })
      at = end + 1 + Number(size) + 1
    }
    return objects
  }
}
