import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { exampleRepository, git, gitText, scratch } from '../../test/support/example.ts'
import { bytesOf, collect, latin1, pieces } from '../../test/support/hostile.ts'
import { GitError } from '../error.ts'
import { parseOid } from '../oid.ts'
import { encodeBundleHeader, readBundle, type BundleHeader } from './bundle.ts'

const { path: root, remove } = scratch()
afterAll(remove)
const example = exampleRepository(root)
const [first, main, tag] = ['main~2', 'main', 'v1'].map((name) =>
  parseOid(gitText(example, ['rev-parse', name])),
) as [ReturnType<typeof parseOid>, ReturnType<typeof parseOid>, ReturnType<typeof parseOid>]

/** A bundle as Git makes it. */
function bundled(...args: readonly string[]): Uint8Array {
  const file = join(root, 'made.bundle')
  git(example, ['bundle', 'create', '-q', ...args.slice(0, 1), file, ...args.slice(1)])
  return Uint8Array.from(readFileSync(file))
}

const header: BundleHeader = {
  version: 2,
  filter: undefined,
  prerequisites: [{ oid: first, comment: 'day 1' }],
  refs: [
    { name: 'refs/heads/main', oid: main },
    { name: 'refs/tags/v1', oid: tag },
  ],
}

describe.each([2, 3] as const)('the header of version %i', (version) => {
  const bytes = bundled(`--version=${version}`, '^main~2', 'main', 'v1')

  it('reads what Git writes, and writes the same bytes', async () => {
    const { header: read, pack } = await readBundle(pieces(bytes, bytes.length))
    expect(read).toEqual({ ...header, version })
    expect(latin1((await collect(pack)).subarray(0, 4))).toBe('PACK')
    const end = latin1(bytes).indexOf('\n\n') + 2
    expect(latin1(encodeBundleHeader(read))).toBe(latin1(bytes.subarray(0, end)))
  })

  it.each([1, 7])('reads it in pieces of %i bytes', async (size) => {
    const { header: read, pack } = await readBundle(pieces(bytes, size))
    const whole = await readBundle(pieces(bytes, bytes.length))
    expect(read).toEqual(whole.header)
    expect(await collect(pack)).toEqual(await collect(whole.pack))
  })

  it('refuses a header that is cut, at every length', async () => {
    const end = latin1(bytes).indexOf('\n\n') + 2
    for (let length = 0; length < end; length++)
      await expect(readBundle(pieces(bytes.subarray(0, length), 50))).rejects.toThrow(GitError)
  })
})

describe('the header', () => {
  it('says that something was filtered out, as Git does', async () => {
    const bytes = bundled('--version=3', '--filter=blob:none', 'main')
    const { header: read } = await readBundle(pieces(bytes, 100))
    expect(read.filter).toBe('blob:none')
    expect(latin1(bytes)).toContain(latin1(encodeBundleHeader(read)))
  })

  it.each([
    ['nothing', '', 'malformed'],
    ['a pack', 'PACK\0\0\0\x02', 'malformed'],
    ['much without a line', 'x'.repeat(1000), 'malformed'],
    ['another version', '# v4 git bundle\n', 'unsupported'],
    ['SHA-256', '# v3 git bundle\n@object-format=sha256\n', 'unsupported'],
    ['an unknown capability', '# v3 git bundle\n@magic=1\n', 'unsupported'],
    ['a capability in version 2', '# v2 git bundle\n@filter=blob:none\n\n', 'malformed'],
    ['a short oid', `# v2 git bundle\n${'1'.repeat(39)} refs/heads/main\n\n`, 'malformed'],
    ['a ref without a name', `# v2 git bundle\n${'1'.repeat(40)}\n\n`, 'malformed'],
  ])('refuses %s', async (_, text, code) => {
    await expect(readBundle(pieces(bytesOf(text), 64))).rejects.toMatchObject({ code })
  })

  it('keeps names that are not UTF-8', async () => {
    const odd = { ...header, prerequisites: [], refs: [{ oid: main, name: 'refs/heads/\udce4' }] }
    const bytes = encodeBundleHeader(odd)
    expect(latin1(bytes)).toContain('refs/heads/\xe4\n')
    expect((await readBundle(pieces(bytes, 9))).header).toEqual(odd)
  })

  it('does not write what would be read as something else', () => {
    const name = `refs/heads/a\n${main} refs/heads/b`
    expect(() => encodeBundleHeader({ ...header, refs: [{ name, oid: main }] })).toThrow(RangeError)
    expect(() => encodeBundleHeader({ ...header, filter: 'blob:none' })).toThrow(RangeError)
  })

  it('lets go of a source that nobody reads to its end', async () => {
    let isOpen = true
    const source = (async function* () {
      try {
        for (;;) yield encodeBundleHeader(header)
      } finally {
        isOpen = false
      }
    })()
    const { close } = await readBundle(source)
    await close()
    expect(isOpen).toBe(false)
  })
})
