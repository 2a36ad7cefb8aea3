/**
 * The Worker over a bucket that takes one write a second to a key, as R2 does and a local R2 does not.
 *
 * @module
 */
import { Coordinator as Plain } from '../src/coordinator.ts'
import type { Environment } from '../src/environment.ts'
import worker from '../src/main.ts'
import { faultyBucket } from '../../packages/storage/test/faulty-bucket.ts'

/** Milliseconds between two writes to a key. */
const WRITE_INTERVAL = 1000

function throttled(environment: Environment): Environment {
  // Local workerd runs no timer while reads follow on each other without a pause: the delay lets those who wait go on.
  const faults = { sharedWriteInterval: WRITE_INTERVAL, delay: 1 }
  const bucket = faultyBucket(environment.BUCKET, faults)
  // The Worker uses no more of R2 than the bucket has.
  return { ...environment, BUCKET: bucket as unknown as R2Bucket }
}

export class Coordinator extends Plain {
  constructor(context: DurableObjectState, environment: Environment) {
    super(context, throttled(environment))
  }
}

// oxlint-disable-next-line import/no-default-export -- a Worker is its module's default export
export default {
  fetch: (request, environment, context) => worker.fetch(request, throttled(environment), context),
} satisfies ExportedHandler<Environment>
