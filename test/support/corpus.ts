/**
 * Corpora: configuration repositories of any size, made by one seeded `git fast-import` script. The same options give
 * the same oids on every machine.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

/** What a corpus looks like. */
export interface CorpusOptions {
  /** Files in the first commit. */
  readonly files: number
  /** Commits after it, each changing one to three files. */
  readonly commits: number
  /** `directories`: about fifty files in each; `flat`: all in one. */
  readonly layout: 'directories' | 'flat'
  readonly seed: number
  /** Characters in each file that do not compress below six bits; 0 when left out. */
  readonly noise?: number
}

/** Numbers from 0 up to 1 that follow from the seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Path of file number `i`. */
export function corpusPath(i: number, layout: CorpusOptions['layout']): string {
  const name = `service-${String(i).padStart(5, '0')}.json`
  return layout === 'flat' ? name : `team-${String(Math.floor(i / 50)).padStart(3, '0')}/${name}`
}

/** Content of a file in a revision: a small JSON document of about 270 bytes and the noise, indented by two. */
export function corpusFile(i: number, revision: number, noise = 0): string {
  return `${JSON.stringify(
    {
      name: `service-${i}`,
      revision,
      replicas: (i * 7 + revision) % 13,
      limits: {
        cpu: `${100 + ((i * 31 + revision * 17) % 900)}m`,
        memory: `${64 + ((i * 13 + revision) % 448)}Mi`,
      },
      endpoints: [`https://s${i}.example.org/v${revision % 5}`, `https://backup.example.org/${i}`],
      enabled: (i + revision) % 3 !== 0,
      ...(noise > 0 ? { certificate: noiseOf(i * 100_003 + revision, noise) } : {}),
    },
    undefined,
    2,
  )}\n`
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

const NOISE_SIZE = 1 << 20
let noise: string | undefined

/** Characters that look random and follow from the seed: a piece of a long text that is made once. */
function noiseOf(seed: number, length: number): string {
  if (noise === undefined) {
    const random = seededRandom(1)
    noise = Array.from({ length: NOISE_SIZE }, () => LETTERS[Math.floor(random() * 64)]).join('')
  }
  const start = Math.floor(seededRandom(seed)() * (NOISE_SIZE - length))
  return noise.slice(start, start + length)
}

/** Makes the corpus in a new bare repository at `folder`, packed. */
export async function makeCorpus(folder: string, options: CorpusOptions): Promise<void> {
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', folder])
  const child = spawn('git', ['-C', folder, 'fast-import', '--quiet'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  for (const piece of script(options)) {
    if (!child.stdin.write(piece)) await once(child.stdin, 'drain')
  }
  child.stdin.end()
  const [code] = (await once(child, 'exit')) as [number]
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`)
  // Whoever looks for deltas among files of noise looks for a long time and finds none.
  const threshold = (options.noise ?? 0) >= 1024 ? ['-c', 'core.bigFileThreshold=1k'] : []
  const repack = ['repack', '-adq', '--depth=50', '--window=10']
  execFileSync('git', ['-C', folder, ...threshold, ...repack])
}

function* script(options: CorpusOptions): Generator<string> {
  const random = seededRandom(options.seed)
  yield commit(0, 'Import the configuration')
  for (let i = 0; i < options.files; i++) yield change(i, 0, options)
  for (let revision = 1; revision <= options.commits; revision++) {
    yield commit(revision, `Change ${revision}`)
    const changes = 1 + Math.floor(random() * 3)
    for (let n = 0; n < changes; n++)
      yield change(Math.floor(random() * options.files), revision, options)
  }
  yield 'done\n'
}

function commit(revision: number, message: string): string {
  const when = `${1_700_000_000 + revision * 60} +0100`
  const who = revision % 3 === 0 ? 'Ada <ada@example.org>' : 'Grace <grace@example.org>'
  return `commit refs/heads/main\nauthor ${who} ${when}\ncommitter ${who} ${when}\ndata ${Buffer.byteLength(message)}\n${message}\n`
}

function change(i: number, revision: number, { layout, noise }: CorpusOptions): string {
  const content = corpusFile(i, revision, noise)
  return `M 100644 inline ${corpusPath(i, layout)}\ndata ${Buffer.byteLength(content)}\n${content}\n`
}
