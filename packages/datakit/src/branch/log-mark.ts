/**
 * A mark in the log of a ref: finds what was added since, and nothing twice.
 *
 * Entries have no numbers, and the same move can be made over and over within one second. So the mark is all entries of the
 * newest moment together with the one before that moment: time only goes forward, so such a run stands in the log once.
 *
 * @module
 */
import type { Oid } from '@datakit/git/oid'
import type { LogEntry } from '@datakit/git/place'

/** Where in the log of a ref somebody has come to. */
export class LogMark {
  /** Newest first: the entries of one moment, then the one before it. Without that one, it is the whole log. */
  readonly #run: readonly LogEntry[]

  private constructor(run: readonly LogEntry[]) {
    this.#run = run
  }

  /** The mark behind the newest entry. A move that was only found is not in the log yet, and passed over. */
  static async atEnd(log: AsyncIterable<LogEntry>): Promise<LogMark> {
    const run: LogEntry[] = []
    for await (const entry of log) {
      if (run.length === 0 && entry.external) continue
      run.push(entry)
      if (entry.at !== run[0]?.at) break
    }
    return new LogMark(run)
  }

  /** The mark behind the newest entry that led to `oid`; `undefined` when none did. */
  static async behind(log: AsyncIterable<LogEntry>, oid: Oid): Promise<LogMark | undefined> {
    const run: LogEntry[] = []
    for await (const entry of log) {
      if (run.length === 0 && (entry.external || entry.to !== oid)) continue
      run.push(entry)
      if (entry.at !== run[0]?.at) break
    }
    return run.length === 0 ? undefined : new LogMark(run)
  }

  /** Where the newest entry before the mark led. */
  get to(): Oid | undefined {
    return this.#run[0]?.to
  }

  /**
   * What was added since, the oldest first, and the mark behind it; `undefined` when the log no longer shows it, because it
   * was cut or is another one.
   */
  async newer(
    log: AsyncIterable<LogEntry>,
  ): Promise<{ readonly entries: readonly LogEntry[]; readonly mark: LogMark } | undefined> {
    const seen: LogEntry[] = []
    for await (const entry of log) {
      seen.push(entry)
      if (this.#hasOlder && this.#endsWith(seen)) return this.#result(seen)
    }
    return !this.#hasOlder && this.#endsWith(seen) ? this.#result(seen) : undefined
  }

  /** Whether the run is closed by an entry of another moment. */
  get #hasOlder(): boolean {
    return this.#run.length > 1 && this.#run.at(-1)?.at !== this.#run[0]?.at
  }

  #endsWith(seen: readonly LogEntry[]): boolean {
    const start = seen.length - this.#run.length
    return start >= 0 && this.#run.every((entry, i) => isSameEntry(entry, seen[start + i]))
  }

  #result(seen: readonly LogEntry[]): { entries: LogEntry[]; mark: LogMark } {
    const entries = seen.slice(0, seen.length - this.#run.length)
    const isLogged = entries.findIndex(({ external }) => !external)
    // What was only found may come again as a line.
    const all = isLogged < 0 ? this.#run : seen.slice(isLogged)
    const older = all.findIndex(({ at }) => at !== all[0]?.at)
    const run = older < 0 ? all : all.slice(0, older + 1)
    return { entries: entries.reverse(), mark: new LogMark(run) }
  }
}

function isSameEntry(a: LogEntry, b: LogEntry | undefined): boolean {
  return (
    a.from === b?.from && a.to === b?.to && a.at === b?.at && a.who === b.who && a.why === b.why
  )
}
