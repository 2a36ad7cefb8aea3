import { describe, expect, it } from 'vitest'
import { utf8 } from '@datakit/git/bytes'
import { parseOid } from '@datakit/git/oid'
import { draftOf, explainPath, groupDrafts, isStale, proposeMessage, type Draft } from './drafts.ts'

const one = parseOid('1111111111111111111111111111111111111111')
const two = parseOid('2222222222222222222222222222222222222222')
const old = parseOid('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')
const head = parseOid('bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb')
const place = { repository: 'config', branch: 'main', path: 'a.json' }
const committed = { oid: one, mode: 0o100755, bytes: utf8('{}') }

function draft(changes: Partial<Draft> = {}): Draft {
  const bytes = utf8('{"a":1}')
  return { ...place, bytes, mode: 0o100644, base: one, commit: head, at: 0, ...changes }
}

describe('a draft', () => {
  it('begins from what is committed and keeps its mode', () => {
    const typed = draftOf(place, utf8('[]'), { earlier: undefined, committed, head, at: 5 })
    const kept = { ...place, bytes: utf8('[]'), mode: 0o100755, base: one, commit: head, at: 5 }
    expect(typed).toEqual({ action: 'keep', draft: kept })
  })

  it('goes on from where it began when the file changes underneath', () => {
    const earlier = draft({ base: two, commit: old })
    const typed = draftOf(place, utf8('[]'), { earlier, committed, head, at: 5 })
    expect(typed).toMatchObject({ draft: { base: two, commit: old } })
  })

  it('is dropped when the text is what is committed', () => {
    const typed = draftOf(place, utf8('{}'), { earlier: draft(), committed, head, at: 5 })
    expect(typed).toEqual({ action: 'drop' })
  })

  it('of a new file begins from nothing, and an empty one is kept', () => {
    const known = { earlier: undefined, committed: undefined, head, at: 5 }
    expect(draftOf(place, utf8(''), known)).toMatchObject({
      action: 'keep',
      draft: { base: undefined, mode: 0o100644 },
    })
  })

  it('is stale when its file changed, went or came', () => {
    expect(isStale(draft(), { oid: one, mode: 0o100644 })).toBe(false)
    expect(isStale(draft(), { oid: two, mode: 0o100644 })).toBe(true)
    expect(isStale(draft(), undefined)).toBe(true)
    expect(isStale(draft({ base: undefined }), undefined)).toBe(false)
    expect(isStale(draft({ base: undefined }), { oid: one, mode: 0o100644 })).toBe(true)
  })
})

describe('a commit of drafts', () => {
  it('takes all whose files are as they were in one step from the head', () => {
    const drafts = [draft(), draft({ path: 'b.json', base: undefined, commit: old })]
    const files = new Map([['a.json', committed]])
    expect(groupDrafts(drafts, files, head)).toEqual([{ from: head, drafts }])
  })

  it('takes the others first, from where each was begun', () => {
    const fresh = draft()
    const stale = draft({ path: 'b.json', base: two, commit: old })
    const files = new Map([
      ['a.json', committed],
      ['b.json', committed],
    ])
    expect(groupDrafts([fresh, stale], files, head)).toEqual([
      { from: old, drafts: [stale] },
      { from: head, drafts: [fresh] },
    ])
  })

  it('has a message to begin with', () => {
    expect(proposeMessage([draft()])).toBe('Change a.json')
    expect(proposeMessage([draft({ base: undefined })])).toBe('Add a.json')
    expect(proposeMessage([draft(), draft({ base: undefined })])).toBe('Change 2 files')
  })
})

describe('the path of a new file', () => {
  it.each(['', '/a', 'a/', 'a//b', '../a', 'a/./b', '.GIT/config'])('is not %j', (path) => {
    expect(explainPath(path)).toBeDefined()
  })

  it.each(['a', 'a/b.json', '.gitignore', 'ä ö/ü'])('can be %j', (path) => {
    expect(explainPath(path)).toBeUndefined()
  })
})
