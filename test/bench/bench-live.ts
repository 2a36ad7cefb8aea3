/**
 * How long an edit is on its way from the click in one browser to the text in another, and where the time goes.
 *
 * Each browser has a proxy of its own in front of the server, which notes when what was sent comes by. All clocks are the machine's.
 *
 * @module
 */
import type { Page } from 'playwright'
import { ensureWeb } from '../../tools/web-build.ts'
import { EditorPage, openDevice } from '../support/editor-page.ts'
import { MarkingProxy, type Mark } from '../support/marking-proxy.ts'
import { startTestServer, type ServerKind } from '../support/servers.ts'

/** Steps of an edit on its way, in their order. */
export const LIVE_STEPS = [
  'the click, to a durable commit',
  'to the request of its sync',
  'to the event at the other browser',
  'to the request of that sync',
  'to the answer',
  'to what is kept',
  'to the text on the screen',
] as const

/** How edits came from one browser to the other, in milliseconds. */
export interface LiveResult {
  readonly title: string
  /** From the click to the text, of each edit. */
  readonly times: readonly number[]
  /** Of each step, for each edit. */
  readonly steps: readonly (readonly number[])[]
}

/** How it is measured. */
export interface LiveOptions {
  readonly title: string
  readonly kind: ServerKind
  /** Whether the other browser hears of it over a WebSocket. */
  readonly coordinated: boolean
  readonly edits: number
}

const NAME = 'live'
const PATH = 'limits.txt'
/** Milliseconds between two edits: a person's pause. */
const PAUSE = 300

/** Makes edits in one browser, and waits for each in the other. */
export async function benchLive(options: LiveOptions): Promise<LiveResult> {
  await ensureWeb()
  const { kind, coordinated, title } = options
  const server = await startTestServer(kind, { coordinated, throttled: false })
  const [near, far] = [await MarkingProxy.start(server.url), await MarkingProxy.start(server.url)]
  const [here, there] = [await openDevice(), await openDevice()]
  try {
    const ours = await EditorPage.open(here, near.url, NAME)
    await ours.newFile(PATH)
    await ours.type(PATH, 'edit begins')
    await ours.commit('Begin')
    await ours.waitForStatus('On server')
    const theirs = await EditorPage.open(there, far.url, NAME)
    await theirs.openFile(PATH)
    await theirs.waitForStatus('On server')
    while (coordinated && there.sockets() === 0) await theirs.page.waitForTimeout(50)
    const rows: number[][] = []
    for (let i = 0; i < options.edits; i++) {
      await ours.page.waitForTimeout(PAUSE)
      rows.push(await edit(`edit ${i + 1000}`, { ours, theirs, near, far }))
    }
    const steps = LIVE_STEPS.map((_, step) =>
      rows.map((row) => (row[step + 1] ?? 0) - (row[step] ?? 0)),
    )
    return { title, times: rows.map((row) => (row.at(-1) ?? 0) - (row[0] ?? 0)), steps }
  } finally {
    await here.close()
    await there.close()
    near.close()
    far.close()
    await server.stop()
  }
}

interface Sides {
  readonly ours: EditorPage
  readonly theirs: EditorPage
  readonly near: MarkingProxy
  readonly far: MarkingProxy
}

/** One edit; the moments between its steps. */
async function edit(text: string, { ours, theirs, near, far }: Sides): Promise<number[]> {
  await ours.type(PATH, text)
  await ours.page.getByLabel('Commit message').fill(`Say ${text}`)
  await ours.page.waitForTimeout(PAUSE)
  const shown = shownAt(theirs.page, text)
  const kept = keptAt(theirs.page)
  near.forget()
  far.forget()
  const { clicked, committed } = await clickCommit(ours.page)
  const seen = await shown
  await ours.waitForStatus('On server')
  const at = (proxy: MarkingProxy, mark: Mark): number => proxy.first(mark) ?? NaN
  const [sent, told] = [at(near, 'request'), at(far, 'event')]
  const [asked, answered] = [at(far, 'request'), at(far, 'answer')]
  return [clicked, committed, sent, told, asked, answered, (await kept)(answered), seen]
}

/** Clicks, and waits for the news of the commit. */
function clickCommit(page: Page): Promise<{ clicked: number; committed: number }> {
  return page.evaluate(
    (name) =>
      new Promise((resolve) => {
        const now = () => performance.timeOrigin + performance.now()
        const channel = new BroadcastChannel(`datakit:datakit:${name}`)
        channel.addEventListener('message', () => {
          channel.close()
          resolve({ clicked, committed: now() })
        })
        const buttons = [...document.querySelectorAll('button')]
        const button = buttons.find(({ textContent }) => textContent.startsWith('Commit'))
        const clicked = now()
        button?.click()
      }),
    NAME,
  )
}

/** Notes when the page hears of changes; gives the first at or after a moment. */
async function keptAt(page: Page): Promise<(after: number) => number> {
  const moments = await page.evaluate(
    (name) =>
      new Promise<number[]>((resolve) => {
        const moments: number[] = []
        const channel = new BroadcastChannel(`datakit:datakit:${name}`)
        channel.addEventListener('message', () => {
          if (moments.length === 0) setTimeout(() => (channel.close(), resolve(moments)), 1000)
          moments.push(performance.timeOrigin + performance.now())
        })
      }),
    NAME,
  )
  return (after) => moments.find((moment) => moment >= after) ?? NaN
}

/** The moment at which the editor shows a text. */
function shownAt(page: Page, text: string): Promise<number> {
  return page.evaluate(
    (text) =>
      new Promise<number>((resolve) => {
        const observer = new MutationObserver(() => {
          const editor = document.querySelector('.cm-content')
          if (editor?.textContent !== text) return
          observer.disconnect()
          resolve(performance.timeOrigin + performance.now())
        })
        observer.observe(document.body, { childList: true, subtree: true, characterData: true })
      }),
    text,
  )
}
