/**
 * Histories that are cut off: a shallow repository has commits without their parents, and where a merge would have to look
 * behind them it must not guess.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import { DataKitError } from '../error.ts'
import { History, type LinkSource } from '../history/history.ts'

/**
 * What two commits have in common may lie where history is cut off here. Nothing was changed: fetch more of it
 * (`fetchRemote` with `deepen`), and try again.
 */
export class CutHistoryError extends DataKitError {
  override readonly name = 'CutHistoryError'
  override readonly code = 'history-cut'
  /** The commits behind which would have to be looked. */
  readonly shallow: readonly Oid[]

  constructor(what: string, shallow: readonly Oid[]) {
    const [first = '', ...others] = shallow
    const more = others.length === 0 ? '' : ` and ${others.length} more`
    super(
      `Cannot tell ${what}: history is cut off here behind ${first}${more}; fetch more of it ("deepen"), and try again`,
    )
    this.shallow = shallow
  }
}

/**
 * Makes sure that what two commits have in common can be told from what is here: that history is cut off, if at all, only
 * behind what they are known to have in common.
 *
 * @throws CutHistoryError
 */
export async function refuseCut(source: LinkSource, ours: Oid, theirs: Oid): Promise<void> {
  const { shallow } = source
  if (shallow.size === 0) return
  const history = new History(source)
  const apart = [
    ...(await history.missing([ours], [theirs])),
    ...(await history.missing([theirs], [ours])),
  ]
  const cut = apart.filter((oid) => shallow.has(oid))
  if (cut.length > 0) throw new CutHistoryError(`what ${ours} and ${theirs} have in common`, cut)
}
