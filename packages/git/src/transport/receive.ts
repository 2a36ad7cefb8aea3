/**
 * Receive: the one way in for packs, whatever door they come through.
 *
 * Bytes are read into the place, every object is inflated, named and checked, and what the new refs need must be in the
 * pack or be reachable from refs that the caller may read. Only then do the refs move and the pack become visible, in one
 * conditional update. Until it nothing has happened, and whatever fails leaves nothing behind.
 *
 * @module
 */
import { GitError } from '../error.ts'
import type { Objects } from '../objects.ts'
import type { Oid } from '../oid.ts'
import type { Head, PromisedObjects, RefUpdate, Version } from '../place.ts'
import type { RefRewrite } from '../protocol/push.ts'
import type { PushCertificate } from '../protocol/push-certificate.ts'
import { Landing } from './landing.ts'
import type { ReceivePolicy } from './ref-rules.ts'
import { repeatOutcome } from './repeat.ts'
import type { ReceiveLimits } from './stage.ts'

/** What a caller wants. */
export interface ReceiveRequest {
  /** Random, 32 hexadecimal digits: the same request may come again under it, and gets the same outcome. */
  readonly id: string
  /** Whether nobody has asked with this id before: then no earlier outcome is looked for. */
  readonly isFirst?: boolean | undefined
  /** Whether the state that the objects have was read for this very request, and need not be read again. */
  readonly isCurrent?: boolean | undefined
  /** Id of the repository that it is meant for, empty where this is to be its first update; whichever is there when left out. */
  readonly repository?: string | undefined
  readonly updates: readonly RefUpdate[]
  /** Where HEAD goes; a new repository's follows its first branch when left out. */
  readonly head?: { readonly from: Head; readonly to: Head } | undefined
  /** The objects that the refs need and the place lacks. Read to its end, unless it is refused before. */
  readonly pack?: AsyncIterable<Uint8Array> | undefined
  readonly log: { readonly who: string; readonly why: string }
  /** Whether all updates are done or none. */
  readonly atomic?: boolean | undefined
  /**
   * Whether refs that lead to what is neither in the pack nor reachable are refused, and the others go through, as in Git. Otherwise
   * nothing is taken then.
   */
  readonly refusesEach?: boolean | undefined
  readonly policy?: ReceivePolicy | undefined
  readonly limits?: ReceiveLimits | undefined
  /** What the user gave with `--push-option`. */
  readonly options?: readonly string[] | undefined
  /** What the user has signed; only who is asked looks whether it is he. */
  readonly certificate?: PushCertificate | undefined
  /** Takes what those who were asked and told want to tell the person who pushes. */
  readonly say?: ((piece: Uint8Array) => void) | undefined
  /** Told how many objects of the pack were checked, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /**
   * Commits of whose parents the caller, who has a shallow clone, knows nothing. They are taken where the parents are
   * here; where they are not, the repository would become shallow, and {@link ReceivePolicy.takesShallow} says whether it may.
   */
  readonly boundaries?: readonly Oid[] | undefined
  /** Commits that come without their parents on purpose, and objects that stay with a remote. */
  readonly shallow?: ShallowRequest | undefined
  readonly promised?: PromisedObjects | undefined
  /**
   * The remote that the pack is from, where that left out files and directories because we asked for it, now (`filter`) or
   * before.
   */
  readonly promisor?: Omit<PromisedObjects, 'add'> | undefined
  readonly signal?: AbortSignal | undefined
}

/** Where history is cut off from now on. */
export interface ShallowRequest {
  readonly add: readonly Oid[]
  /** Commits whose parents come along, or are here. */
  readonly remove: readonly Oid[]
}

/**
 * What became of one wish. `done`, with what was done instead where a delegate did that. `lost`: the ref was elsewhere.
 * `refused`: a rule says no, whatever the ref.
 */
export type RefOutcome =
  | {
      readonly name: string
      readonly state: 'done'
      readonly rewrites?: readonly RefRewrite[] | undefined
    }
  | { readonly name: string; readonly state: 'lost'; readonly current: Oid | undefined }
  | { readonly name: string; readonly state: 'refused'; readonly reason: string }

/** What became of a request. */
export interface ReceiveOutcome {
  /** One for each update, in their order. */
  readonly refs: readonly RefOutcome[]
  /** Why the pack was not taken; everything is refused then. */
  readonly problem: GitError | undefined
  /** The version that the update led to; `undefined` when nothing changed. */
  readonly version: Version | undefined
}

/**
 * Takes a pack and moves refs. What is wrong with the request is in the outcome.
 *
 * @throws UnavailableError when the place cannot be written, or does not say whether the update was made: ask again with
 *   the same id
 */
export async function receiveUpdate(
  objects: Objects,
  request: ReceiveRequest,
): Promise<ReceiveOutcome> {
  const { isCurrent, isFirst, signal } = request
  const state = isCurrent === true ? objects.state : await objects.refresh({ signal })
  const repeated = isFirst === true ? undefined : await repeatOutcome(objects, request)
  if (repeated !== undefined) return repeated
  const landing = new Landing(objects, request)
  await landing.refuse(state)
  if (landing.isSettled) return landing.outcome()
  try {
    await landing.readPack()
    await landing.prove()
    await landing.refuseRewinds()
    await landing.keepPack()
    await landing.ask()
    await landing.delegate()
    await landing.askEach()
    const outcome = await landing.update()
    await landing.tell()
    return outcome
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    const outcome = landing.outcome(error)
    // A delegate may have done his part.
    await landing.tell()
    return outcome
  } finally {
    await landing.end()
  }
}

/**
 * What would become of a request: its pack is read to the end, checked and proved, and nothing is kept. Nobody is asked.
 *
 * @throws UnavailableError when the place cannot be read or written
 */
export async function checkUpdate(
  objects: Objects,
  request: ReceiveRequest,
): Promise<ReceiveOutcome> {
  const landing = new Landing(objects, request)
  try {
    await landing.refuse(await objects.refresh({ signal: request.signal }))
    await landing.readPack()
    await landing.prove()
    await landing.refuseRewinds()
    return landing.grant()
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable') return landing.outcome(error)
    throw error
  } finally {
    await landing.end()
  }
}
