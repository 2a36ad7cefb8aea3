/**
 * A file as text that can be edited, and back to the same bytes.
 *
 * What an editor would quietly change is set aside and put back: the byte order mark, and how lines end. Where lines end
 * in more than one way, only one counts as a line break and the others stay in the text as characters.
 *
 * @module
 */

/** How a line ends. */
export type LineBreak = '\n' | '\r\n' | '\r'

/** What can be edited as text. */
export interface TextFile {
  readonly kind: 'text'
  readonly text: string
  readonly hasByteOrderMark: boolean
  /** What ends a line here; the other two are characters like any other. */
  readonly lineBreak: LineBreak
}

/** What cannot, and why. */
export interface BinaryFile {
  readonly kind: 'binary'
  readonly reason: string
}

/** Longest file that is edited as text, in bytes. */
export const MAX_TEXT = 16 * 1024 * 1024

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const MARK = '\uFEFF'

/** The bytes as text, or why they are not. `encodeText` gives the same bytes again. */
export function decodeText(bytes: Uint8Array): TextFile | BinaryFile {
  if (bytes.length > MAX_TEXT) {
    return {
      kind: 'binary',
      reason: `It is too long to be edited here (${formatSize(bytes.length)})`,
    }
  }
  const zero = bytes.indexOf(0)
  if (zero !== -1) return { kind: 'binary', reason: `It is binary: byte ${zero} is zero` }
  let whole: string
  try {
    whole = decoder.decode(bytes)
  } catch {
    return {
      kind: 'binary',
      reason: 'It is not UTF-8 text, and editing it as such would damage it',
    }
  }
  const hasByteOrderMark = whole.startsWith(MARK)
  const text = hasByteOrderMark ? whole.slice(1) : whole
  return { kind: 'text', text, hasByteOrderMark, lineBreak: findLineBreak(text) }
}

/** The bytes of an edited text, with what `decodeText` had set aside. */
export function encodeText(
  text: string,
  file: Pick<TextFile, 'hasByteOrderMark'>,
): Uint8Array<ArrayBuffer> {
  const whole = file.hasByteOrderMark ? MARK + text : text
  return new TextEncoder().encode(whole)
}

/** A length in bytes for people. */
export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`
  const units = ['kB', 'MB', 'GB']
  let value = bytes / 1000
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

function findLineBreak(text: string): LineBreak {
  if (!text.includes('\n')) return text.includes('\r') ? '\r' : '\n'
  const endsOtherwise = /(^|[^\r])\n/.test(text)
  return endsOtherwise ? '\n' : '\r\n'
}
