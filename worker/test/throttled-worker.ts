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

/** Under this path a test asks how often the object of a repository came into memory. */
const STARTS = '/test-starts/'

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
    void context.blockConcurrencyWhile(async () => {
      await context.storage.put('starts', (await this.starts()) + 1)
    })
  }

  /** How often it came into memory. */
  async starts(): Promise<number> {
    return (await this.ctx.storage.get<number>('starts')) ?? 0
  }
}

// oxlint-disable-next-line import/no-default-export -- a Worker is its module's default export
export default {
  async fetch(request, environment, context) {
    const { pathname } = new URL(request.url)
    if (pathname.startsWith(STARTS)) {
      const object = environment.COORDINATOR?.getByName(pathname.slice(STARTS.length))
      // Where it is bound, it is the one above.
      return Response.json(await (object as DurableObjectStub<Coordinator> | undefined)?.starts())
    }
    return worker.fetch(request, throttled(environment), context)
  },
} satisfies ExportedHandler<Environment>
