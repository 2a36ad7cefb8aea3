/**
 * The app: every route on one page. Knows no place and no runtime; whoever starts it brings both.
 *
 * | route | what |
 * | --- | --- |
 * | `GET /NAME.git/info/refs?service=…` | Git's advertisement; `.git` may be left out here and in the next two |
 * | `POST /NAME.git/git-upload-pack` | clone and fetch |
 * | `POST /NAME.git/git-receive-pack` | push |
 * | `POST /NAME.git/sync` | two-way sync of our own clients, `docs/sync-protocol.md` |
 * | `POST /NAME.git/fsck`, `POST /NAME.git/repair` | checks and mends a repository, where the server can |
 * | `GET /repositories` | the repositories that the caller may read |
 * | anything else | the web app |
 *
 * @module
 */
import { Hono, type Context } from 'hono'
import type { Depot, Place } from '@datakit/git/place'
import type { Runtime } from '@datakit/git/runtime'
import { checkAccess, type Access } from './access.ts'
import { Admission } from './admission.ts'
import { checkRoute, repairRoute, type Care } from './care-route.ts'
import { streamOf, type StreamOf } from './body.ts'
import { advertiseRefs, receivePackRoute, uploadPackRoute } from './git-routes.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { OpenRepositories } from './open-repositories.ts'
import { OPEN_POLICY, type PolicyOf } from './policy.ts'
import { problemJson, problemOf, problemText, ProblemError, type Problem } from './problem.ts'
import { syncRoute } from './sync-route.ts'

/** What an app is made of. */
export interface AppOptions {
  readonly depot: Depot
  readonly runtime: Runtime
  readonly access: Access
  /** Answers what is no route: the web app, or 404. */
  readonly assets: (request: Request) => Response | Promise<Response>
  readonly limits?: Partial<Limits>
  /** What each repository allows; everything when left out. */
  readonly policyOf?: PolicyOf
  /** Who is written into the log of the refs that a push moves, as `NAME <MAIL>`; somebody when left out. */
  readonly whoPushes?: (request: Request) => string
  /** Called after a request that may have changed a repository; nothing waits for it. */
  readonly afterChange?: (change: RepositoryChange) => void
  /** Checks and mends repositories on request; not offered when left out. */
  readonly care?: Care
  /** Makes the streams of answers; one that works in any runtime when left out. */
  readonly streamOf?: StreamOf
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
  /** Name of the repository, checked. */
  readonly name: string
  readonly repositories: OpenRepositories
  readonly runtime: Runtime
  readonly limits: Limits
  readonly policyOf: PolicyOf
  readonly whoPushes: (request: Request) => string
  readonly care: Care | undefined
  readonly streamOf: StreamOf
  /** Who receives a pack asks here first. */
  readonly admission: Admission
  /** To be called when the repository may have changed. */
  readonly changed: (place: Place) => void
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
  const policyOf = options.policyOf ?? (() => OPEN_POLICY)
  const whoPushes = options.whoPushes ?? (() => SOMEBODY)
  const log = options.log ?? ((error: unknown) => console.error(error))

  const guarded =
    (route: Route, answer: (problem: Problem) => Response) =>
    async (c: Context): Promise<Response> => {
      try {
        checkAccess(c.req.raw, options.access)
        const name = nameOf(c) ?? ''
        const changed = (place: Place): void =>
          options.afterChange?.({ name, place, waitUntil: (work) => waitUntil(c, work) })
        return await route({
          request: c.req.raw,
          name,
          repositories,
          runtime: options.runtime,
          limits,
          policyOf,
          whoPushes,
          streamOf: options.streamOf ?? streamOf,
          changed,
          admission,
          care: options.care,
        })
      } catch (error) {
        return answer(expected(error, log))
      }
    }

  app.use(securityHeaders)
  app.get(`${repository}/info/refs`, guarded(advertiseRefs, problemText))
  app.post(`${repository}/git-upload-pack`, guarded(uploadPackRoute, problemText))
  app.post(`${repository}/git-receive-pack`, guarded(receivePackRoute, problemText))
  app.post(`${ourRepository}/sync`, guarded(syncRoute, problemJson))
  app.post(`${ourRepository}/fsck`, guarded(checkRoute, problemJson))
  app.post(`${ourRepository}/repair`, guarded(repairRoute, problemJson))
  app.get('/repositories', guarded(listRoute, problemJson))
  const noRoute = guarded(noSuchRoute, problemText)
  app.all('*', (c) => {
    // What is left under a repository's name is the dumb protocol, or a wrong method.
    if (nameOf(c) !== undefined) return noRoute(c)
    if (c.req.method === 'GET' || c.req.method === 'HEAD') return options.assets(c.req.raw)
    return problemJson(problemOf(new ProblemError('method', 'Only GET is answered here')))
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

/** The methods of what is below a repository. */
const methods: Readonly<Record<string, string>> = {
  'info/refs': 'GET',
  'git-upload-pack': 'POST',
  'git-receive-pack': 'POST',
  sync: 'POST',
  fsck: 'POST',
  repair: 'POST',
}

async function noSuchRoute({ request, name }: RouteContext): Promise<Response> {
  const path = new URL(request.url).pathname
  const allow = methods[path.slice(path.lastIndexOf('.git/') + '.git/'.length)]
  if (allow !== undefined)
    throw new ProblemError('method', `Only ${allow} is answered at ${path}`, { allow })
  throw new ProblemError(
    'not-found',
    `Nothing is at ${path}: "${name}.git" is cloned with Git's smart protocol, "git clone ${new URL(request.url).origin}/${name}.git"`,
  )
}

/** Codes of what a server cannot do, for reasons that its operator can read in the answer. */
const foreseen: ReadonlySet<string> = new Set(['busy', 'not-set-up', 'unsupported'])

/** The answer to an error; those that nobody expected are logged first. */
function expected(error: unknown, log: (error: unknown) => void): Problem {
  const problem = problemOf(error)
  if (problem.status >= 500 && !foreseen.has(problem.code)) log(error)
  return problem
}

const policy = [
  "default-src 'none'",
  "script-src 'self'",
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
