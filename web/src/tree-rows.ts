/**
 * The tree of files as the rows that are on screen, and where the keys of a keyboard lead in it.
 *
 * Pattern: https://www.w3.org/WAI/ARIA/apg/patterns/treeview/
 *
 * @module
 */

/** What an entry of a directory is. */
export type EntryKind = 'directory' | 'file' | 'link' | 'submodule'

/** An entry of a directory, committed or only a draft. */
export interface TreeItem {
  readonly name: string
  readonly path: string
  readonly kind: EntryKind
  readonly draft: 'none' | 'new' | 'changed'
}

/** An entry on screen. Level, position and size are counted as ARIA counts them, from 1. */
export interface Row extends TreeItem {
  readonly level: number
  readonly position: number
  readonly size: number
  readonly isOpen: boolean
}

/** Directories whose entries are known, by path; the root is the empty path. */
export type Listings = ReadonlyMap<string, readonly TreeItem[]>

/** The entries of a directory with the drafts in it: directories first, then by name. */
export function mergeDrafts(
  directory: string,
  entries: readonly Omit<TreeItem, 'draft'>[],
  draftPaths: readonly string[],
): TreeItem[] {
  const items = new Map<string, TreeItem>()
  for (const entry of entries) items.set(entry.name, { ...entry, draft: 'none' })
  const prefix = directory === '' ? '' : `${directory}/`
  for (const path of draftPaths) {
    if (!path.startsWith(prefix)) continue
    const [name = '', ...rest] = path.slice(prefix.length).split('/')
    const known = items.get(name)
    if (rest.length > 0) {
      const place = { name, path: prefix + name, kind: 'directory' } as const
      if (known?.kind !== 'directory') items.set(name, { ...place, draft: 'new' })
    } else if (known === undefined) items.set(name, { name, path, kind: 'file', draft: 'new' })
    else items.set(name, { ...known, draft: 'changed' })
  }
  return [...items.values()].toSorted(compareItems)
}

/** The rows from top to bottom. A directory that is open and not listed yet has no rows below it. */
export function rowsOf(listings: Listings, open: ReadonlySet<string>): Row[] {
  const rows: Row[] = []
  addRows(rows, '', 1)
  return rows

  function addRows(into: Row[], directory: string, level: number): void {
    const items = listings.get(directory) ?? []
    for (const [i, item] of items.entries()) {
      const isOpen = item.kind === 'directory' && open.has(item.path)
      into.push({ ...item, level, position: i + 1, size: items.length, isOpen })
      if (isOpen) addRows(into, item.path, level + 1)
    }
  }
}

/** What a key asks of the tree. */
export type KeyAction =
  | { readonly act: 'focus'; readonly row: number }
  | { readonly act: 'open' | 'close' | 'choose'; readonly row: number }
  | { readonly act: 'open-siblings'; readonly row: number }

/** What a key means on a row; `undefined` when nothing. Letters are {@link findByLetters}'s. */
export function actionOfKey(
  key: string,
  rows: readonly Row[],
  at: number,
  page: number,
): KeyAction | undefined {
  const row = rows[at]
  if (row === undefined) return undefined
  const last = rows.length - 1
  const focus = (to: number): KeyAction => ({
    act: 'focus',
    row: Math.max(0, Math.min(last, to)),
  })
  if (key === 'ArrowDown') return focus(at + 1)
  if (key === 'ArrowUp') return focus(at - 1)
  if (key === 'Home') return focus(0)
  if (key === 'End') return focus(last)
  if (key === 'PageDown') return focus(at + page)
  if (key === 'PageUp') return focus(at - page)
  if (key === 'Enter' || key === ' ') return { act: 'choose', row: at }
  if (key === '*') return { act: 'open-siblings', row: at }
  if (key === 'ArrowRight' && row.kind === 'directory') {
    if (!row.isOpen) return { act: 'open', row: at }
    return rows[at + 1]?.level === row.level + 1 ? focus(at + 1) : undefined
  }
  if (key !== 'ArrowLeft') return undefined
  return row.isOpen ? { act: 'close', row: at } : focus(parentOf(rows, at))
}

/** The next row whose name begins with the letters, from the row after `at` around to `at` itself; -1 when none does. */
export function findByLetters(rows: readonly Row[], at: number, letters: string): number {
  const wanted = letters.toLocaleLowerCase()
  // One letter goes on to the next such row; more letters narrow down from where we are.
  const first = letters.length > 1 ? 0 : 1
  for (let i = first; i < rows.length + first; i++) {
    const row = (at + i) % rows.length
    if (rows[row]?.name.toLocaleLowerCase().startsWith(wanted)) return row
  }
  return -1
}

/** The directories on the way to a path, outermost first, without the path itself. */
export function directoriesAbove(path: string): string[] {
  const steps = path.split('/')
  return steps.slice(1).map((_, i) => steps.slice(0, i + 1).join('/'))
}

/** The name of what a path leads to. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function parentOf(rows: readonly Row[], at: number): number {
  const level = rows[at]?.level ?? 1
  for (let i = at; i >= 0; i--) if ((rows[i]?.level ?? 1) < level) return i
  return at
}

function compareItems(a: TreeItem, b: TreeItem): number {
  const first = (a.kind === 'directory' ? 0 : 1) - (b.kind === 'directory' ? 0 : 1)
  if (first !== 0) return first
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
