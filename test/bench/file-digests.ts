/**
 * What the files of a corpus are, asked of stock git: what was cloned is compared with it.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { corpusPath, type CorpusOptions } from '../support/corpus.ts'
import { git } from '../support/stock-git.ts'

/** SHA-1 of the content of every file of the head of the repository at `source`, in the order of the corpus. */
export async function fileDigests(source: string, corpus: CorpusOptions): Promise<string[]> {
  const listed = await git(source, 'ls-tree', '-r', '--format=%(objectname) %(path)', 'main')
  const oids = new Map(
    listed.split('\n').map((line) => [line.slice(41), line.slice(0, 40)] as const),
  )
  const names = Array.from(
    { length: corpus.files },
    (_, i) => oids.get(corpusPath(i, corpus.layout)) ?? '',
  )
  const contents = execFileSync('git', ['-C', source, 'cat-file', '--batch'], {
    input: names.join('\n'),
    maxBuffer: 1 << 30,
  })
  const found: string[] = []
  for (let at = 0; at < contents.length;) {
    const end = contents.indexOf(10, at)
    const size = Number(contents.subarray(at, end).toString().split(' ')[2])
    found.push(
      createHash('sha1')
        .update(contents.subarray(end + 1, end + 1 + size))
        .digest('hex'),
    )
    at = end + 1 + size + 1
  }
  return found
}
