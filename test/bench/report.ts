/**
 * The tables of `docs/benchmarks.md`.
 *
 * @module
 */
import { BROWSER_WORK, type BrowserResult, type BrowserTimings } from './bench-browser.ts'
import type { ModelRow } from './bench-model.ts'
import type { PartResult } from './bench-part.ts'
import { SERVER_WORK, type ServerResult, type ServerWork } from './bench-server.ts'
import { LIVE_STEPS, type LiveResult } from './bench-live.ts'
import type { PlacesRow } from './bench-places.ts'
import type { RefsResult } from './bench-refs.ts'
import type { StoreResult } from './bench-store.ts'
import type { TypingRow } from './bench-typing.ts'
import type { ThrottledResult } from './bench-throttled.ts'

/** First syncs of parts of a repository, beside all of it. */
export function partTable({ corpus, rows }: PartResult): string {
  const [all] = rows
  const share = (part: number, whole = 1): string => `${((100 * part) / whole).toFixed(1)} %`
  const lines = rows.map(({ work, time, bytes }) => {
    const columns = [work, `${(bytes / 1e6).toFixed(2)} MB`, share(bytes, all?.bytes)]
    return `| ${[...columns, `${Math.round(time)} ms`, share(time, all?.time)].join(' | ')} |`
  })
  const { files, commits, noise = 0 } = corpus
  return `
${files.toLocaleString('en')} files of ${(noise / 1000).toFixed(0)} kB in directories of fifty, ${commits.toLocaleString('en')} commits. The server is that of \`npm start\`, over a Git directory; the client is in Node and keeps what comes in memory. Medians of three.

| work | bytes | of all | time | of all |
| --- | ---: | ---: | ---: | ---: |
${lines.join('\n')}
`
}

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
one commit to the server, from a page that was just opened, and *sync again* one more: ours by a sync with \`npm start\`'s server, theirs by \`pull\` and \`push\` with
\`git http-backend\`; the commits of the rows above went out before. *Push alone* is their push without the pull, beside the same sync of ours. Both servers got the repository by a \`git push\`.

${tables.join('\n')}
${growth(results)}${viewTables(results)}`
}

function viewTables(results: readonly BrowserResult[]): string {
  return results
    .flatMap(({ corpus, peer, view }) =>
      view === undefined ? [] : [viewTable(corpus.files, peer, view)],
    )
    .join('')
}

/** isomorphic-git with refs and objects in a repository of ours, beside itself. */
function viewTable(files: number, peer: BrowserTimings, view: BrowserTimings): string {
  const rows = BROWSER_WORK.map((work) => row(work, view[work], peer[work]))
  return `
### isomorphic-git over a repository of ours, ${files.toLocaleString('en')} files in directories

The same program on both sides: with the whole Git directory in a lightning-fs, and with refs and objects in a repository of ours (\`packages/fs\`). The work tree and the index are in a
lightning-fs either way, and take most of the time of *clone* and *merge* (both check out) and of *commit* (it adds).

| work | with \`repositoryFs\` | lightning-fs alone | times faster |
| --- | ---: | ---: | ---: |
${rows.join('\n')}
`
}

/** What the Worker must not take longer than, as a multiple of `git http-backend`. */
const MUST: Partial<Record<ServerWork, number>> = {
  'full push': 2.5,
  'repeat clone': 0.9,
  'clone right after it': 1.2,
  '20 serial pushes': 2,
  'clone --depth 1': 1.5,
  'clone --filter=blob:none': 1.5,
  'fetch of one commit': 1.5,
}

/** The tables of the server: stock Git against the Worker beside git http-backend. */
export function serverTables(results: readonly ServerResult[]): string {
  const tables = results.map((result) => {
    const { title, objects, bytes, ours, peer, memory } = result
    const rows = SERVER_WORK.map((work) => {
      const ratio = (ours[work] / peer[work]).toFixed(2)
      const must = MUST[work]?.toString() ?? ''
      return `| ${work} | ${ms(ours[work])} | ${ms(peer[work])} | ${ratio} | ${must} | ${Math.round(memory[work] / 1e6)} MB |`
    })
    return `## ${title}

${objects.toLocaleString('en')} objects, ${(bytes / 1e6).toFixed(1)} MB packed.

| work of stock git | our Worker in workerd | git http-backend | ours / theirs | must | memory of the isolate |
| --- | ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}
`
  })
  return `
The Worker runs in workerd over a local R2; \`git http-backend\` over a disk, behind a Node server that speaks CGI with it. *20 serial pushes* are of one commit each. *Memory* is the most that V8's heap and the
buffers behind typed arrays held together, garbage included, seen every 50 ms. The clones are without a checkout.

${tables.join('\n')}`
}

