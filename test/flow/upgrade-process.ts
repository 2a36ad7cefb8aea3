/**
 * A process of its own that opens a configuration record and goes over to one version of its defaults after the other, for ever:
 * `DIRECTORY FROM`. Prints the number of each that it has reached.
 *
 * @module
 */
import { ConfigRecord } from '@datakit/datakit/records/config-record'
import { int, string } from '@datakit/datakit/records/field'
import { Repository } from '@datakit/datakit/repository'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { openGitDirectory } from '@datakit/storage/git-directory'
import { writeSync } from 'node:fs'

/** A record whose defaults all say which version they are of. */
export async function openRecord(repository: Repository, schema: number) {
  return ConfigRecord.open(repository, {
    layers: ['user', 'defaults'],
    state: 'state',
    schema,
    fields: {
      'vm/memory': int(schema),
      'vm/cpus': int(schema),
      'proxy/http': string(`http://proxy-${schema}`),
      kept: int(1),
    },
  })
}

/** Opens the repository in a Git directory, with a person's name. */
export async function openRepository(directory: string): Promise<Repository> {
  return Repository.open(await openGitDirectory(directory), {
    runtime: nodeRuntime,
    identity: () => ({ name: 'Ada', address: 'ada@example.org' }),
  })
}

const [, program = '', directory = '', from = '1'] = process.argv
if (program.endsWith('upgrade-process.ts')) {
  const repository = await openRepository(directory)
  for (let n = Number(from); ; n++) {
    const record = await openRecord(repository, n)
    await record.upgrade(n)
    writeSync(1, `${n}\n`)
  }
}
