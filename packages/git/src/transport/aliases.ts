/**
 * Aliases: pushes to symbolic refs, which move what these stand for.
 *
 * The branch `master` that is a symbolic ref to `main` takes pushes of those who have not heard of the new name. Rules and hooks
 * see the ref that is moved. A deletion is not carried over: it would take the ref away under all its names.
 *
 * @module
 */
import type { RefUpdate } from '../place.ts'
import type { RefOutcome } from './receive.ts'

/** A push as it is made. */
export interface Resolved {
  /** The updates of what is moved, each ref once. */
  readonly updates: readonly RefUpdate[]
  /** The outcomes of what was asked for, in its order, from those of what was made. */
  outcomes(made: readonly RefOutcome[]): readonly RefOutcome[]
}

/** Puts what symbolic refs stand for in their place. Where two names of one ref are to lead elsewhere, neither is moved. */
export function resolveAliases(
  asked: readonly RefUpdate[],
  aliases: ReadonlyMap<string, string> | undefined,
): Resolved {
  const targetOf = ({ name, to }: RefUpdate): string =>
    (to === undefined ? undefined : aliases?.get(name)) ?? name
  if (asked.every((update) => targetOf(update) === update.name))
    return { updates: asked, outcomes: (made) => made }
  const updates = new Map<string, RefUpdate>()
  const torn = new Set<string>()
  for (const update of asked) {
    const name = targetOf(update)
    const other = updates.get(name)
    if (other !== undefined && other.to !== update.to) torn.add(name)
    updates.set(name, { ...update, name })
  }
  for (const name of torn) updates.delete(name)
  return {
    updates: [...updates.values()],
    outcomes(made) {
      const byName = new Map(made.map((outcome) => [outcome.name, outcome]))
      const reason = 'inconsistent aliased update'
      return asked.map((update) => {
        const { name } = update
        const outcome = byName.get(targetOf(update))
        return outcome === undefined ? { name, state: 'refused', reason } : { ...outcome, name }
      })
    },
  }
}