/** The tables of the store in Chromium beside stock git and beside isomorphic-git with lightning-fs. */
export function storeTable({ corpus, rows, limit, growth }: StoreResult): string {
  const lines = rows.map(({ work, ours, git, peer, must }) => {
    const ratio = git === undefined ? '' : (ours / git).toFixed(2)
    const faster = peer === undefined ? '' : (peer / ours).toFixed(1)
    const columns = [work, ms(ours), must, git === undefined ? '' : ms(git), ratio]
    return `| ${[...columns, peer === undefined ? '' : ms(peer), faster].join(' | ')} |`
  })
  const [first] = growth
  const [clone] = rows
  const sizes = growth.map(
    ({ files, commit }) =>
      `| ${files.toLocaleString('en')} | ${ms(commit)} | ${(commit / (first?.commit ?? commit)).toFixed(2)} |`,
  )
  return `
Chromium, headless, with \`npm start\`'s server on the loopback; stock git with a work tree, and isomorphic-git with lightning-fs in Chromium, on the same machine and against the same server. Each command
of git is a process, whose start is in its time. After each clone in the browser every file was read and hashed, outside the clock, and compared with what git says. Medians, but for the clones, the merges, the diff and the last row.

*Clone* of isomorphic-git is with its checkout, without which nothing is in its files; its *sync* is a pull and a push. It was not asked for a thousand commits, which would take it minutes.

## ${corpus.files.toLocaleString('en')} files, ${corpus.commits.toLocaleString('en')} commits

| work | ours | must | stock git | ours / git | isomorphic-git + lightning-fs | times faster |
| --- | ---: | --- | ---: | ---: | ---: | ---: |
${lines.join('\n')}

To download the same pack, digest it and store it in IndexedDB as one value, which is the least that a clone can take, took ${ms(limit)}: the clone is ${((clone?.ours ?? 0) / limit).toFixed(1)} times that.

## A commit of one key, by the number of files

| files | commit | growth (must: 1.5) |
| ---: | ---: | ---: |
${sizes.join('\n')}
`
}

/** The table of how long a key waits in the editor. */
export function typingTable(rows: readonly TypingRow[]): string {
  const lines = rows.map(({ work, took, longest }) => `| ${work} | ${ms(took)} | ${ms(longest)} |`)
  return `
## How long a key waits

The editor with a repository of the size above, from \`npm start\`'s server. *Longest* is the longest time that the page's thread took no turn for anything else, whatever it was busy with: a key that is
pressed in it is shown behind it. *Clone* ends where the status says *On server*, when everything that came is proved; files can be read long before.

| work | took | longest |
| --- | ---: | ---: |
${lines.join('\n')}
`
}

/** The table of a repository with many branches. */
export function refsTable({ files, branches, rows }: RefsResult): string {
  const bytes = (count: number): string =>
    count < 100_000 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1e6).toFixed(2)} MB`
  const lines = rows.map(
    ({ work, ours, git, sent, received }) =>
      `| ${work} | ${ms(ours)} | ${ms(git)} | ${(ours / git).toFixed(2)} | ${bytes(sent)} | ${bytes(received)} |`,
  )
  return `
## ${branches.toLocaleString('en')} branches

${files.toLocaleString('en')} files, and a commit on each branch. Stock git clones with a work tree, fetches and pushes. The bytes are ours; medians, but for the clone. The first sync of a page names what it has of every branch; those
behind it name what changed (\`docs/sync-protocol.md\`, *A brief request*).

| work | ours | stock git | ours / git | sent | received |
| --- | ---: | ---: | ---: | ---: | ---: |
${lines.join('\n')}
`
}

