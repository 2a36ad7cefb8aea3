import { describe, expect, it } from 'vitest'
import {
  actionOfKey,
  directoriesAbove,
  findByLetters,
  mergeDrafts,
  rowsOf,
  type EntryKind,
  type TreeItem,
} from './tree-rows.ts'

function item(path: string, kind: EntryKind = 'file'): TreeItem {
  return { path, name: path.slice(path.lastIndexOf('/') + 1), kind, draft: 'none' }
}

const listings = new Map([
  ['', [item('config', 'directory'), item('data', 'directory'), item('README')]],
  ['config', [item('config/alpha.json'), item('config/beta.json')]],
])
const closed = rowsOf(listings, new Set())
const rows = rowsOf(listings, new Set(['config', 'data']))

function press(key: string, at: number): unknown {
  return actionOfKey(key, rows, at, 3)
}

describe('the rows of a tree', () => {
  it('are the entries of the directories that are open', () => {
    expect(closed.map((row) => row.path)).toEqual(['config', 'data', 'README'])
    expect(rows.map((row) => [row.level, row.position, row.size, row.name])).toEqual([
      [1, 1, 3, 'config'],
      [2, 1, 2, 'alpha.json'],
      [2, 2, 2, 'beta.json'],
      [1, 2, 3, 'data'],
      [1, 3, 3, 'README'],
    ])
  })

  it('are made of 10,000 files in one directory within 200 ms', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => item(`file-${i}.json`))
    const start = performance.now()
    const merged = mergeDrafts('', many, ['file-5.json', 'new.json'])
    expect(rowsOf(new Map([['', merged]]), new Set())).toHaveLength(10_001)
    expect(performance.now() - start).toBeLessThan(200)
  })

  it('show drafts where they are, and the directories that only drafts are in', () => {
    const drafts = ['config/alpha.json', 'config/gamma.json', 'config/deep/new.json', 'other.json']
    const merged = mergeDrafts('config', listings.get('config') ?? [], drafts)
    expect(merged.map(({ name, kind, draft }) => [name, kind, draft])).toEqual([
      ['deep', 'directory', 'new'],
      ['alpha.json', 'file', 'changed'],
      ['beta.json', 'file', 'none'],
      ['gamma.json', 'file', 'new'],
    ])
  })
})

describe('the keyboard', () => {
  it('moves by a row, by a page and to the ends', () => {
    expect(press('ArrowDown', 0)).toEqual({ act: 'focus', row: 1 })
    expect(press('ArrowUp', 0)).toEqual({ act: 'focus', row: 0 })
    expect(press('PageDown', 0)).toEqual({ act: 'focus', row: 3 })
    expect(press('End', 0)).toEqual({ act: 'focus', row: 4 })
    expect(press('Home', 4)).toEqual({ act: 'focus', row: 0 })
  })

  it('opens, enters, leaves and closes a directory', () => {
    expect(actionOfKey('ArrowRight', closed, 0, 3)).toEqual({ act: 'open', row: 0 })
    expect(press('ArrowRight', 0)).toEqual({ act: 'focus', row: 1 })
    expect(press('ArrowRight', 3)).toBeUndefined()
    expect(press('ArrowLeft', 2)).toEqual({ act: 'focus', row: 0 })
    expect(press('ArrowLeft', 0)).toEqual({ act: 'close', row: 0 })
    expect(actionOfKey('ArrowLeft', closed, 2, 3)).toEqual({ act: 'focus', row: 2 })
  })

  it('finds a name by its first letters, going around', () => {
    expect(findByLetters(rows, 0, 'r')).toBe(4)
    expect(findByLetters(rows, 4, 'c')).toBe(0)
    expect(findByLetters(rows, 0, 'be')).toBe(2)
    expect(findByLetters(rows, 2, 'be')).toBe(2)
    expect(findByLetters(rows, 0, 'x')).toBe(-1)
  })
})

it('names the directories on the way to a path', () => {
  expect(directoriesAbove('a/b/c.json')).toEqual(['a', 'a/b'])
  expect(directoriesAbove('c.json')).toEqual([])
})
