/**
 * Identity: who did something and when, as commits and tags spell it.
 *
 * Spec: https://git-scm.com/docs/git-commit-tree#_commit_information
 *
 * @module
 */

/** Who and when. */
export interface Identity {
  readonly name: string
  readonly address: string
  /** Seconds since 1970. Histories hold times before that too. */
  readonly seconds: number
  /** Minutes east of UTC. */
  readonly offset: number
  /**
   * The text as it was found, where the four fields would be written otherwise (`-0000`, no address, leading zeros).
   * It is what is written again; leave it out of an identity that you change.
   */
  readonly odd?: string | undefined
}

/** The text of an identity: `Ada <ada@example.org> 1700000000 +0100`, or what was found, see {@link Identity.odd}. */
export function formatIdentity(identity: Identity): string {
  if (identity.odd !== undefined) return identity.odd
  return `${formatPerson(identity)} ${identity.seconds} ${formatOffset(identity.offset)}`
}

/** Name and address without the time: `Ada <ada@example.org>`. An empty name leaves no space before the address. */
export function formatPerson({
  name,
  address,
}: {
  readonly name: string
  readonly address: string
}): string {
  return name === '' ? `<${address}>` : `${name} <${address}>`
}

/**
 * The identity that the text spells. Every text is one: what cannot be found in it is empty or 0, and the text is kept
 * in {@link Identity.odd}.
 */
export function parseIdentity(text: string): Identity {
  const match = /^(.*?) ?<([^>]*)>(?: (.*))?$/s.exec(text)
  const found = /^(-?\d{1,15}) ([+-])(\d{2,4})(\d\d)$/.exec(match?.[3] ?? '')
  const minutes = Number(found?.[3] ?? 0) * 60 + Number(found?.[4] ?? 0)
  const identity: Identity = {
    name: match?.[1] ?? '',
    address: match?.[2] ?? '',
    seconds: found === null ? looseSeconds(text) : Number(found[1]),
    offset: found?.[2] === '-' && minutes > 0 ? -minutes : minutes,
  }
  return formatIdentity(identity) === text ? identity : { ...identity, odd: text }
}

/**
 * An identity that Git accepts: characters that end a name or an address are left out, as Git does.
 *
 * @throws RangeError when the time is not a whole number of seconds or the offset not whole minutes within 100 hours, or name or
 *   address is no text
 */
export function makeIdentity(identity: Identity): Identity {
  const { name, address, seconds, offset } = identity
  const isTime =
    Number.isSafeInteger(seconds) && Number.isInteger(offset) && Math.abs(offset) < 6000
  if (!isTime || typeof name !== 'string' || typeof address !== 'string')
    throw new RangeError(
      `Not a person and a time: ${name} <${address}>, ${seconds} s, ${offset} min`,
    )
  return { name: withoutCrud(name), address: withoutCrud(address), seconds, offset }
}

function formatOffset(offset: number): string {
  const minutes = Math.abs(offset)
  const digits = Math.floor(minutes / 60) * 100 + (minutes % 60)
  return `${offset < 0 ? '-' : '+'}${String(digits).padStart(4, '0')}`
}

/** The number behind the last `>`, as Git looks for it; 0 when there is none. */
function looseSeconds(text: string): number {
  const number = /^\s*(-?\d{1,15})(?:\s|$)/.exec(text.slice(text.lastIndexOf('>') + 1))
  return Number(number?.[1] ?? 0)
}

function withoutCrud(part: string): string {
  // Git's strbuf_addstr_without_crud: control characters, spaces and `.,:;<>"\'` go from both ends, `<`, `>` and line
  // ends from everywhere.
  // oxlint-disable-next-line no-control-regex
  const crud = /^[\u0000-\u0020.,:;<>"\\']+|[\u0000-\u0020.,:;<>"\\']+$/g
  return part.replace(crud, '').replace(/[\n\0<>]/g, '')
}
