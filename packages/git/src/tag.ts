/**
 * Tag: an object that names another, with who did it and why.
 *
 * Spec: https://git-scm.com/docs/git-mktag
 *
 * @module
 */
import { equal } from './bytes.ts'
import { MalformedError } from './error.ts'
import { decodeHeaders, encodeHeaders, type Header } from './headers.ts'
import { formatIdentity, parseIdentity, type Identity } from './identity.ts'
import type { ObjectType } from './object.ts'
import { parseOid, type Oid } from './oid.ts'

/** A tag object. */
export interface Tag {
  readonly target: Oid
  /** Type of the target, as the tag claims. */
  readonly type: ObjectType
  /** The tag's own name, as `v1.0`. */
  readonly name: string
  /** Tags before 2005 have none. */
  readonly tagger: Identity | undefined
  /** The other headers, in order. */
  readonly headers: readonly Header[]
  /** The signature is its end, where there is one. */
  readonly message: string
  /** The body as it was found, where the fields would be written otherwise; leave it out of a tag that you change. */
  readonly odd?: Uint8Array | undefined
}

/** What a walk needs of a tag. */
export interface TagLinks {
  readonly target: Oid
  readonly type: ObjectType
}

/**
 * The tag that the body holds.
 *
 * @throws MalformedError when it does not begin with its object, its type and its name
 */
export function decodeTag(body: Uint8Array): Tag {
  const { headers, message } = decodeHeaders(body)
  const { target, type } = linksOf(headers)
  const name = headers[2]
  if (name?.name !== 'tag') throw new MalformedError('a tag', 'its third line is not its name')
  const tagger = headers[3]?.name === 'tagger' ? parseIdentity(headers[3].value) : undefined
  const rest = headers.slice(tagger === undefined ? 3 : 4)
  const tag: Tag = { target, type, name: name.value, tagger, headers: rest, message }
  return equal(encodeTag(tag), body) ? tag : { ...tag, odd: body }
}

/** The body of a tag: the bytes that {@link decodeTag} was given, for a tag that came from there. */
export function encodeTag(tag: Tag): Uint8Array<ArrayBuffer> {
  if (tag.odd !== undefined) return tag.odd.slice()
  const headers: Header[] = [
    { name: 'object', value: tag.target },
    { name: 'type', value: tag.type },
    { name: 'tag', value: tag.name },
  ]
  if (tag.tagger !== undefined) headers.push({ name: 'tagger', value: formatIdentity(tag.tagger) })
  return encodeHeaders({ headers: [...headers, ...tag.headers], message: tag.message })
}

/** What the tag points at. @throws MalformedError when the body does not begin with an object and its type */
export function readTagLinks(body: Uint8Array): TagLinks {
  return linksOf(decodeHeaders(body).headers)
}

function linksOf([object, type]: readonly Header[]): TagLinks {
  if (object?.name !== 'object')
    throw new MalformedError('a tag', 'it does not begin with its object')
  if (type?.name !== 'type')
    throw new MalformedError('a tag', 'its second line is not the type of its object')
  return { target: parseOid(object.value), type: parseType(type.value) }
}

function parseType(text: string): ObjectType {
  if (text === 'commit' || text === 'tree' || text === 'blob' || text === 'tag') return text
  throw new MalformedError('a tag', `"${text.slice(0, 40)}" is not a type of object`)
}
