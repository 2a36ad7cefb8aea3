/**
 * Checking refs: their names, where HEAD leads, and what annotated tags are said to peel to.
 *
 * @module
 */
import { GitError } from '@datakit/git/error'
import type { Objects } from '@datakit/git/objects'
import type { Oid } from '@datakit/git/oid'
import type { Ref } from '@datakit/git/place'
import { isRefName } from '@datakit/git/ref-name'
import { KINDS } from '@datakit/git/transport/children'
import type { Root } from './check-links.ts'
import { found, type CheckEvent } from './finding.ts'

/** Checks names and what tags peel to; gives where links begin. */
export async function* checkRefs(
  objects: Objects,
  signal: AbortSignal | undefined,
): AsyncGenerator<CheckEvent, Root[]> {
  const { head } = objects.state
  const roots: Root[] = []
  if ('oid' in head) roots.push({ name: 'HEAD', oid: head.oid, kind: KINDS.commit })
  else if (!head.ref.startsWith('refs/heads/')) {
    yield found('head', 'HEAD', { message: `HEAD leads to "${head.ref}", which is no branch` })
  }
  try {
    for await (const ref of objects.state.refs()) {
      signal?.throwIfAborted()
      yield* checkRef(objects, ref)
      const kind = ref.name.startsWith('refs/heads/') ? KINDS.commit : KINDS.any
      roots.push({ name: ref.name, oid: ref.oid, kind })
    }
  } catch (error) {
    if (!(error instanceof GitError) || error.code === 'unavailable') throw error
    const message = `the refs cannot all be read: ${error.message}`
    yield found('refs', 'refs', { message, remedy: 'repair' })
  }
  return roots
}

async function* checkRef(
  objects: Objects,
  { name, oid, peeled }: Ref,
): AsyncGenerator<CheckEvent, void> {
  if (!isRefName(name)) {
    yield found('badRefName', name, { message: `"${name}" cannot be the name of a ref` })
  }
  if (peeled === undefined) return
  const target = await peel(objects, oid)
  if (target === undefined || target === peeled) return
  const message = `${name} is said to lead to ${peeled} in the end, it leads to ${target}`
  yield found('peeled', name, { message, remedy: 'repair' })
}

/** What a tag leads to in the end; `undefined` where that cannot be read. */
async function peel(objects: Objects, oid: Oid): Promise<Oid | undefined> {
  try {
    let at = oid
    for (let depth = 0; depth < 100; depth++) {
      const links = await objects.links(at)
      if (links?.kind !== 'tag') return at
      at = links.target
    }
    return undefined
  } catch (error) {
    if (error instanceof GitError && error.code !== 'unavailable') return undefined
    throw error
  }
}
