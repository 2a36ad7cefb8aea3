/**
 * Stop signals: Ctrl-C and its kin, as one wish to stop, however often it arrives.
 *
 * A terminal sends Ctrl-C to every process of the group, so who starts this process gets it too and passes it on, as
 * SIGTERM. Only another Ctrl-C is another wish.
 *
 * @module
 */

/** What a shell says of a process that Ctrl-C ended. */
const INTERRUPTED = 130

/** Calls `stop` at the first signal. A second Ctrl-C ends the process at once. */
export function onStopSignal(stop: () => void): void {
  let isStopping = false
  let isInterrupted = false
  const begin = (): void => {
    if (!isStopping) stop()
    isStopping = true
  }
  process.on('SIGTERM', begin)
  process.on('SIGHUP', begin)
  process.on('SIGINT', () => {
    if (isInterrupted) process.exit(INTERRUPTED)
    isInterrupted = true
    begin()
  })
}
