/**
 * URLs of remotes, and the secrets that may be in them.
 *
 * @module
 */

/** A URL that can be shown, and what was in it besides. */
export interface SplitUrl {
  /** Without user and password. */
  readonly url: string
  readonly user?: string
  /** The password. */
  readonly token?: string
}

/**
 * Takes user and password out of a URL. What remains can be written down and be part of a message.
 *
 * @throws TypeError when it is no URL of HTTP
 */
export function splitUrl(url: string): SplitUrl {
  const shown = withoutSecrets(`${url}`)
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url))
    throw new TypeError(`Not the URL of a remote: "${shown}", expected http:// or https://`)
  const { username, password } = new URL(url)
  if (username === '' && password === '') return { url }
  const [user, token] = [decodeURIComponent(username), decodeURIComponent(password)]
  // A name alone is how some servers take a token.
  if (token === '') return { url: shown, token: user }
  return user === '' ? { url: shown, token } : { url: shown, user, token }
}

/** The text without what stands in it for a user: fit to be shown, also where it is no URL. */
export function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, '//')
}
