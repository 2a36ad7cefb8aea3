/** Hostile packs that wait for their proof, in memory: with what Node has, and with what browsers have. */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { portableRuntime } from '@datakit/git/runtime/portable'
import { describe } from 'vitest'
import { provesNoHostilePack } from '../test/hostile-proof.ts'
import { memoryPlace } from './memory.ts'

describe.each([
  ['node:zlib', nodeRuntime],
  ['the portable inflate', portableRuntime],
])('with %s', (_, runtime) => provesNoHostilePack(runtime, async () => memoryPlace()))
