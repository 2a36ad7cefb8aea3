/**
 * A way out of the browser for what is in it.
 *
 * @module
 */

/** Hands the bytes to the person as a file of this name. */
export function download(name: string, bytes: Uint8Array): void {
  // A copy of our own: a Blob does not take bytes that may be shared.
  const url = URL.createObjectURL(new Blob([bytes.slice()], { type: 'application/octet-stream' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
