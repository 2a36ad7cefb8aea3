/**
 * Settings: what the variables of a deployment say.
 *
 * @module
 */
import { LOOPBACK_HOSTS, type Access } from '@datakit/server/access'
import { parseOrigins, type CorsOrigins } from '@datakit/server/cors'
import { protectedRefs } from '@datakit/server/protected-refs'
import { RETENTION } from '@datakit/storage/r2/collect'
import type { Environment } from './environment.ts'

/** The variables, as the Worker uses them. */
export interface Settings {
  readonly access: Access
  readonly cors: CorsOrigins
  /** Whether a ref is protected; `undefined` where none is. */
  readonly protects: ((name: string) => boolean) | undefined
  /** How long objects are kept after the last ref left them, in milliseconds. */
  readonly retention: number
}

type Variables = Pick<
  Environment,
  'DATAKIT_TOKEN' | 'DATAKIT_OPEN' | 'DATAKIT_CORS' | 'DATAKIT_PROTECT' | 'DATAKIT_RETENTION_DAYS'
>

const SET_UP =
  'This Worker has no token yet, so it serves no data. Set one with "npx wrangler secret put DATAKIT_TOKEN", then use it as the password of any Git client'

/**
 * Reads the variables. One that cannot be read closes the Worker, which then says which it is: who meant to let one origin in
 * must not find that another is.
 */
export function readSettings(variables: Variables): Settings {
  const protects = protectedRefs([variables.DATAKIT_PROTECT ?? ''])
  const problems: string[] = []
  const read = <T>(name: keyof Variables, parse: (setting: string) => T, otherwise: T): T => {
    try {
      return parse(variables[name] ?? '')
    } catch (error) {
      // The log alone says more: whoever asks may be anybody, and the value something that was meant for another variable.
      console.error(name, error)
      problems.push(name)
      return otherwise
    }
  }
  const cors = read('DATAKIT_CORS', parseOrigins, [])
  // Nothing is collected by a wish that nobody understands.
  const retention = read('DATAKIT_RETENTION_DAYS', readRetention, Infinity)
  const access = problems.length === 0 ? accessOf(variables) : closedBy(problems)
  return { access, cors, protects, retention }
}

function closedBy(problems: readonly string[]): Access {
  const message = `This Worker is not set up right, so it serves no data: ${problems.join(' and ')} cannot be read. The log says why; set it and deploy again`
  return { kind: 'closed', message }
}

/** In milliseconds. @throws TypeError for what is no number of days */
function readRetention(setting: string): number {
  if (setting.trim() === '') return RETENTION
  const days = Number(setting)
  if (days >= 0) return days * 24 * 60 * 60 * 1000
  throw new TypeError(`Not a number of days: "${setting}"`)
}

function accessOf({ DATAKIT_TOKEN: token = '', DATAKIT_OPEN: open }: Variables): Access {
  if (token !== '') return { kind: 'token', token }
  if (open === 'loopback') return { kind: 'loopback', hosts: LOOPBACK_HOSTS }
  return { kind: 'closed', message: SET_UP }
}
