/**
 * Checks and repairs in tests: what they say, gathered.
 *
 * @module
 */
import type { CheckEvent, Counts, Finding } from '../src/fsck/finding.ts'

/** What was said, and what came of it. */
export interface Said<Result> {
  readonly findings: readonly Finding[]
  readonly mended: readonly string[]
  readonly counts: Counts | undefined
  readonly result: Result
}

/** Lets a check or a repair run to its end. */
export async function gather<Result>(
  run: AsyncGenerator<CheckEvent, Result>,
): Promise<Said<Result>> {
  const findings: Finding[] = []
  const mended: string[] = []
  let counts: Counts | undefined
  for (;;) {
    const next = await run.next()
    if (next.done === true) return { findings, mended, counts, result: next.value }
    const event = next.value
    if (event.kind === 'finding') findings.push(event.finding)
    if (event.kind === 'mended') mended.push(event.message)
    if (event.kind === 'counts') counts = event.counts
  }
}

/** Codes of what is wrong, without what is only worth a word. */
export function codes({ findings }: Said<unknown>): string[] {
  const bad = findings.filter(({ severity }) => severity !== 'info')
  return [...new Set(bad.map(({ code }) => code))].sort()
}