/** The tables of how long an edit is on its way to another browser. */
export function liveTables(results: readonly LiveResult[]): string {
  const rows = results.map(({ title, times }) => {
    const [half, most] = [quantile(times, 0.5), quantile(times, 0.95)]
    return `| an edit seen in another browser, ${title} | ${times.length} | ${ms(half)} | ${ms(most)} | 200 ms |`
  })
  const steps = LIVE_STEPS.map((step, i) => {
    const each = results.map((result) => result.steps[i] ?? [])
    const cells = each.flatMap((times) => [0.5, 0.95].map((share) => cell(times, share)))
    return `| ${step} | ${cells.join(' | ')} |`
  })
  const heads = results.flatMap(({ title }) => [title, '95 %'])
  return `
## From one browser to another

From the click on *Commit* to the text in the editor of another browser, over \`npm start\`'s server (server-sent events) and over the Worker in local workerd with its Durable Object (WebSocket); durable
in both browsers and on the server before it is seen.

| work | edits | median | 95 % | must |
| --- | ---: | ---: | ---: | --- |
${rows.join('\n')}

Where the time goes; medians of the steps, each from the one before. What passes over a WebSocket is not seen.

| step | ${heads.join(' | ')} |
| --- |${' ---: |'.repeat(heads.length)}
${steps.join('\n')}
`
}

/** Empty where nothing was seen. */
function cell(times: readonly number[], share: number): string {
  return times.every((time) => Number.isNaN(time)) ? '' : ms(quantile(times, share))
}

/** The value below which this share of the times is. */
function quantile(times: readonly number[], share: number): number {
  const sorted = times.filter((time) => !Number.isNaN(time)).toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** The table of where a page could keep packs. */
export function placesTable(rows: readonly PlacesRow[]): string {
  const lines = rows.map(({ work, indexedDb, page, worker }) => {
    const [ofPage, ofWorker] = [page, worker].map((time) => (indexedDb / time).toFixed(2))
    return `| ${work} | ${ms(indexedDb)} | ${ms(page)} | ${ofPage} | ${ms(worker)} | ${ofWorker} |`
  })
  return `
## Where packs could be kept

The bytes alone, without indexes, refs and checks: IndexedDB in rows of 256 kB, each transaction of strict durability, beside a file of the origin-private file system (OPFS), through the promises that
a page has and through the sync access handles of a Web Worker, flushed, messages to it and back included. Seven pages that were just opened, each place after the other in each; medians.

| work | IndexedDB | OPFS, page | times faster | OPFS, worker | times faster |
| --- | ---: | ---: | ---: | ---: | ---: |
${lines.join('\n')}
`
}

/** The table of the model under Node. */
export function modelTable(rows: readonly ModelRow[]): string {
  const lines = rows.flatMap(({ work, peer, times }) => {
    const first = times[0]
    return times.map(({ size, ours, peer: theirs }) => {
      const growth =
        first === undefined || times.length < 2 ? '' : `${(ours / first.ours).toFixed(1)} x`
      const ratio = theirs === undefined ? '' : (ours / theirs).toFixed(2)
      return `| ${work} | ${size} | ${ms(ours)} | ${growth} | ${theirs === undefined ? '' : ms(theirs)} | ${ratio} | ${peer ?? ''} |`
    })
  })
  return `
Medians, in Node. Stock git is a process for each command, whose start is in its time: what a program pays that calls it. Merges are compared with Git's, tree by tree and byte by byte, after the clock.

| work | in | ours | growth | stock git | ours / git | command |
| --- | --- | ---: | ---: | ---: | ---: | --- |
${lines.join('\n')}
`
}

/** The table of a bucket that takes one write a second to a key. */
export function throttledTable({ coordinated, alone, peer }: ThrottledResult): string {
  const sides = [coordinated, alone, peer]
  const serial = sides.map((side) => ms(side.serial))
  const together = sides.map(({ together, turnedAway }) =>
    turnedAway === 0 ? ms(together) : `${ms(together)}, ${turnedAway} turned away`,
  )
  return `
## A bucket that answers 429 to a second write to a key within a second

Pushes of one commit each. Every push waits until the root that names it is stored, so pushes that follow on each other take a second each, whoever makes the update; those that come together
share a root where the Durable Object gathers them.

| work of stock git | with the Durable Object | without | git http-backend |
| --- | ---: | ---: | ---: |
| 20 pushes, one after the other | ${serial.join(' | ')} |
| 20 pushes, at the same time | ${together.join(' | ')} |
`
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
