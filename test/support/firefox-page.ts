/**
 * One page in Debian's Firefox with preferences of a test's choice, driven by WebDriver BiDi: by what is in the document.
 *
 * Spec: https://w3c.github.io/webdriver-bidi/
 *
 * @module
 */
import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { killBrowser, startBrowser } from '../../tools/other-browsers.ts'
import { freePort, temporaryFolder } from './servers.ts'

/** What a person may have set. */
export type Preferences = Readonly<Record<string, boolean | number | string>>

/** Milliseconds that a busy machine may need to start the browser, or to show something. */
const PATIENCE = 60_000

interface BidiAnswer {
  readonly id: number
  readonly result?: { readonly [key: string]: unknown }
  readonly message?: string
}

/** The page. */
export class FirefoxPage {
  readonly #child: ChildProcess
  readonly #socket: WebSocket
  readonly #close: () => void
  readonly #waiting = new Map<number, (answer: BidiAnswer) => void>()
  #count = 0
  #context = ''

  private constructor(child: ChildProcess, socket: WebSocket, close: () => void) {
    this.#child = child
    this.#socket = socket
    this.#close = close
    socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
      const answer: BidiAnswer = JSON.parse(data)
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    })
  }

  /** Starts Firefox with an empty profile, at an address. */
  static async open(url: string, preferences: Preferences): Promise<FirefoxPage> {
    const profile = temporaryFolder('firefox')
    const lines = Object.entries(preferences).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    )
    writeFileSync(join(profile.path, 'prefs.js'), lines.join(''))
    const port = await freePort()
    const child = startBrowser('firefox', profile.path, `--remote-debugging-port=${port}`)
    const socket = await connect(`ws://127.0.0.1:${port}/session`)
    const page = new FirefoxPage(child, socket, () => profile.remove())
    await page.#ask('session.new', { capabilities: {} })
    const { contexts } = await page.#ask('browsingContext.getTree', {})
    const [first] = contexts as readonly { readonly context: string }[]
    page.#context = first?.context ?? ''
    await page.#ask('browsingContext.navigate', { context: page.#context, url, wait: 'complete' })
    return page
  }

  /** The value of an expression in the page, which is a text; a promise is waited for. */
  async evaluate(expression: string): Promise<string> {
    const { result, exceptionDetails } = await this.#ask('script.evaluate', {
      expression,
      target: { context: this.#context },
      awaitPromise: true,
    })
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return String((result as { readonly value?: unknown }).value)
  }

  /** All that can be read in what a selector finds first, once there is any. */
  async textOf(selector: string): Promise<string> {
    await this.#until(`document.querySelector(${JSON.stringify(selector)}) !== null`)
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`)
  }

  /** Waits until the page's status says this. */
  waitForStatus(text: string): Promise<void> {
    return this.#until(
      `document.querySelector('header [role=status]')?.textContent.includes(${JSON.stringify(text)})`,
    )
  }

  /** Whether anything is found by a selector. */
  async has(selector: string): Promise<boolean> {
    return (
      (await this.evaluate(`document.querySelector(${JSON.stringify(selector)}) !== null`)) ===
      'true'
    )
  }

  /** Presses the button of this name, once it is there. */
  async press(name: string): Promise<void> {
    const found = `[...document.querySelectorAll('button')].find((each) => each.textContent.trim().startsWith(${JSON.stringify(name)}))`
    await this.#until(`${found} !== undefined`)
    await this.evaluate(`${found}.click()`)
  }

  /** Puts a text into a field, as by typing. */
  async fill(selector: string, text: string): Promise<void> {
    await this.textOf(selector)
    await this.evaluate(
      `{ const field = document.querySelector(${JSON.stringify(selector)})
         field.value = ${JSON.stringify(text)}
         field.dispatchEvent(new Event('input', { bubbles: true })) }`,
    )
  }

  async close(): Promise<void> {
    this.#socket.close()
    await killBrowser(this.#child)
    this.#close()
  }

  async #until(condition: string): Promise<void> {
    for (const end = Date.now() + PATIENCE; Date.now() < end;) {
      if ((await this.evaluate(condition)) === 'true') return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const text = await this.evaluate('document.body.innerText')
    throw new Error(`Not so within ${PATIENCE} ms: ${condition}; the page says: ${text}`)
  }

  async #ask(method: string, params: object): Promise<NonNullable<BidiAnswer['result']>> {
    const id = ++this.#count
    const { promise, resolve } = Promise.withResolvers<BidiAnswer>()
    this.#waiting.set(id, resolve)
    this.#socket.send(JSON.stringify({ id, method, params }))
    const { result, message } = await promise
    if (result === undefined) throw new Error(`Firefox: ${method}: ${message}`)
    return result
  }
}

/** Connects as soon as somebody listens. */
async function connect(url: string): Promise<WebSocket> {
  for (const end = Date.now() + PATIENCE; Date.now() < end;) {
    const socket = new WebSocket(url)
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.addEventListener('open', () => resolve(true))
      socket.addEventListener('error', () => resolve(false))
    })
    if (isOpen) return socket
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`Firefox does not listen at ${url}`)
}
