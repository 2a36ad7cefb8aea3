/**
 * A way out of the browser for what is in it.
 *
 * @module
 */

/** Hands the bytes to the person as a file of this name. */
export function download(name: string, bytes: Uint8Array): void {
  // A copy of our own: a Blob does not take bytes that may be shared.
  downloadBlob(name, new Blob([bytes.slice()], { type: 'application/octet-stream' }))
}

/** Hands a file to the person under this name. */
export function downloadBlob(name: string, file: Blob): void {
  const url = URL.createObjectURL(file)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
