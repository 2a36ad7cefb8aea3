/**
 * A push in two halves, so that a test can do something in the middle of it.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { request, type ClientRequest } from 'node:http'

/** How a push was answered; `undefined` when its connection was cut. */
export type PushAnswer = { readonly status: number; readonly text: string } | undefined

/** A push of which the first half is on its way. */
export interface HalfPush {
  /** Sends the rest; what the server says. */
  finish(): Promise<PushAnswer>
}

/** Begins to push `branch` of the bare repository `source` to a URL, where it is not there yet. */
export async function beginPush(source: string, branch: string, url: string): Promise<HalfPush> {
  const body = pushBody(source, branch)
  const sent = request(`${url}/git-receive-pack`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-git-receive-pack-request' },
  })
  const answer = answerOf(sent)
  const half = body.length >> 1
  sent.write(body.subarray(0, half))
  await once(sent, 'socket')
  return {
    finish: () => {
      sent.end(body.subarray(half))
      return answer
    },
  }
}

function pushBody(source: string, branch: string): Buffer {
  const git = (args: readonly string[], input?: string): Buffer =>
    execFileSync('git', ['-C', source, ...args], { input, maxBuffer: 1 << 28 })
  const oid = git(['rev-parse', branch]).toString().trim()
  const line = `${'0'.repeat(40)} ${oid} refs/heads/${branch}\0report-status\n`
  const length = (line.length + 4).toString(16).padStart(4, '0')
  const pack = git(['pack-objects', '--stdout', '--revs', '-q'], `${oid}\n`)
  return Buffer.concat([Buffer.from(`${length}${line}0000`), pack])
}

function answerOf(sent: ClientRequest): Promise<PushAnswer> {
  return new Promise((resolve) => {
    sent.on('error', () => resolve(undefined))
    sent.on('response', (answer) => {
      let text = ''
      answer.on('data', (piece: Buffer) => (text += piece.toString()))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      answer.on('error', () => resolve(undefined))
    })
  })
}
