/**
 * The origin-private file system as a Web Worker uses it: files through sync access handles, which no page may have.
 *
 * Spec: https://fs.spec.whatwg.org
 *
 * @module
 */
import type { FileRequest } from './places-page.ts'

/** A file that is open; the types of pages know none. */
interface OpenFile {
  read(bytes: Uint8Array, options: { readonly at: number }): number
  write(bytes: Uint8Array, options: { readonly at: number }): number
  truncate(size: number): void
  flush(): void
  getSize(): number
}

// The types of pages stand in for those of workers, whose `postMessage` takes no origin.
const port = globalThis as unknown as Worker
const files = new Map<string, Promise<OpenFile>>()

port.addEventListener('message', ({ data }: MessageEvent<FileRequest>) => {
  void answer(data)
})

async function answer(request: FileRequest): Promise<void> {
  const opening = files.get(request.name) ?? open(request.name)
  files.set(request.name, opening)
  const file = await opening
  if (request.work === 'read') {
    const bytes = new Uint8Array(request.end - request.start)
    file.read(bytes, { at: request.start })
    port.postMessage(bytes, [bytes.buffer])
    return
  }
  if (request.work === 'write') file.truncate(0)
  file.write(request.bytes, { at: file.getSize() })
  file.flush()
  port.postMessage(undefined)
}

/** Opens a file so that other tabs may have it open too, as tabs on one repository would. */
async function open(name: string): Promise<OpenFile> {
  const root = await navigator.storage.getDirectory()
  const handle = await root.getFileHandle(name, { create: true })
  const opener = handle as unknown as {
    createSyncAccessHandle(options: { readonly mode: 'readwrite-unsafe' }): Promise<OpenFile>
  }
  return opener.createSyncAccessHandle({ mode: 'readwrite-unsafe' })
}
