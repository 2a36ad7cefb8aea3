/**
 * What the whole page shares: where it is, and the repository that is open there.
 *
 * @module
 */
import { effect, signal, untracked, type ReadonlySignal } from '@preact/signals'
import type { Oid } from '@datakit/git/oid'
import { openRepository } from './data-store.ts'
import type { RepositoryStore } from './data.ts'
import { forget, openLocal, removeLocal } from './local-repositories.ts'
import { listAll } from './repositories.ts'
import { formatRoute, HOME, parseRoute, type Route, type View } from './route.ts'
import { Session } from './session.ts'
import { askForToken, currentToken } from './sign-in.ts'
import { explainProblem } from './status.ts'
import { TreeModel } from './tree-model.ts'
import { troubleOf, type Trouble } from './trouble.ts'

/** The repository of the page. */
export type Opened =
  | { readonly state: 'none' }
  | {
      readonly state: 'opening'
      readonly name: string
      /** Opens it without the server, which is being asked for what is not here; `undefined` while nothing waits for it. */
      readonly skip: (() => void) | undefined
    }
  | {
      readonly state: 'failed'
      readonly name: string
      readonly reason: string
      /** What is wrong with the storage of this browser, if that is why. */
      readonly trouble: Trouble | undefined
    }
  | { readonly state: 'open'; readonly session: Session; readonly tree: TreeModel }

const place = signal<Route>(HOME)
const current = signal<Opened>({ state: 'none' })
/** Counts openings, so that one that was overtaken is noticed. */
let turn = 0

/** Where the page is. */
export const route: ReadonlySignal<Route> = place

/** What is open there. */
export const opened: ReadonlySignal<Opened> = current

/** Follows the URL from here on. */
export function startRouting(): void {
  const follow = (): void => {
    place.value = parseRoute(location.hash)
  }
  window.addEventListener('hashchange', follow)
  follow()
  effect(() => {
    const { repository, branch } = place.value
    untracked(() => void openPlace(repository, branch))
  })
}

/** Goes to another place; the browser's back button leads here again unless `replace` is set. */
export function navigate(to: Partial<Route>, options: { readonly replace?: boolean } = {}): void {
  const fragment = linkTo(to)
  if (options.replace === true) history.replaceState(undefined, '', fragment)
  else history.pushState(undefined, '', fragment)
  place.value = parseRoute(location.hash)
}

/** The link to another place of this repository: what is not named stays, but for the view, which is the files. */
export function linkTo(to: Partial<Route>): string {
  return formatRoute({ ...place.value, view: 'files', oid: undefined, ...to })
}

/** The link to a commit. */
export function linkToCommit(oid: Oid): string {
  return linkTo({ view: 'commit', oid })
}

/** Whether the page shows this view. */
export function isAt(view: View): boolean {
  return place.value.view === view
}

/** Opens again what could not be opened. */
export function reopen(): void {
  current.value = { state: 'none' }
  void openPlace(place.value.repository, place.value.branch)
}

/**
 * Takes from the server what was here. What is left of a repository that is broken or damaged is deleted first; where it is
 * gone, nothing is. Drafts stay. Rejects when the server cannot be reached, and then everything is as it was.
 */
export async function cloneAgain(
  name: string,
  options: { readonly deletes: boolean },
): Promise<void> {
  await checkServer()
  const before = current.value
  if (before.state === 'open') {
    const { keeper } = before.session
    // They may have been deleted along with the rest.
    for (const draft of keeper.drafts.value.values()) await keeper.put(draft)
    if (keeper.failure.value !== undefined && keeper.drafts.value.size > 0)
      throw new Error('What you typed cannot be kept; download the drafts, then discard them')
    before.tree.stop()
    await before.session.close()
  }
  turn++
  current.value = { state: 'opening', name, skip: undefined }
  if (options.deletes) await removeLocal(name)
  else await forgetIfGone(name)
  reopen()
}

/** Misses a repository no longer, unless another tab has it here again. */
async function forgetIfGone(name: string): Promise<void> {
  try {
    await (await openLocal(name)).close()
  } catch (error) {
    if (troubleOf(error) !== 'gone') throw error
    forget(name)
  }
}

/** Looks whether the server answers. */
async function checkServer(): Promise<void> {
  const { serverProblem } = await listAll()
  if (serverProblem !== undefined) throw new Error(serverProblem)
}

/** Opens what the URL names, unless it is open, and lets go of what was open. */
async function openPlace(name: string | undefined, branch: string | undefined): Promise<void> {
  const before = current.value
  if (before.state === 'open') {
    const { session } = before
    if (session.store.name === name && (branch === undefined || session.branch === branch)) return
  }
  const ours = ++turn
  current.value =
    name === undefined ? { state: 'none' } : { state: 'opening', name, skip: undefined }
  try {
    if (before.state === 'open') {
      before.tree.stop()
      await before.session.close()
    }
    if (name !== undefined) await open(name, branch, () => ours === turn)
  } catch (error) {
    if (ours !== turn || name === undefined) return
    const [reason, trouble] = [explainProblem(error), troubleOf(error)]
    current.value = { state: 'failed', name, reason, trouble }
  }
}

async function open(
  name: string,
  branch: string | undefined,
  isWanted: () => boolean,
): Promise<void> {
  const store = await openRepository(name)
  const session = new Session(store, branch ?? (await chooseBranch(store)))
  await session.start()
  if (!isWanted()) return session.close()
  const tree = new TreeModel(session)
  tree.reveal(place.value.path)
  current.value = { state: 'open', session, tree }
  if (branch === undefined)
    navigate({ branch: session.branch, view: place.value.view }, { replace: true })
}

/** The branch that HEAD names; what was never opened here is asked of the server first, unless a person has no time for it. */
async function chooseBranch(store: RepositoryStore): Promise<string> {
  const branches = await store.branches()
  const before = current.value
  if (branches.length === 0 && navigator.onLine && before.state === 'opening') {
    const waiting = new AbortController()
    const reason = new DOMException('It is opened without the server', 'TimeoutError')
    current.value = { ...before, skip: () => waiting.abort(reason) }
    const report = await store.sync({ token: currentToken(), signal: waiting.signal })
    if (report.state === 'unauthorized') askForToken()
  }
  return store.homeBranch()
}
