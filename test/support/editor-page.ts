/**
 * The editor in a real Chromium, used as a person uses it: by what is on the screen.
 *
 * @module
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Locator, type Page, type WebSocket } from 'playwright'
import { findChromium } from '../../tools/chromium.ts'
import { temporaryFolder } from './servers.ts'

/** A browser profile of its own: one device. */
export interface Device {
  readonly context: BrowserContext
  /** What went wrong in any page: errors that nobody caught. */
  readonly problems: readonly string[]
  /** WebSockets that its pages have open. */
  sockets(): number
  close(): Promise<void>
}

/** Starts Chromium with an empty profile, or one in which a person has set these preferences. */
export async function openDevice(preferences?: object): Promise<Device> {
  const profile = temporaryFolder('device')
  if (preferences !== undefined) {
    mkdirSync(join(profile.path, 'Default'))
    writeFileSync(join(profile.path, 'Default', 'Preferences'), JSON.stringify(preferences))
  }
  const context = await chromium.launchPersistentContext(profile.path, {
    executablePath: findChromium(),
    headless: true,
    viewport: { width: 1200, height: 800 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
  context.setDefaultTimeout(20_000)
  const problems: string[] = []
  context.on('weberror', (error) => problems.push(error.error().message))
  const sockets = new Set<WebSocket>()
  context.on('page', (page) =>
    page.on('websocket', (socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }),
  )
  return {
    context,
    problems,
    sockets: () => sockets.size,
    close: async () => {
      await context.close()
      profile.remove()
    },
  }
}

/** One tab with a repository open. */
export class EditorPage {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  /** Opens the app in a new tab, and a repository in it. */
  static async open(device: Device, url: string, name: string): Promise<EditorPage> {
    const editor = new EditorPage(await device.context.newPage())
    await editor.page.goto(url)
    await editor.page.getByLabel('Name').fill(name)
    await editor.page.getByRole('button', { name: 'Open' }).click()
    await editor.page.getByRole('button', { name: 'New file' }).waitFor()
    return editor
  }

  /** The one element that always says how things stand. */
  get status(): Locator {
    return this.page.getByRole('banner').getByRole('status')
  }

  /** Waits until the status says this. */
  async waitForStatus(text: string | RegExp): Promise<void> {
    await this.status.filter({ hasText: text }).waitFor()
  }

  /** Makes a file and opens it. */
  async newFile(path: string): Promise<void> {
    await this.page.getByRole('button', { name: 'New file' }).click()
    const dialog = this.page.getByRole('dialog', { name: 'New file' })
    await dialog.getByLabel('Path').fill(path)
    await dialog.getByRole('button', { name: 'Create' }).click()
    await this.textOf(path).waitFor()
  }

  /** Opens a file through the tree. */
  async openFile(path: string): Promise<void> {
    const steps = path.split('/')
    for (const [i, step] of steps.entries()) {
      const row = this.page
        .getByRole('treeitem', { name: new RegExp(`^${step.replaceAll('.', '\\.')}`) })
        .first()
      const isOpen = (await row.getAttribute('aria-expanded')) === 'true'
      if (i === steps.length - 1 || !isOpen) await row.click()
    }
    await this.textOf(path).waitFor()
  }

  /** Replaces the whole text of the open file, as by typing. */
  async type(path: string, text: string): Promise<void> {
    await this.textOf(path).click()
    await this.page.keyboard.press('Control+A')
    await this.page.keyboard.press('Delete')
    await this.page.keyboard.insertText(text)
  }

  /** Commits what was typed, with a message. */
  async commit(message: string): Promise<void> {
    await this.page.getByLabel('Commit message').fill(message)
    await this.page.getByRole('button', { name: /^Commit/ }).click()
    await this.page.getByRole('link', { name: 'Changes', exact: true }).waitFor()
  }

  /** Asks for a sync, now. */
  async sync(): Promise<void> {
    await this.page.getByRole('button', { name: 'Sync now' }).click()
  }

  /** The editor of a file. */
  textOf(path: string): Locator {
    return this.page.getByRole('textbox', { name: `Text of ${path}` })
  }
}
