/**
 * Where objects are read from: a repository, or a draft laid over one.
 *
 * @module
 */
import { decodeCommit, type Commit } from '@datakit/git/commit'
import { MalformedError, NotHereError } from '@datakit/git/error'
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

/**
 * The body of an object that must be of `type`.
 *
 * @param path where it is wanted, for the error when it is not here; empty or left out: nothing is said of it
 * @throws MalformedError when it is of another
 * @throws NotHereError with the path, when it was left with a remote
 */
export async function readBody(
  source: ObjectSource,
  oid: Oid,
  type: ObjectType,
  path?: string,
): Promise<Uint8Array> {
  const object = await source.read(oid).catch((error: unknown) => {
    throw path && error instanceof NotHereError
      ? new NotHereError(error.oid, error.remote, { cause: error.cause, path })
      : error
  })
  if (object.type === type) return object.body
  throw new MalformedError(`${type} ${oid}`, `it is a ${object.type}`)
}

/** The commit of that name. */
export async function readCommit(source: ObjectSource, oid: Oid): Promise<Commit> {
  return decodeCommit(await readBody(source, oid, 'commit'))
}

/** The body of the tree of that name, at `path`; empty for the tree without entries and for no tree at all. */
export async function readTreeBody(
  source: ObjectSource,
  oid: Oid | undefined,
  path?: string,
): Promise<Uint8Array> {
  // The empty tree is known to Git everywhere and need not be stored anywhere.
  if (oid === undefined || oid === EMPTY_TREE) return new Uint8Array(0)
  return readBody(source, oid, 'tree', path)
}
