/**
 * Where objects are read from: a repository, or a draft laid over one.
 *
 * @module
 */
import { decodeCommit, type Commit } from '@datakit/git/commit'
import { MalformedError } from '@datakit/git/error'
import type { GitObject, ObjectType } from '@datakit/git/object'
import { EMPTY_TREE, type Oid } from '@datakit/git/oid'

/** Gives objects by name. */
export interface ObjectSource {
  /** The object, its name checked. @throws MissingError when it is not there */
  read(oid: Oid): Promise<GitObject>
}

/** Objects, and what can be known of them without reading them. */
export interface StatSource extends ObjectSource {
  stat(oid: Oid): Promise<{ readonly type: ObjectType; readonly size: number }>
}

/** The body of an object that must be of `type`. @throws MalformedError when it is of another */
export async function readBody(
  source: ObjectSource,
  oid: Oid,
  type: ObjectType,
): Promise<Uint8Array> {
  const object = await source.read(oid)
  if (object.type === type) return object.body
  throw new MalformedError(`${type} ${oid}`, `it is a ${object.type}`)
}

/** The commit of that name. */
export async function readCommit(source: ObjectSource, oid: Oid): Promise<Commit> {
  return decodeCommit(await readBody(source, oid, 'commit'))
}

/** The body of the tree of that name; empty for the tree without entries and for no tree at all. */
export async function readTreeBody(
  source: ObjectSource,
  oid: Oid | undefined,
): Promise<Uint8Array> {
  // The empty tree is known to Git everywhere and need not be stored anywhere.
  if (oid === undefined || oid === EMPTY_TREE) return new Uint8Array(0)
  return readBody(source, oid, 'tree')
}
