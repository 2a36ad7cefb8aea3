/**
 * Damaged objects: what cannot be read here, because the disk or the browser changed it, is fetched from a server that has it,
 * and checked as everything that comes from there.
 *
 * @module
 */
import { randomId } from '@datakit/git/bytes'
import { DamagedError, GitError, MissingError } from '@datakit/git/error'
import { isOid, type Oid } from '@datakit/git/oid'
import { receivePromised } from '@datakit/git/transport/promised'
import { Remote } from '@datakit/git/transport/remote'
import { OWN_LIMITS } from '../limits.ts'
import type { Repository } from '../repository.ts'
import type { Promisor } from './promised.ts'

/** Where whole copies are. */
export interface MendOptions extends Promisor {
  /** Told of each object that was fetched. */
  readonly onMended?: ((oid: Oid) => void) | undefined
}

/** Objects that are fetched for one piece of work, at most. */
const MOST = 10_000

/**
 * Does `work`, and where it meets an object that is damaged or missing, fetches that and does the work again from its
 * beginning: it must be such that this does no harm, as a read or a commit is.
 *
 * @throws what `work` throws, when the object cannot be had; why not is the cause of its cause at most
 */
export async function withMended<Result>(
  repository: Repository,
  options: () => MendOptions,
  work: () => Promise<Result>,
): Promise<Result> {
  const asked = new Set<Oid>()
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const oid = damagedIn(error)
      if (oid === undefined || asked.has(oid) || asked.size === MOST) throw error
      asked.add(oid)
      if (!(await fetchWhole(repository, options(), oid))) throw error
    }
  }
}

/** The object that an error is about, if it is one that should be here and cannot be read. */
export function damagedIn(error: unknown): Oid | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof DamagedError) return oidOf(cause.oid)
    if (cause instanceof MissingError) return oidOf(cause.missing)
  }
  return undefined
}

function oidOf(text: string): Oid | undefined {
  return isOid(text) ? text : undefined
}

/** Fetches one object, and nothing that it names but the commits behind a commit. Whether it could be had. */
async function fetchWhole(
  { store }: Repository,
  { remote, limits, onMended, ...access }: MendOptions,
  oid: Oid,
): Promise<boolean> {
  const { signal } = access
  try {
    const wish = { wants: [oid], haves: [], filter: 'tree:0' }
    const { pack, close } = await new Remote(remote.url, access).fetch(wish)
    try {
      const log = { who: store.who(), why: `mend: ${oid} from ${remote.name}` }
      const taken = { id: randomId(), oids: [oid], pack, remote: remote.name, log, signal }
      await receivePromised(store.objects, { ...taken, limits: { ...OWN_LIMITS, ...limits } })
    } finally {
      await close()
    }
  } catch (error) {
    // Out of reach, or it has not got it either: whoever wants it is told that it is damaged.
    if (error instanceof GitError) return false
    throw error
  }
  onMended?.(oid)
  return true
}
