/**
 * What a program can do wrong with a configuration record.
 *
 * @module
 */
import { DataKitError } from '../error.ts'

/** A field that there is not, or a value that is none of its field; nothing was changed. */
export class FieldError extends DataKitError {
  override readonly name = 'FieldError'
  override readonly code: 'unknown-field' | 'invalid-value'

  constructor(code: 'unknown-field' | 'invalid-value', message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
