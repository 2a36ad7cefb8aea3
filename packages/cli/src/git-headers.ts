/**
 * Git headers: what Git is answered under Node has the headers of `git http-backend`, in their order and spelling.
 *
 * Clients do not mind; Git's own tests and people who read traces compare them. A `Response` has its headers sorted.
 *
 * @module
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

const ORDER = ['Expires', 'Pragma', 'Cache-Control', 'Content-Type'] as const

/** Makes a response write its headers so when it is one to Git. */
export function likeGit(response: ServerResponse): void {
  const writeHead = response.writeHead.bind(response)
  response.writeHead = (status: number, reason?: unknown, more?: unknown): ServerResponse => {
    // Only this form is used by whoever writes them here.
    const headers = (more ?? (typeof reason === 'string' ? {} : reason)) as OutgoingHttpHeaders
    if (!isForGit(headers)) return writeHead(status, headers)
    // Said here, Node does not say for how long, which Git's server does not either.
    const connection = response.shouldKeepAlive ? { Connection: 'keep-alive' } : {}
    return writeHead(status, { ...inOrder(headers), ...connection })
  }
}

function isForGit(headers: OutgoingHttpHeaders | undefined): headers is OutgoingHttpHeaders {
  return headers?.['content-type']?.toString().startsWith('application/x-git-') === true
}

function inOrder(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const ordered: OutgoingHttpHeaders = {}
  for (const name of ORDER) {
    const value = headers[name.toLowerCase()]
    if (value !== undefined) ordered[name] = value
  }
  const known: ReadonlySet<string> = new Set(ORDER.map((name) => name.toLowerCase()))
  for (const [name, value] of Object.entries(headers)) {
    if (!known.has(name.toLowerCase())) ordered[name] = value
  }
  return ordered
}
