/** Hostile packs that wait for their proof, in the runtime of Workers and over R2. */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { plainBucket } from '../../../../worker/test/r2-modes.ts'
import { provesNoHostilePack } from '../../test/hostile-proof.ts'
import { randomId } from '../update.ts'
import { r2Depot } from './depot.ts'

provesNoHostilePack(nodeRuntime, () => r2Depot(plainBucket).open(`hostile/${randomId()}`))
