/**
 * Bundles as files, or as what goes through a pipe.
 *
 * @module
 */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { CommandError, EXIT } from './command.ts'

/** What stands for standard input and output. */
export const PIPE = '-'

/**
 * Writes a bundle to a file, or to standard output; how many bytes it has. A file appears when it is whole and on the disk,
 * in the place of one that was there.
 */
export async function writeBundle(
  file: string,
  bundle: AsyncIterable<Uint8Array>,
): Promise<number> {
  if (file === PIPE) return writePipe(bundle)
  const part = `${file}.part-${process.pid}`
  let size = 0
  try {
    const handle = await open(part, 'wx')
    try {
      for await (const piece of bundle) size += (await handle.write(piece)).bytesWritten
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(part, file)
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
  return size
}

async function writePipe(bundle: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0
  for await (const piece of bundle) {
    size += piece.length
    // The piece is valid until the next one is asked for, and a pipe may hold it for longer.
    if (!process.stdout.write(piece.slice())) await once(process.stdout, 'drain')
  }
  return size
}

/** The bytes of a bundle. @throws CommandError when there is no such file */
export async function* readBundleFile(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* file === PIPE ? process.stdin : createReadStream(file, { highWaterMark: 256 * 1024 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    throw new CommandError(`There is no bundle "${file}"`, EXIT.notFound, { cause: error })
  }
}
