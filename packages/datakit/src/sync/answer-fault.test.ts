import { MalformedError, MissingError, RefusedError, UnavailableError } from '@datakit/git/error'
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { expect, it } from 'vitest'
import { Repository } from '../repository.ts'
import { faultOf } from './answer-fault.ts'

const server = { url: 'https://ada:secret@example.org/config.git' }

async function withCommit(): Promise<{ readonly repository: Repository; readonly pack: string }> {
  const identity = () => ({ name: 'Ada', address: 'ada@example.org' })
  const repository = await Repository.open(memoryPlace(), { runtime: nodeRuntime, identity })
  await repository.branch('main').commit((files) => files.write('a', '1'), { message: 'One' })
  const [pack] = (await repository.store.state()).packs
  return { repository, pack: pack?.id ?? '' }
}

it.each([
  new MalformedError('the pack of an answer', 'its trailer is not its SHA-1'),
  new MissingError('what an answer to sync rests on', '1'.repeat(40)),
  new RefusedError('ref-conflict', 'Cannot create "refs/heads/a/b": "refs/heads/a" is there'),
])('blames the server that it names for $message', async (cause) => {
  const { repository } = await withCommit()
  expect(await faultOf(repository, server, cause)).toMatchObject({
    name: 'SyncError',
    code: 'malformed',
    message: `Cannot sync with https://example.org/config.git: ${cause.message}`,
    cause,
  })
})

// Seen to fail when every malformed thing is the server's.
it('blames nobody else for what is damaged here, or out of reach', async () => {
  const { repository, pack } = await withCommit()
  const damaged = new MalformedError(`pack ${pack}`, 'a chunk of it is not what was written')
  for (const error of [damaged, new UnavailableError('The disk is full'), new Error('No')])
    expect(await faultOf(repository, server, error)).toBe(error)
})
