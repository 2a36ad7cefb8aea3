/**
 * Keys of a document on one line, as JSON Pointers: `/limits/users`, `/servers/7/port`.
 *
 * Spec: https://www.rfc-editor.org/rfc/rfc6901
 *
 * @module
 */
import type { KeyStep } from '@datakit/merge/driver'

/** The pointer of a key; `''` is the whole document. */
export function formatPointer(key: readonly KeyStep[]): string {
  return key.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
