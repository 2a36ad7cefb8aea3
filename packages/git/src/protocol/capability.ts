/**
 * Capabilities: what one side of a conversation can do, as a list of words, some with a value.
 *
 * The same word may come more than once (`symref`). In version 0 the list stands behind the first ref, after a zero
 * byte; in version 2 it has a line for each.
 *
 * Spec: https://git-scm.com/docs/protocol-capabilities, https://git-scm.com/docs/protocol-v2#_capabilities
 *
 * @module
 */

/** Capabilities and their values, in the order they came. A word without a value has the value ''. */
export type Capabilities = ReadonlyMap<string, readonly string[]>

/** What we call ourselves in `agent`. */
export const AGENT = 'datakit/0.1'

/** The capabilities of a list of `word` and `word=value`. */
export function capabilitiesOf(words: Iterable<string>): Capabilities {
  const capabilities = new Map<string, string[]>()
  for (const word of words) {
    const [name, value] = splitWord(word)
    const values = capabilities.get(name)
    if (values === undefined) capabilities.set(name, [value])
    else values.push(value)
  }
  return capabilities
}

/** The capabilities of a line as version 0 writes them, separated by spaces. */
export function parseCapabilities(line: string): Capabilities {
  return capabilitiesOf(line.split(' ').filter((word) => word !== ''))
}

/** The words behind a capability whose value is a list, as in `fetch=shallow filter`. */
export function capabilityWords(capabilities: Capabilities, name: string): ReadonlySet<string> {
  const values = capabilities.get(name) ?? []
  return new Set(values.flatMap((value) => value.split(' ')).filter((word) => word !== ''))
}

function splitWord(word: string): [string, string] {
  const cut = word.indexOf('=')
  return cut === -1 ? [word, ''] : [word.slice(0, cut), word.slice(cut + 1)]
}
