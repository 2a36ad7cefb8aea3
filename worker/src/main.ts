/**
 * The edge: the app over an R2 bucket, which alone is enough.
 *
 * @module
 */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { createApp, type AppOptions } from '@datakit/server/app'
import type { Care } from '@datakit/server/care'
import { OPEN_POLICY, withProtected } from '@datakit/server/policy'
import { r2Depot } from '@datakit/storage/r2'
import { checkR2Step } from '@datakit/storage/r2/check-step'
import { collectGarbage } from '@datakit/storage/r2/collect'
import { copiesIn } from '@datakit/storage/r2/repair'
import { repairR2Step } from '@datakit/storage/r2/repair-step'
import { sweepStrays } from '@datakit/storage/r2/strays'
import { r2Uploads } from '@datakit/storage/r2/uploads'
import { keepUp, UpkeepSchedule } from '@datakit/storage/upkeep'
import { askForSocket } from './coordinator.ts'
import type { Environment } from './environment.ts'
import { readSettings } from './settings.ts'
import { streamOf } from './streams.ts'

export { Coordinator } from './coordinator.ts'

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
    const { retention } = readSettings(environment)
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
    await r2Uploads(environment.BUCKET).sweep()
    await sweepStrays(environment.BUCKET)
  },
} satisfies ExportedHandler<Environment>

function openApp(environment: Environment): ReturnType<typeof createApp> {
  const upkeep = new UpkeepSchedule(nodeRuntime, { log: (problem) => console.error(problem) })
  const { access, cors, protects } = readSettings(environment)
  return createApp({
    policyOf: () => withProtected(OPEN_POLICY, protects),
    cors,
    depot: openDepot(environment),
    uploads: r2Uploads(environment.BUCKET),
    runtime: nodeRuntime,
    streamOf,
    access,
    assets: (request) => environment.ASSETS.fetch(request),
    care: careOf(environment.BUCKET),
    ...watchSocketOf(environment),
    afterChange: ({ name, place, waitUntil }) => {
      waitUntil(upkeep.changed(name, place))
      // Who watches hears of it here where the update was made without the object. It may not answer: it is a hint.
      const hinted = environment.COORDINATOR?.getByName(name).changed()
      waitUntil(Promise.resolve(hinted).catch(() => undefined))
    },
  })
}

/** WebSockets for those who watch, where there is a Durable Object to keep them. */
function watchSocketOf({ COORDINATOR }: Environment): Pick<AppOptions, 'watchSocket'> {
  if (COORDINATOR === undefined) return {}
  return { watchSocket: (wish) => askForSocket(COORDINATOR.getByName(wish.name), wish) }
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
    check: (name, options) => checkR2Step(bucket, name, nodeRuntime, options),
    async *repair(name, { pack, ...options }) {
      const copies = await copiesIn(pack, nodeRuntime)
      yield* repairR2Step(bucket, name, nodeRuntime, { ...options, copies })
    },
  }
}
