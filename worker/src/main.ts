/**
 * The edge: the app over an R2 bucket, which alone is enough.
 *
 * @module
 */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { LOOPBACK_HOSTS, type Access } from '@datakit/server/access'
import { createApp } from '@datakit/server/app'
import type { Care } from '@datakit/server/care'
import { parseOrigins } from '@datakit/server/cors'
import { OPEN_POLICY, withProtected } from '@datakit/server/policy'
import { protectedRefs } from '@datakit/server/protected-refs'
import { r2Depot } from '@datakit/storage/r2'
import { checkR2 } from '@datakit/storage/r2/check'
import { collectGarbage, RETENTION } from '@datakit/storage/r2/collect'
import { copyOfPack, repairR2 } from '@datakit/storage/r2/repair'
import { sweepStrays } from '@datakit/storage/r2/strays'
import { keepUp, UpkeepSchedule } from '@datakit/storage/upkeep'
import type { Environment } from './environment.ts'
import { streamOf } from './streams.ts'

export { Coordinator } from './coordinator.ts'

const setUp =
  'This Worker has no token yet, so it serves no data. Set one with "npx wrangler secret put DATAKIT_TOKEN", then use it as the password of any Git client'

// One app an isolate: its caches outlive a request, its bindings do not change.
let app: ReturnType<typeof createApp> | undefined

export default {
  fetch(
    request: Request,
    environment: Environment,
    context: ExecutionContext,
  ): Response | Promise<Response> {
    app ??= openApp(environment)
    return app.fetch(request, environment, context)
  },

  /** Keeps every repository up, those too that nobody pushes to any more. */
  async scheduled(_controller, environment): Promise<void> {
    const depot = r2Depot(environment.BUCKET)
    const retention = retentionOf(environment)
    for await (const { name, refused } of depot.list()) {
      if (refused !== undefined) continue
      // One that cannot be kept up must not keep the others from it.
      try {
        await keepUp(await depot.open(name), nodeRuntime)
        await collectGarbage(environment.BUCKET, name, nodeRuntime, { retention })
      } catch (error) {
        console.error(name, error)
      }
    }
    await sweepStrays(environment.BUCKET)
  },
} satisfies ExportedHandler<Environment>

function openApp(environment: Environment): ReturnType<typeof createApp> {
  const upkeep = new UpkeepSchedule(nodeRuntime, { log: (problem) => console.error(problem) })
  const protects = protectedRefs([environment.DATAKIT_PROTECT ?? ''])
  return createApp({
    policyOf: () => withProtected(OPEN_POLICY, protects),
    cors: parseOrigins(environment.DATAKIT_CORS ?? ''),
    depot: openDepot(environment),
    runtime: nodeRuntime,
    streamOf,
    access: accessOf(environment),
    assets: (request) => environment.ASSETS.fetch(request),
    care: careOf(environment.BUCKET),
    afterChange: ({ name, place, waitUntil }) => waitUntil(upkeep.changed(name, place)),
  })
}

function openDepot({ BUCKET, COORDINATOR }: Environment): ReturnType<typeof r2Depot> {
  if (COORDINATOR === undefined) return r2Depot(BUCKET)
  return r2Depot(BUCKET, {
    coordinator: (name) => ({
      update: (update) => COORDINATOR.getByName(name).update(update),
    }),
  })
}

function careOf(bucket: R2Bucket): Care {
  return {
    check: (name, options) => checkR2(bucket, name, nodeRuntime, options),
    async *repair(name, { pack, signal }) {
      const copy = await copyOfPack(pack, nodeRuntime)
      yield* repairR2(bucket, name, nodeRuntime, { copy, signal })
    },
  }
}

/** In milliseconds. What is no number of days is none. */
function retentionOf({ DATAKIT_RETENTION_DAYS = '' }: Environment): number {
  const days = Number(DATAKIT_RETENTION_DAYS)
  const isDays = DATAKIT_RETENTION_DAYS !== '' && days >= 0
  return isDays ? days * 24 * 60 * 60 * 1000 : RETENTION
}

function accessOf(environment: Environment): Access {
  const token = environment.DATAKIT_TOKEN ?? ''
  if (token !== '') return { kind: 'token', token }
  if (environment.DATAKIT_OPEN === 'loopback') return { kind: 'loopback', hosts: LOOPBACK_HOSTS }
  return { kind: 'closed', message: setUp }
}
