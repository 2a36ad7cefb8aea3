/**
 * The repositories that can be opened: those on this device and those on the server.
 *
 * @module
 */
import { repositoriesWithDrafts } from './app-database.ts'
import { knownRepositories, localRepositories } from './local-repositories.ts'
import { askForToken, currentToken } from './sign-in.ts'

/** A repository and where it is. */
export interface RepositoryEntry {
  readonly name: string
  readonly isHere: boolean
  readonly isOnServer: boolean
  /** Whether it was here, and this browser has deleted it. */
  readonly isLost: boolean
  /** Why the server does not offer it. */
  readonly refused: string | undefined
}

/** What could be found. */
export interface RepositoryList {
  readonly entries: readonly RepositoryEntry[]
  /** Why the server's are missing. */
  readonly serverProblem: string | undefined
}

interface ServerEntry {
  readonly name: string
  readonly refused: string | undefined
}

/** What is on this device; quick, and the same without a network. */
export async function listLocal(): Promise<RepositoryList> {
  return {
    entries: mergeLists(await localNames(), [], knownRepositories()),
    serverProblem: undefined,
  }
}

/** What is on this device and on the server. */
export async function listAll(): Promise<RepositoryList> {
  const [local, server] = await Promise.all([localNames(), askServer()])
  const [found, serverProblem] = typeof server === 'string' ? [[], server] : [server, undefined]
  return { entries: mergeLists(local, found, knownRepositories()), serverProblem }
}

/** The lists as one, ordered by name; `known` are those that were here at some time. */
export function mergeLists(
  local: readonly string[],
  server: readonly ServerEntry[],
  known: readonly string[] = [],
): RepositoryEntry[] {
  const entries = new Map<string, RepositoryEntry>()
  for (const name of local) {
    entries.set(name, { name, isHere: true, isOnServer: false, isLost: false, refused: undefined })
  }
  for (const name of known) {
    const lost = { name, isHere: false, isOnServer: false, isLost: true, refused: undefined }
    if (!entries.has(name)) entries.set(name, lost)
  }
  for (const { name, refused } of server) {
    const { isHere = false, isLost = false } = entries.get(name) ?? {}
    entries.set(name, { name, isHere, isOnServer: true, isLost, refused })
  }
  return [...entries.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** Why a text cannot be the name of a repository; `undefined` when it can. The server has the last word. */
export function explainName(name: string): string | undefined {
  if (name === '') return 'Type a name, such as team/config'
  // Control characters and what a folder or a URL cannot have.
  if (/[\p{Cc}\p{Cs}\\:*?"<>|]/u.test(name)) return 'A name has no \\ : * ? " < > |'
  const parts = name.split('/')
  if (parts.some((part) => part === '')) return 'A name neither begins nor ends with a slash'
  if (parts.some((part) => /^[.-]|[. ]$/.test(part))) {
    return 'No part begins with "." or "-", or ends with "." or a space'
  }
  if (parts.some((part) => /\.(git|lock)$/i.test(part))) return 'Leave the ending out'
  return undefined
}

async function localNames(): Promise<string[]> {
  return [...(await localRepositories()), ...(await repositoriesWithDrafts())]
}

async function askServer(): Promise<ServerEntry[] | string> {
  if (!navigator.onLine) return 'There is no network'
  const token = currentToken()
  try {
    const response = await fetch('/repositories', {
      // The browser's own password dialog stays away.
      credentials: 'omit',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(20_000),
    })
    if (response.status === 401) {
      askForToken()
      return 'The server wants a token'
    }
    if (!response.ok) return `The server answered ${response.status}`
    if (!response.headers.get('content-type')?.startsWith('application/json'))
      return 'Something else answers in place of the server, such as the login page of a network'
    return parseList(await response.json())
  } catch {
    return 'The server does not answer'
  }
}

function parseList(body: unknown): ServerEntry[] {
  const list: unknown =
    typeof body === 'object' && body !== null && 'repositories' in body ? body.repositories : []
  if (!Array.isArray(list)) return []
  return list.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('name' in entry)) return []
    if (typeof entry.name !== 'string') return []
    const refused =
      'refused' in entry && typeof entry.refused === 'string' ? entry.refused : undefined
    return [{ name: entry.name, refused }]
  })
}
