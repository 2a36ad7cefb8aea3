/**
 * What to do when something that is kept here turns out to be damaged. Loaded when it does.
 *
 * An object is fetched from the server and checked; then a worker writes the packs anew that have whole copies of
 * everything by now. Damage of an index is the worker's alone: it is made from its pack.
 *
 * @module
 */
import { damagedIn, withMended, type MendOptions } from '@datakit/datakit/mended'
import type { Repository } from '@datakit/datakit/repository'
import { serverOptions } from './data-sync.ts'
import { currentToken } from './sign-in.ts'
import { repairInWorker } from './upkeep.ts'

/** Milliseconds after the last object that was fetched, until packs are written anew. */
const DELAY = 1000
const waiting = new Map<string, ReturnType<typeof setTimeout>>()

/**
 * Does work again that failed with `error`, once what it needs is whole.
 *
 * @throws `error`, or another one like it, when it is not
 */
export async function mendAndRetry<Result>(
  repository: Repository,
  name: string,
  { work, error }: { readonly work: () => Promise<Result>; readonly error: unknown },
): Promise<Result> {
  if (damagedIn(error) === undefined) {
    // Not an object: an index. Without it nobody knows what is where.
    await repairInWorker(name)
    await repository.store.objects.refresh()
  }
  const { url, ...access } = serverOptions(name, { token: currentToken() })
  const options: MendOptions = {
    ...access,
    remote: { name: 'origin', url, fetch: [] },
    scheme: 'bearer',
    onMended(oid) {
      console.warn(`The object ${oid} was damaged here, and was fetched from the server`)
      repairLater(name)
    },
  }
  return withMended(repository, () => options, work)
}

function repairLater(name: string): void {
  clearTimeout(waiting.get(name))
  const repair = (): void => {
    waiting.delete(name)
    repairInWorker(name).catch((error: unknown) => console.warn(error))
  }
  waiting.set(name, setTimeout(repair, DELAY))
}
