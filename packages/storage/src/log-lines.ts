/**
 * The lines that an update adds to the log of refs.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { Head, LogEntry, UpdateRequest } from '@datakit/git/place'
import { movedRefs, sameHead } from './update.ts'

/** The lines that a request adds to the log: one for every ref that moves, one for HEAD when it points elsewhere. */
export function logLines(
  request: UpdateRequest,
  at: number,
  resolve: (head: Head, when: 'before' | 'after') => Oid | undefined,
): LogEntry[] {
  const { who, why } = request.log
  const lines: LogEntry[] = []
  for (const { name, from, to } of movedRefs(request))
    lines.push({ ref: name, from, to, who, why, at, external: false })
  if (request.head && !sameHead(request.head.from, request.head.to)) {
    const from = resolve(request.head.from, 'before')
    const to = resolve(request.head.to, 'after')
    lines.push({ ref: 'HEAD', from, to, who, why, at, external: false })
  }
  return lines
}
