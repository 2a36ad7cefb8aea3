/**
 * IndexedDB under SIGKILL: the browser is killed at random moments while a page commits, and opened again on the same
 * profile. Every round must find exactly what was acknowledged, or that and the one commit that was under way.
 *
 * Seen to fail when chunks were written in a transaction behind the one with the refs.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { KillReport } from './kill-page.ts'

const ROUNDS = 10
const seed = Number(process.env['SEED'] ?? Date.now())

let server: Server
let origin: string
let profile: string
let acknowledged = 0
let onReport: (report: KillReport) => void = () => {}

beforeAll(async () => {
  profile = await mkdtemp(join(tmpdir(), 'kill-indexeddb-'))
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, 'kill-page.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
  })
  const script = outputFiles[0]?.text ?? ''
  server = createServer((request, response) => {
    if (request.method === 'POST') {
      let body = ''
      request.on('data', (piece) => (body += piece))
      request.on('end', () => {
        const report: KillReport = JSON.parse(body)
        if (request.url === '/report') onReport(report)
        else acknowledged = Math.max(acknowledged, report.commits)
        response.end()
      })
      return
    }
    const isScript = request.url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<script type="module" src="/page.js"></script>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(profile, { recursive: true, force: true, maxRetries: 5 })
})

/** Starts a browser on the profile; gives what its page found. */
async function start(): Promise<{ browser: ChildProcess; report: KillReport }> {
  const reported = new Promise<KillReport>((resolve) => (onReport = resolve))
  const flags = ['--headless=new', '--no-sandbox', '--no-zygote', '--disable-gpu', '--no-first-run']
  flags.push('--disable-background-networking', `--user-data-dir=${profile}`, origin)
  const executable = process.env['CHROMIUM'] ?? chromium.executablePath()
  // A process group of its own, so that the kill reaches every process of the browser at once.
  const browser = spawn(executable, flags, { detached: true, stdio: 'ignore' })
  const died = new Promise<never>((_, reject) => {
    browser.once('error', reject)
    browser.once('exit', (code) => reject(new Error(`The browser ended by itself: ${code}`)))
  })
  died.catch(() => undefined)
  return { browser, report: await Promise.race([reported, died]) }
}

async function kill(browser: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => browser.once('exit', resolve))
  if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL')
  await exited
}

/** Numbers from 0 up to 1 (mulberry32). */
function randomFrom(start: number): () => number {
  let a = start >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

it('loses nothing that was acknowledged when the browser is killed', async () => {
  console.log(`${ROUNDS} kills, SEED=${seed}`)
  const random = randomFrom(seed)
  let commits = 0
  for (let round = 0; round <= ROUNDS; round++) {
    const before = acknowledged
    const { browser, report } = await start()
    try {
      expect(report.problem).toBe('')
      expect(report.commits).toBeGreaterThanOrEqual(before)
      commits = report.commits
      if (round === ROUNDS) break
      // The moment of the kill is the input of this test.
      await new Promise((resolve) => setTimeout(resolve, random() * 700))
    } finally {
      await kill(browser)
    }
  }
  expect(commits).toBeGreaterThan(ROUNDS)
}, 180_000)
