/**
 * Writes how many tests passed and failed where `DATAKIT_COUNTS` says, for the line that `npm test` ends with.
 *
 * @module
 */
import { appendFileSync } from 'node:fs'
import type { Reporter, TestModule } from 'vitest/node'

/** Counts tests; a file that could not be run counts as one failure. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const file = process.env['DATAKIT_COUNTS']
    if (file === undefined) return
    const count = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      if (module.errors().length > 0) count.failed++
      for (const test of module.children.allTests()) {
        const state = test.result().state
        if (state === 'passed') count.passed++
        else if (state === 'failed') count.failed++
        else count.skipped++
      }
    }
    appendFileSync(file, `${JSON.stringify(count)}\n`)
  }
}
