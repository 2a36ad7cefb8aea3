/**
 * CGI: a program that answers one request, spoken to over its environment, standard input and standard output.
 *
 * Spec: RFC 3875
 *
 * @module
 */
import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** A program and what it is told. */
export interface CgiProgram {
  readonly command: readonly [string, ...string[]]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Folder that it runs in; that of this process when left out. */
  readonly folder?: string
}

/** Lets a program answer; told of the status before anything is sent. */
export function answerByCgi(
  program: CgiProgram,
  request: IncomingMessage,
  response: ServerResponse,
  onStatus: (status: number) => void = () => undefined,
): void {
  const [command, ...args] = program.command
  const child = spawn(command, args, {
    env: { ...program.environment },
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(program.folder === undefined ? {} : { cwd: program.folder }),
  })
  child.stdin.on('error', () => undefined)
  request.pipe(child.stdin)
  response.on('close', () => child.kill())
  let head = Buffer.alloc(0)
  const onHead = (piece: Buffer): void => {
    head = Buffer.concat([head, piece])
    const end = /\r?\n\r?\n/.exec(head.toString('latin1'))
    if (end === null) return
    child.stdout.off('data', onHead)
    onStatus(writeHead(response, head.subarray(0, end.index).toString()))
    response.write(head.subarray(end.index + end[0].length))
    child.stdout.pipe(response)
  }
  child.stdout.on('data', onHead)
  child.stdout.on('end', () => {
    if (response.headersSent) return
    onStatus(500)
    response.writeHead(500).end()
  })
}

function writeHead(response: ServerResponse, head: string): number {
  let status = 200
  let reason: string | undefined
  for (const line of head.split(/\r?\n/)) {
    const [name = '', value = ''] = line.split(/: (.*)/s)
    if (name !== 'Status') response.setHeader(name, value)
    else {
      status = Number.parseInt(value, 10)
      reason = /^\d+ (.+)/.exec(value)?.[1]
    }
  }
  response.writeHead(status, reason)
  return status
}

/** What CGI says of a request, apart from where the program finds its files. */
export function cgiEnvironment(request: IncomingMessage): Record<string, string> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const header = (name: string): string => request.headers[name]?.toString() ?? ''
  return {
    REQUEST_METHOD: request.method ?? 'GET',
    QUERY_STRING: url.search.slice(1),
    CONTENT_TYPE: header('content-type'),
    CONTENT_LENGTH: header('content-length'),
    HTTP_CONTENT_ENCODING: header('content-encoding'),
    GIT_PROTOCOL: header('git-protocol'),
    REMOTE_ADDR: '127.0.0.1',
  }
}
