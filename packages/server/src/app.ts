/**
 * The app: every route on one page. Knows no place and no runtime; whoever starts it brings both.
 *
 * | route | what |
 * | --- | --- |
 * | `GET /NAME.git/info/refs?service=…` | Git's advertisement; `.git` may be left out here and in the next two |
 * | `POST /NAME.git/git-upload-pack` | clone and fetch |
 * | `POST /NAME.git/git-receive-pack` | push |
 * | `POST /NAME.git/sync` | two-way sync of our own clients, `docs/sync-protocol.md` |
 * | `GET /NAME.git/sync/PACK`, `PUT /NAME.git/sync/PACK/NUMBER` | parts of a large pack on its way |
 * | `GET /NAME.git/watch` | what changes, as it does, `docs/watch.md` |
 * | `POST /NAME.git/fsck`, `POST /NAME.git/repair` | checks and mends a repository, where the server can |
 * | `GET /repositories` | the repositories that the caller may read |
 * | anything else | the web app |
 *
 * @module
 */
import { Hono, type Context } from 'hono'
import type { Depot, Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import type { Uploads } from '@datakit/git/uploads'
import { checkAccess, type Access } from './access.ts'
import { Admission } from './admission.ts'
import { checkRoute, repairRoute, type Care } from './care-route.ts'
import { RequestBody, streamOf, type StreamOf } from './body.ts'
import { corsHeaders, preflightHeaders, type CorsOrigins } from './cors.ts'
import { advertiseRefs, receivePackRoute, uploadPackRoute } from './git-routes.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { OpenRepositories } from './open-repositories.ts'
import { OPEN_POLICY, type PolicyOf } from './policy.ts'
import { expected, problemJson, problemText, ProblemError, type Problem } from './problem.ts'
import { listPartsRoute, putPartRoute } from './parts-route.ts'
import { syncRoute } from './sync-route.ts'
import { watchRoute, type WatchSocketRoute } from './watch-route.ts'
import { Watchers } from './watchers.ts'

/** What an app is made of. */
export interface AppOptions {
  readonly depot: Depot
  readonly runtime: Runtime
  /** Who may use it; a function is asked for every request, and again before each event of a watch. */
  readonly access: Access | (() => Access)
  /** Answers what is no route: the web app, or 404. */
  readonly assets: (request: Request) => Response | Promise<Response>
  readonly limits?: Partial<Limits>
  /** Other origins whose pages may read the data; none when left out. */
  readonly cors?: CorsOrigins
  /** What each repository allows; everything when left out. */
  readonly policyOf?: PolicyOf
  /** Who is written into the log of the refs that a push moves, as `NAME <MAIL>`; somebody when left out. */
  readonly whoPushes?: (request: Request) => string
  /** Called after a request that may have changed a repository; nothing waits for it. */
  readonly afterChange?: (change: RepositoryChange) => void
  /** Checks and mends repositories on request; not offered when left out. */
  readonly care?: Care
  /** Keeps parts of packs between requests; a client sends each pack in one request when left out. */
  readonly uploads?: Uploads
  /** Makes the streams of answers; one that works in any runtime when left out. */
  readonly streamOf?: StreamOf
  /** Opens a watch over a WebSocket; there are server-sent events alone when left out. */
  readonly watchSocket?: WatchSocketRoute
  /** Aborted when the server stops: watch streams end, which would not end by themselves. */
  readonly signal?: AbortSignal
  /** Told of every error that nobody expected. Writes to the console when left out. */
  readonly log?: (error: unknown) => void
}

/** A repository that was pushed to. */
export interface RepositoryChange {
  readonly name: string
  readonly place: Place
  /** Keeps the runtime awake until the work is done, where it would not be otherwise. */
  readonly waitUntil: (work: Promise<unknown>) => void
}

/** What every route of a repository works with. */
export interface RouteContext {
  readonly request: Request
  readonly body: RequestBody
  /** Name of the repository, checked. */
  readonly name: string
  readonly repositories: OpenRepositories
  readonly runtime: Runtime
  readonly limits: Limits
  readonly policyOf: PolicyOf
  readonly whoPushes: (request: Request) => string
  readonly care: Care | undefined
  readonly uploads: Uploads | undefined
  readonly streamOf: StreamOf
  /** Who receives a pack asks here first. */
  readonly admission: Admission
  /** Who listens. */
  readonly watchers: Watchers
  readonly watchSocket: WatchSocketRoute | undefined
  /** Who may use the server at this moment. */
  readonly access: () => Access
  readonly cors: CorsOrigins
  /** Checks again that the caller may use the server. @throws ProblemError when he may not any more */
  readonly authorise: () => void
  /** To be called when the repository may have changed. */
  readonly changed: (place: Place) => void
  /** Keeps the runtime from dropping work in the middle of which the client goes away; others may wait for it. */
  readonly finish: (work: Promise<unknown>) => void
  /** Told of errors that come too late for an answer of their own. */
  readonly log: (error: unknown) => void
}

/** Who moved a ref, where nobody says. */
const SOMEBODY = 'git push <git@localhost>'

type Route = (context: RouteContext) => Promise<Response>

/** With `.git` or without it, and `/.git` of a working tree, as Git's own server takes them. */
const repository = '/:repository{.+}'
const ourRepository = '/:repository{.+\\.git}'

/** The app, to be mounted as `app.fetch` in a Worker, under Node or in a test. */
export function createApp(options: AppOptions): Hono {
  const app = new Hono()
  const repositories = new OpenRepositories(options.depot, options.runtime)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const admission = new Admission(limits.receivingBytes, limits.receivingPatience)
  const watchers = new Watchers(limits, options.signal)
  const cors = options.cors ?? []
  const policyOf = options.policyOf ?? (() => OPEN_POLICY)
  const whoPushes = options.whoPushes ?? (() => SOMEBODY)
  const log = options.log ?? ((error: unknown) => console.error(error))

  const guarded =
    (route: Route, answer: (problem: Problem) => Response) =>
    async (c: Context): Promise<Response> => {
      const body = new RequestBody(c.req.raw)
      const finish = (work: Promise<unknown>): void =>
        waitUntil(
          c,
          work.catch(() => undefined),
        )
      const context = (): RouteContext => {
        const access = (): Access =>
          typeof options.access === 'function' ? options.access() : options.access
        const authorise = (): void => checkAccess(c.req.raw, access(), cors)
        authorise()
        const name = nameOf(c) ?? ''
        const changed = (place: Place): void =>
          options.afterChange?.({ name, place, waitUntil: (work) => waitUntil(c, work) })
        const shared = {
          repositories,
          runtime: options.runtime,
          limits,
          policyOf,
          whoPushes,
          streamOf: options.streamOf ?? streamOf,
          admission,
          watchers,
          watchSocket: options.watchSocket,
          access,
          cors,
          authorise,
          care: options.care,
          uploads: options.uploads,
          log,
        }
        return { ...shared, request: c.req.raw, body, name, changed, finish }
      }
      try {
        const answered = (async () => route(context()))()
        finish(answered)
        return await answered
      } catch (error) {
        await body.discard()
        return answer(expected(error, c.req.raw.signal, log))
      }
    }

  app.use(securityHeaders)
  app.use((c, next) => addCors(c, next, cors))
  app.options('*', (c) => optionsOf(c, cors))
  app.get(`${repository}/info/refs`, guarded(advertiseRefs, problemText))
  app.post(`${repository}/git-upload-pack`, guarded(uploadPackRoute, problemText))
  app.post(`${repository}/git-receive-pack`, guarded(receivePackRoute, problemText))
  app.post(`${ourRepository}/sync`, guarded(syncRoute, problemJson))
  app.get(`${ourRepository}/sync/:pack`, guarded(listPartsRoute, problemJson))
  app.put(`${ourRepository}/sync/:pack/:part`, guarded(putPartRoute, problemJson))
  app.get(`${ourRepository}/watch`, guarded(watchRoute, problemJson))
  app.post(`${ourRepository}/fsck`, guarded(checkRoute, problemJson))
  app.post(`${ourRepository}/repair`, guarded(repairRoute, problemJson))
  app.get('/repositories', guarded(listRoute, problemJson))
  const noRoute = guarded(noSuchRoute, problemText)
  const wrongMethod = guarded(wrongMethodRoute, problemText)
  app.all('*', (c) => {
    // What is left under a repository's name is the dumb protocol, or a wrong method.
    if (nameOf(c) !== undefined) return noRoute(c)
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return options.assets(c.req.raw)
    return wrongMethod(c)
  })
  return app
}

function waitUntil(c: Context, work: Promise<unknown>): void {
  let context
  try {
    context = c.executionCtx
  } catch {
    // Under Node there is none: the process lives on by itself.
    return
  }
  context.waitUntil(work)
}

/** The name of the repository that a request is about; `undefined` when it is about none. */
function nameOf(c: Context): string | undefined {
  const path = c.req.param('repository') ?? /^\/(.+\.git)(?:\/|$)/.exec(c.req.path)?.[1]
  return path?.replace(/\/?\.git$/, '')
}

async function listRoute({ repositories }: RouteContext): Promise<Response> {
  const names: { name: string; refused?: string }[] = []
  for await (const { name, refused } of repositories.list()) {
    names.push(refused === undefined ? { name } : { name, refused })
  }
  return Response.json({ repositories: names }, { headers: { 'cache-control': 'no-store' } })
}

/** What is below a repository, and the methods that it takes. */
const methods: Readonly<Record<string, string>> = {
  'info/refs': 'GET, HEAD',
  'git-upload-pack': 'POST',
  'git-receive-pack': 'POST',
  sync: 'POST',
  watch: 'GET, HEAD',
  fsck: 'POST',
  repair: 'POST',
}

/** What of it a path names; `undefined` where it names nothing of it. Git's own may follow a name without `.git`. */
function serviceOf(path: string): string | undefined {
  return Object.keys(methods).find((each) => {
    const isOfGit = each === 'info/refs' || each.startsWith('git-')
    return path.endsWith(isOfGit ? `/${each}` : `.git/${each}`)
  })
}

/** The methods that a path takes; `undefined` where nothing is. */
function methodsOf(path: string): string | undefined {
  const [, part] = /\.git\/sync\/[0-9a-f]{40}(\/\d+)?$/.exec(path) ?? []
  if (part !== undefined) return 'PUT'
  const service = serviceOf(path)
  if (service !== undefined) return methods[service]
  return path.includes('.git/') ? undefined : 'GET, HEAD'
}

/** Whether a path is one of the data, and not of the web app. */
function isOfData(path: string): boolean {
  return path === '/repositories' || /\.git(?:\/|$)/.test(path) || serviceOf(path) !== undefined
}

async function noSuchRoute(context: RouteContext): Promise<Response> {
  const { request, name } = context
  const { pathname: path, origin } = new URL(request.url)
  if (methodsOf(path) !== undefined) return wrongMethodRoute(context)
  throw new ProblemError(
    'not-found',
    `Nothing is at ${path}: "${name}.git" is cloned with Git's smart protocol, "git clone ${origin}/${name}.git"`,
  )
}

async function wrongMethodRoute({ request }: RouteContext): Promise<Response> {
  const { pathname: path } = new URL(request.url)
  const allow = methodsOf(path) ?? 'GET, HEAD'
  throw new ProblemError('method', `Only ${allow} is answered at ${path}`, {
    allow: `${allow}, OPTIONS`,
  })
}

/** What a path takes. Nobody has to say who he is for it: browsers do not, when they ask. */
async function optionsOf(c: Context, cors: CorsOrigins): Promise<Response> {
  const allow = methodsOf(c.req.path) ?? 'GET, HEAD'
  const headers = { allow: `${allow}, OPTIONS`, ...preflightHeaders(c.req.raw, allow, cors) }
  await new RequestBody(c.req.raw).discard()
  return new Response(undefined, { status: 204, headers })
}

async function addCors(c: Context, next: () => Promise<void>, cors: CorsOrigins): Promise<void> {
  await next()
  // There is nothing to read in the answer that opens a WebSocket, and its headers cannot be changed.
  if (!isOfData(c.req.path) || c.res.status === 101) return
  for (const [name, value] of Object.entries(corsHeaders(c.req.raw, cors)))
    c.res.headers.set(name, value)
}

const policy = [
  "default-src 'none'",
  // A page's first reads are done by a module of WebAssembly (`packages/git/src/quick`), which is part of its scripts.
  "script-src 'self' 'wasm-unsafe-eval'",
  // The editor writes its style sheets into the page.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** They tell a browser what a page may do; what Git is answered has the headers of Git's own server alone. */
async function securityHeaders(c: Context, next: () => Promise<void>): Promise<void> {
  await next()
  if (c.res.status === 101) return
  const isForGit = c.res.headers.get('content-type')?.startsWith('application/x-git-') === true
  if (isForGit && !c.req.raw.headers.has('sec-fetch-site')) return
  // An answer that came from elsewhere (static assets) may have headers that cannot be changed.
  c.res = new Response(c.res.body, c.res)
  c.res.headers.set('content-security-policy', policy)
  c.res.headers.set('x-content-type-options', 'nosniff')
  c.res.headers.set('referrer-policy', 'no-referrer')
  c.res.headers.set('cross-origin-opener-policy', 'same-origin')
  c.res.headers.set('cross-origin-resource-policy', 'same-origin')
}
