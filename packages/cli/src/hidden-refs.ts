/**
 * Hidden refs: `transfer.hideRefs` and its like, which keep refs out of what clients see.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-transferhideRefs
 *
 * @module
 */
import { ALL_REFS, type Readable } from '@datakit/git/transport/reach'
import type { Config } from '@datakit/storage/git-directory/config'

interface Rule {
  readonly prefix: string
  readonly hides: boolean
}

/** The refs that a service shows. `transfer.hideRefs` and the service's own are one list, in the order of the file. */
export function readableRefs(config: Config, service: 'uploadpack' | 'receive'): Readable {
  const keys = new Set(['transfer.hiderefs', `${service}.hiderefs`])
  const values = config.all().flatMap(({ key, value }) => (keys.has(key) ? [value ?? ''] : []))
  // The last rule that fits decides.
  const rules = values.map(parseRule).toReversed()
  if (rules.length === 0) return ALL_REFS
  return {
    key: `not ${JSON.stringify(values)}`,
    includes: (name) =>
      ALL_REFS.includes(name) && rules.find(({ prefix }) => isBelow(name, prefix))?.hides !== true,
  }
}

/** `!` takes out of what is hidden; `^` says that the name is a whole one, which without namespaces it always is. */
function parseRule(value: string): Rule {
  const hides = !value.startsWith('!')
  const prefix = value.replace(/^!?\^?/, '').replace(/\/+$/, '')
  return { prefix, hides }
}

function isBelow(name: string, prefix: string): boolean {
  return name === prefix || name.startsWith(`${prefix}/`)
}
