/**
 * The tables of `docs/benchmarks.md`.
 *
 * @module
 */
import { BROWSER_WORK, type BrowserResult } from './bench-browser.ts'
import { SERVER_WORK, type ServerResult } from './bench-server.ts'

/** The tables of the browser: ours beside isomorphic-git with lightning-fs, and how each grows. */
export function browserTables(results: readonly BrowserResult[]): string {
  if (results.length === 0) return ''
  const tables = results.map((result) => {
    const { corpus } = result
    const rows = BROWSER_WORK.map((work) => row(work, result.ours[work], result.peer[work]))
    return `### ${corpus.files.toLocaleString('en')} files, ${corpus.commits.toLocaleString('en')} commits, ${layoutOf(corpus.layout)}

| work | DataKit | isomorphic-git + lightning-fs | times faster |
| --- | ---: | ---: | ---: |
${rows.join('\n')}
`
  })
  return `
## In Chromium, beside isomorphic-git with lightning-fs

*Clone* ends when every file of the head can be used: theirs is checked out; ours has been read, every file of it, and its name checked. *Commit* is one changed key, the median,
durable (theirs: written, added, committed, flushed). *Read* is 100 files of the head's commit in a page that was just opened. *Merge* is ten changes a side. *Sync* asks what is new and brings
the commits of the rows above to the server, from a page that was just opened, and *sync again* one more: ours by a sync with \`npm start\`'s server, theirs by \`pull\` and \`push\` with
\`git http-backend\`. *Push alone* is their push without the pull, beside the same sync of ours. Both servers got the repository by a \`git push\`.

${tables.join('\n')}
${growth(results)}`
}

/** The table of the server: stock Git against the Worker beside git http-backend. */
export function serverTable(results: readonly ServerResult[]): string {
  if (results.length === 0) return ''
  const tables = results.map(({ corpus, objects, ours, peer }) => {
    const rows = SERVER_WORK.map((work) => {
      const ratio = ours[work] / peer[work]
      return `| ${work} | ${ms(ours[work])} | ${ms(peer[work])} | ${ratio.toFixed(2)} |`
    })
    return `### ${objects.toLocaleString('en')} objects, ${corpus.commits.toLocaleString('en')} commits

| work of stock git | our Worker in workerd | git http-backend | ours / theirs |
| --- | ---: | ---: | ---: |
${rows.join('\n')}
`
  })
  return `
## \`git push\` and \`git clone\` against our Worker, beside \`git http-backend\`

${tables.join('\n')}`
}

function growth(results: readonly BrowserResult[]): string {
  const rows = (['directories', 'flat'] as const).flatMap((layout) => {
    const of = results.filter(({ corpus }) => corpus.layout === layout)
    const [small, large] = [of[0], of.at(-1)]
    if (small === undefined || large === undefined || small === large) return []
    return BROWSER_WORK.map((work) => {
      const ours = large.ours[work] / small.ours[work]
      const peer = large.peer[work] / small.peer[work]
      return `| ${work}, ${layoutOf(layout)} | ${ours.toFixed(1)} | ${peer.toFixed(1)} |`
    })
  })
  if (rows.length === 0) return ''
  return `### How the cost grows: 10,000 files against 1,000

| work | DataKit | isomorphic-git + lightning-fs |
| --- | ---: | ---: |
${rows.join('\n')}
`
}

function row(work: string, ours: number, peer: number): string {
  return `| ${work} | ${ms(ours)} | ${ms(peer)} | ${(peer / ours).toFixed(1)} |`
}

function layoutOf(layout: 'directories' | 'flat'): string {
  return layout === 'flat' ? 'one flat directory' : 'in directories of fifty'
}

function ms(value: number): string {
  return value >= 1000
    ? `${(value / 1000).toFixed(2)} s`
    : `${value.toFixed(value < 10 ? 2 : 0)} ms`
}
