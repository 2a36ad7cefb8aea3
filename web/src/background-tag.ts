/**
 * Tags of background syncs: how a page tells the service worker, through the browser, which repository is meant.
 *
 * @module
 */

const PREFIX = 'datakit-sync:'

/** The tag of a repository's background sync. */
export function tagOf(name: string): string {
  return PREFIX + name
}

/** The repository that a tag is of; `undefined` for a tag of something else. */
export function nameOfTag(tag: string): string | undefined {
  return tag.startsWith(PREFIX) ? tag.slice(PREFIX.length) : undefined
}
