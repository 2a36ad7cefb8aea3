/**
 * Pusher: who a push is written down as in the reflog of a Git directory, by the rules of `git http-backend`.
 *
 * Spec: https://git-scm.com/docs/git-http-backend (Environment)
 *
 * @module
 */

/**
 * `NAME <MAIL>`: the committer of the environment, else the user name of the request at the address that it came from.
 *
 * @param address of the client; `undefined` when it is gone already
 */
export function pusher(
  request: Request,
  address: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const user = userOf(request.headers.get('authorization') ?? '') ?? 'anonymous'
  const name = environment['GIT_COMMITTER_NAME'] || user
  const mail = environment['GIT_COMMITTER_EMAIL'] || `${user}@http.${address ?? 'localhost'}`
  return `${cleaned(name)} <${cleaned(mail)}>`
}

function userOf(authorization: string): string | undefined {
  const [, encoded = ''] = /^basic +(.+)$/i.exec(authorization) ?? []
  const [user = ''] = Buffer.from(encoded, 'base64').toString().split(':')
  return cleaned(user) === '' ? undefined : user
}

/** Without what ends a name, a mail address or a line. */
function cleaned(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f<>]/g, '').trim()
}
