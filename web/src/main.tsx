/**
 * Starts the page.
 *
 * @module
 */
import { render } from 'preact'
import { startRouting } from './app-state.ts'
import { isKept, lookForPrivateWindow } from './kept-storage.ts'
import { findStorage } from './local-repositories.ts'
import { startServiceWorker } from './service-worker-client.ts'
import { loadToken } from './sign-in.ts'
import { App } from './views/app.tsx'

const root = document.querySelector('#app')
if (root === null) throw new Error('The page has no element "app"')
await findStorage()
await loadToken()
startRouting()
render(<App />, root)
if (isKept.value) void lookForPrivateWindow()
await startServiceWorker()
