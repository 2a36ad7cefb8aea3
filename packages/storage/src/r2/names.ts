/**
 * Names: which objects a root needs to be there.
 *
 * @module
 */
import { objectKey, packKey } from './keys.ts'
import type { Root } from './root.ts'

/**
 * Keys of the objects that a root names itself: tables, the ledger, packs, what is condemned and not deleted, the newest
 * piece of the log. The older pieces are named by the newer ones, and what was condemned earlier by the object that lists it.
 */
export function namedBy(root: Root): string[] {
  const { repository, refs, promised, receipts, ledger, earlier, log } = root
  const ids = [
    refs.table?.id,
    promised.table?.id,
    ledger?.id,
    earlier?.id,
    ...receipts.tables.map(({ id }) => id),
  ]
  return [
    ...ids.flatMap((id) => (id === undefined ? [] : [objectKey('t', repository, id)])),
    ...(log.older === undefined ? [] : [objectKey('l', repository, log.older)]),
    ...root.packs.map(({ id }) => packKey(id) ?? id),
    ...[...root.condemned, ...root.catalogs].map(({ key }) => key),
  ]
}
