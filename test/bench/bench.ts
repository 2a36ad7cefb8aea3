/**
 * `npm run bench`: every hot path beside what a user would pick instead, in one run, and how the cost grows with the
 * work. Writes `docs/benchmarks.md`, `docs/benchmarks-browser.md`, `docs/benchmarks-server.md`, `docs/benchmarks-model.md` and
 * `docs/benchmarks-part.md`.
 *
 * @module
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CorpusOptions } from '../support/corpus.ts'
import { benchBrowser, type BrowserResult } from './bench-browser.ts'
import { benchLive, type LiveResult } from './bench-live.ts'
import { benchModel } from './bench-model.ts'
import { benchPart } from './bench-part.ts'
import { benchPlaces } from './bench-places.ts'
import { benchRefs, type RefsResult } from './bench-refs.ts'
import { benchServer, type ServerCase, type ServerResult } from './bench-server.ts'
import { benchStore, type StoreResult } from './bench-store.ts'
import { benchTyping, type TypingRow } from './bench-typing.ts'
import { benchThrottled, type ThrottledResult } from './bench-throttled.ts'
import {
  browserTables,
  liveTables,
  modelTable,
  partTable,
  placesTable,
  refsTable,
  serverTables,
  storeTable,
  throttledTable,
  typingTable,
} from './report.ts'

const help = `Usage: npm run bench -- [--quick] [--only browser|store|server|model|part] [--out FOLDER]

  --quick       small corpora only: to see that it runs, not for figures
  --only PART   one of the five parts; "npm run bench:browser" is store, "npm run bench:server" and "npm run bench:model" are two more
  --out FOLDER  where the reports go (docs)`

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string', default: join(import.meta.dirname, '..', '..', 'docs') },
    help: { type: 'boolean', default: false },
  },
})

if (values.help) console.log(help)
else await main()

async function main(): Promise<void> {
  const isWanted = (part: string): boolean => values.only === undefined || values.only === part
  if (isWanted('browser'))
    write('benchmarks.md', `# Benchmarks\n\n${header('bench')}${browserTables(await browser())}`)
  if (isWanted('store'))
    write(
      'benchmarks-browser.md',
      `# Benchmarks of the store in a browser\n\n${header('bench:browser')}${storeTable(await store())}${refsTable(await refs())}${typingTable(await typing())}${liveTables(await live())}${placesTable(await benchPlaces())}`,
    )
  if (isWanted('model'))
    write(
      'benchmarks-model.md',
      `# Benchmarks of the model\n\n${header('bench:model')}${modelTable(await benchModel(values.quick))}`,
    )
  if (isWanted('part'))
    write(
      'benchmarks-part.md',
      `# Benchmarks of parts\n\n${header('bench -- --only part')}${partTable(await benchPart(partCorpus()))}`,
    )
  if (isWanted('server'))
    write(
      'benchmarks-server.md',
      `# Benchmarks of the server\n\n${header('bench:server')}${serverTables(await server())}${throttledTable(await throttled())}`,
    )
}

async function browser(): Promise<BrowserResult[]> {
  const results: BrowserResult[] = []
  const corpora = values.quick ? quickCorpora() : fullCorpora()
  const viewed = corpora.findLast(({ layout }) => layout === 'directories')
  for (const corpus of corpora) {
    console.error(`browser: ${corpus.files} files, ${corpus.layout}`)
    results.push(await benchBrowser(corpus, { isViewed: corpus === viewed }))
  }
  return results
}

function store(): Promise<StoreResult> {
  console.error('store')
  const layout = 'directories'
  if (values.quick) {
    const others = [{ files: 50, commits: 5, layout, seed: 13 } as const]
    return benchStore({ files: 100, commits: 20, layout, seed: 11 }, { others, offline: 20 })
  }
  const others = [1000, 100_000].map((files) => ({ files, commits: 20, layout, seed: 13 }) as const)
  return benchStore({ files: 10_000, commits: 2000, layout, seed: 12 }, { others, offline: 1000 })
}

function refs(): Promise<RefsResult> {
  console.error('branches')
  const corpus = { commits: 20, layout: 'directories', seed: 14 } as const
  return values.quick
    ? benchRefs({ ...corpus, files: 200 }, 50)
    : benchRefs({ ...corpus, files: 1000 }, 5000)
}

function typing(): Promise<TypingRow[]> {
  console.error('typing')
  const layout = 'directories'
  if (values.quick) return benchTyping({ files: 200, commits: 20, layout, seed: 11 }, 20)
  return benchTyping({ files: 10_000, commits: 2000, layout, seed: 12 }, 1000)
}

async function live(): Promise<LiveResult[]> {
  console.error('from one browser to another')
  const edits = values.quick ? 5 : 50
  const sse = { title: 'server-sent events', kind: 'node', coordinated: false, edits } as const
  const socket = { title: 'WebSocket', kind: 'worker', coordinated: true, edits } as const
  return [await benchLive(sse), await benchLive(socket)]
}

async function server(): Promise<ServerResult[]> {
  const results: ServerResult[] = []
  for (const each of values.quick ? quickCases() : fullCases()) {
    console.error(`server: ${each.title}`)
    results.push(await benchServer(each))
  }
  return results
}

async function throttled(): Promise<ThrottledResult> {
  console.error('server: a bucket that answers 429')
  return benchThrottled()
}

function write(name: string, report: string): void {
  writeFileSync(join(values.out, name), report)
  console.log(report)
}

function fullCorpora(): CorpusOptions[] {
  const layouts = ['directories', 'flat'] as const
  return layouts.flatMap((layout) => [
    { files: 1000, commits: 500, layout, seed: 11 },
    { files: 10_000, commits: 2000, layout, seed: 12 },
  ])
}

function partCorpus(): CorpusOptions {
  const of = values.quick ? { files: 200, commits: 20 } : { files: 10_000, commits: 500 }
  return { ...of, layout: 'directories', seed: 17, noise: 10_000 }
}

function quickCorpora(): CorpusOptions[] {
  return [{ files: 100, commits: 20, layout: 'directories', seed: 11 }]
}

function fullCases(): ServerCase[] {
  const directories = { layout: 'directories', seed: 12 } as const
  const small = { ...directories, files: 500, commits: 100 }
  const middle = { ...directories, files: 6000, commits: 600 }
  return [
    {
      title: 'A configuration repository of 27,000 objects and 2,000 commits',
      corpus: { ...directories, files: 14_700, commits: 2000, noise: 200 },
    },
    { title: 'A thousand objects', corpus: small },
    { title: 'Ten thousand objects', corpus: middle },
    {
      title: 'A hundred thousand objects',
      corpus: { ...directories, files: 95_000, commits: 500, noise: 1130 },
    },
    { title: 'Ten thousand objects, after 10 pushes', corpus: middle, pushes: 10 },
    { title: 'Ten thousand objects, after 50 pushes', corpus: middle, pushes: 50 },
    { title: 'A thousand objects and a thousand refs', corpus: small, refs: 1000 },
    { title: 'A thousand objects and ten thousand refs', corpus: small, refs: 10_000 },
    {
      title: 'One flat directory of 10,000 files, 2,000 commits',
      corpus: { files: 10_000, commits: 2000, layout: 'flat', seed: 12 },
    },
  ]
}

function quickCases(): ServerCase[] {
  return [
    { title: 'A few objects', corpus: quickCorpora()[0] as CorpusOptions, refs: 5, pushes: 2 },
  ]
}

function header(command: string): string {
  const machine = `${cpus().length} cores, Node ${process.versions.node}`
  return `Generated by \`npm run ${command}\` on ${new Date().toISOString().slice(0, 10)} (${machine}). Both sides of a row ran in the same run, one after the other, on the same
repositories, which a seeded script makes. The machine is noisy: the ratios are what to look at. What was read or cloned was compared, file by file or ref by ref, after the clock.
`
}
