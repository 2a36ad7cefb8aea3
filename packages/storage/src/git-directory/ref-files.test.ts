import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import type { Oid } from '@datakit/git/oid'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import {
  commitObject,
  emptyTree,
  git,
  placeRefs,
  stageObjects,
  temporaryDirectory,
} from '../../test/git-sample.ts'
import { done, request } from '../../test/samples.ts'
import { openGitDirectory, type GitDirectoryPlace } from './depot.ts'

const A = 'refs/heads/a'
const B = 'refs/heads/b'
const one = commitObject('one')
const two = commitObject('two', [one.oid])

let directory = ''
let place: GitDirectoryPlace

beforeEach(async () => {
  directory = temporaryDirectory()
  git(directory, 'init', '-q', '--bare', '-b', 'main')
  place = await openGitDirectory(directory, { lockTimeout: 100 })
  const addPacks = [await stageObjects(place, [one, two, emptyTree])]
  await done(
    place,
    request([move(A, undefined, one.oid), move(B, undefined, one.oid)], { addPacks }),
  )
})

afterEach(async () => {
  await place.close()
  rmSync(directory, { recursive: true, force: true })
})

function move(name: string, from: Oid | undefined, to: Oid | undefined) {
  return { name, from, to }
}

/** A loose ref as a power cut or an editor leaves it; its packed value is underneath. */
function breakRef(name: string, body: string): void {
  mkdirSync(`${directory}/refs/heads`, { recursive: true })
  writeFileSync(`${directory}/${name}`, body)
}

describe.each([
  ['empty', ''],
  ['cut', one.oid.slice(0, 20)],
  ['garbage', 'x'.repeat(41)],
  ['of zeros', '\0'.repeat(41)],
  ['a name that is none', 'ref: ../../etc'],
])('a ref whose file is %s', (_, body) => {
  beforeEach(() => breakRef(A, body))

  it('is named by who reads it, and hides no other', async () => {
    await expect((await place.read()).ref(A)).rejects.toThrow(`"${A}"`)
    expect(await placeRefs(place)).toEqual([`${B} ${one.oid}`])
  })

  it.each([
    ['created', [move(A, undefined, two.oid)]],
    ['moved', [move(A, one.oid, two.oid)]],
    ['created with another', [move(A, undefined, two.oid), move(B, one.oid, two.oid)]],
    ['deleted with another', [move(A, one.oid, undefined), move(B, one.oid, undefined)]],
  ])('is not %s', async (__, refs) => {
    const wish = request(refs)
    await expect(place.update(wish)).rejects.toMatchObject({ code: 'broken-ref' })
    expect(readFileSync(`${directory}/${A}`, 'latin1')).toBe(body)
    expect(readFileSync(`${directory}/packed-refs`, 'latin1')).toContain(`${one.oid} ${A}`)
    rmSync(`${directory}/${A}`)
    expect(git(directory, 'rev-parse', A, B)).toBe(`${one.oid}\n${one.oid}`)
    // It was refused and not lost: the same request may come again.
    expect(await (await place.read()).receipt(wish.id)).toBeUndefined()
  })
})

it('refuses a HEAD that leads nowhere by name', async () => {
  writeFileSync(`${directory}/HEAD`, '')
  await expect(place.read()).rejects.toThrow('"HEAD"')
})
