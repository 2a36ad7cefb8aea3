/**
 * What a machine may lack: suites that need a Debian with its packages are left out elsewhere, and never in CI.
 *
 * @module
 */

/**
 * Whether a suite is run: it is when nothing stands against it.
 *
 * @param problem why it cannot be run here; `undefined` when it can
 * @throws Error that names the suite and the problem where nothing may be left out (`DATAKIT_CI`, set by `.ci/run`)
 */
export function mustRun(suite: string, problem: string | undefined): boolean {
  if (problem === undefined) return true
  if (process.env['DATAKIT_CI'] === '1') throw new Error(`Cannot run ${suite}: ${problem}`)
  console.warn(`Left out: ${suite}: ${problem}`)
  return false
}
