/**
 * The address of a server, and the token that may stand in it.
 *
 * @module
 */
import type { ServerOptions } from './sync-exchange.ts'

/** The URL without what it says of the user, and the token. @throws TypeError when it is none of HTTP */
export function addressOf({ url, token }: ServerOptions): {
  readonly url: string
  readonly token: string | undefined
} {
  const shown = `${url}`.replace(/\/\/[^/]*@/, '//')
  if (!/^https?:/i.test(url) || !URL.canParse(url))
    throw new TypeError(`Not the URL of a server: "${shown}", expected http:// or https://`)
  return { url: shown, token: decodeURIComponent(new URL(url).password) || token }
}
