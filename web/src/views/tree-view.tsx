/**
 * The tree of files. Only the rows in view are in the page, so that ten thousand files cost no more than fifty.
 *
 * Pattern: https://www.w3.org/WAI/ARIA/apg/patterns/treeview/
 *
 * @module
 */
import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { TreeModel } from '../tree-model.ts'
import { actionOfKey, findByLetters, type KeyAction, type Row } from '../tree-rows.ts'

/** Height of a row in pixels: a finger needs more. */
const ROW = matchMedia('(pointer: coarse)').matches ? 44 : 28
/** Rows outside of the view that are drawn all the same. */
const MARGIN = 10
/** Letters that follow each other faster than this are one search, in milliseconds. */
const TYPING = 600

/** What the tree asks of the view around it. */
export interface TreeViewProps {
  readonly tree: TreeModel
  /** The file that is shown beside the tree. */
  readonly selected: string
  /** The row that commands mean. */
  readonly active: string | undefined
  readonly onActive: (path: string) => void
  readonly onChoose: (row: Row) => void
  readonly onRename: (row: Row) => void
  readonly onRemove: (row: Row) => void
}

/** A tree with a roving focus. */
export function TreeView(props: TreeViewProps): JSX.Element {
  const { tree, active, onActive } = props
  const rows = tree.rows.value
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 800 })
  const wantsFocus = useRef(false)
  const letters = useRef({ typed: '', at: 0 })
  const found = rows.findIndex((row) => row.path === (active ?? props.selected))
  const at = Math.max(found, 0)

  useEffect(() => {
    const element = box.current
    if (element === null) return
    const measure = (): void => setView({ top: element.scrollTop, height: element.clientHeight })
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    element.addEventListener('scroll', measure, { passive: true })
    return () => observer.disconnect()
  }, [])

  useLayoutEffect(() => {
    if (!wantsFocus.current) return
    wantsFocus.current = false
    const row = box.current?.querySelector<HTMLElement>('[tabindex="0"]')
    row?.focus({ preventScroll: true })
    if (box.current !== null) scrollTo(box.current, at)
  })

  const focus = (index: number): void => {
    const row = rows[index]
    if (row === undefined) return
    wantsFocus.current = true
    // The same row again still has to come into view.
    setView((before) => ({ ...before }))
    onActive(row.path)
  }

  const act = (action: KeyAction): void => {
    const row = rows[action.row]
    if (row === undefined) return
    if (action.act === 'focus') focus(action.row)
    else if (action.act === 'open') tree.open([row.path])
    else if (action.act === 'close') tree.close(row.path)
    else if (action.act === 'open-siblings') tree.open(siblingsOf(rows, row))
    else choose(row)
  }

  const choose = (row: Row): void => {
    onActive(row.path)
    if (row.kind !== 'directory') props.onChoose(row)
    else if (row.isOpen) tree.close(row.path)
    else tree.open([row.path])
  }

  const onKeyDown = (event: KeyboardEvent): void => {
    const row = rows[at]
    if (row === undefined || event.altKey || event.ctrlKey || event.metaKey) return
    const page = Math.max(1, Math.floor(view.height / ROW) - 1)
    const action = actionOfKey(event.key, rows, at, page)
    if (action !== undefined) act(action)
    else if (event.key === 'F2') props.onRename(row)
    else if (event.key === 'Delete') props.onRemove(row)
    else if (event.key.length === 1) {
      const { typed, at: last } = letters.current
      const all = event.timeStamp - last < TYPING ? typed + event.key : event.key
      letters.current = { typed: all, at: event.timeStamp }
      const next = findByLetters(rows, at, all)
      if (next >= 0) focus(next)
    } else return
    event.preventDefault()
  }

  const first = Math.max(0, Math.floor(view.top / ROW) - MARGIN)
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + MARGIN)
  const shown = range(first, last)
  // The row with the focus stays in the page however far it is scrolled away.
  if (at < rows.length && (at < first || at >= last)) shown.push(at)
  return (
    <div ref={box} class="tree" role="tree" aria-label="Files" onKeyDown={onKeyDown}>
      <div role="presentation" class="tree-rows" style={{ height: `${rows.length * ROW}px` }}>
        {shown.map((index) => {
          const row = rows[index]
          if (row === undefined) return undefined
          const isSelected = row.path === props.selected
          return (
            <TreeRow
              key={row.path}
              row={row}
              index={index}
              isActive={index === at}
              isSelected={isSelected}
              onChoose={choose}
              onFocus={onActive}
            />
          )
        })}
      </div>
    </div>
  )
}

function TreeRow(props: {
  readonly row: Row
  readonly index: number
  readonly isActive: boolean
  readonly isSelected: boolean
  readonly onChoose: (row: Row) => void
  readonly onFocus: (path: string) => void
}): JSX.Element {
  const { row, index } = props
  return (
    <div
      role="treeitem"
      class="tree-row"
      data-kind={row.kind}
      data-path={row.path}
      tabIndex={props.isActive ? 0 : -1}
      aria-level={row.level}
      aria-setsize={row.size}
      aria-posinset={row.position}
      aria-expanded={row.kind === 'directory' ? row.isOpen : undefined}
      aria-selected={props.isSelected}
      style={{
        top: `${index * ROW}px`,
        height: `${ROW}px`,
        paddingInlineStart: `${row.level * 14 - 8}px`,
      }}
      onClick={() => props.onChoose(row)}
      onFocus={() => props.onFocus(row.path)}
    >
      <span class="tree-mark" aria-hidden="true">
        {row.kind === 'directory' ? (row.isOpen ? '▾' : '▸') : ''}
      </span>
      <span class="tree-name">
        <bdi>{row.name}</bdi>
      </span>
      {row.draft !== 'none' && row.kind !== 'directory' && <span class="badge">Draft</span>}
      {row.kind === 'link' && <span class="note">link</span>}
      {row.kind === 'submodule' && <span class="note">submodule</span>}
    </div>
  )
}

function siblingsOf(rows: readonly Row[], row: Row): string[] {
  const parent = row.path.slice(0, row.path.length - row.name.length)
  return rows
    .filter((other) => other.kind === 'directory' && other.path === parent + other.name)
    .map((other) => other.path)
}

function scrollTo(box: HTMLElement, index: number): void {
  const top = index * ROW
  if (top < box.scrollTop) box.scrollTop = top
  else if (top + ROW > box.scrollTop + box.clientHeight)
    box.scrollTop = top + ROW - box.clientHeight
}

function range(start: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i)
}
