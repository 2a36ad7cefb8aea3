/**
 * Where the page is, as the fragment of its URL: `#/NAME/BRANCH/PATH?view=history`.
 *
 * The name of the repository and the branch are one segment each (a slash in them is `%2F`), so that what follows is the
 * path. Percent codes are bytes: a path that is not UTF-8 keeps its place too.
 *
 * @module
 */
import { decodeName, encodeName } from '@datakit/git/bytes'

/** What is shown of a repository. */
export type View = 'files' | 'changes' | 'history' | 'commit' | 'conflicts'

/** A place in the app. Without a repository it is the list of repositories. */
export interface Route {
  readonly repository: string | undefined
  /** `undefined` where the repository's own choice (HEAD) is meant. */
  readonly branch: string | undefined
  /** File or directory; empty for the root. */
  readonly path: string
  readonly view: View
  /** The commit that is shown, for the view `commit`. */
  readonly oid: string | undefined
}

/** The list of repositories. */
export const HOME: Route = {
  repository: undefined,
  branch: undefined,
  path: '',
  view: 'files',
  oid: undefined,
}

const views: readonly View[] = ['files', 'changes', 'history', 'commit', 'conflicts']

/** The place that a fragment means; anything that cannot be read leads home. */
export function parseRoute(fragment: string): Route {
  const [place = '', query = ''] = fragment.replace(/^#?\/?/, '').split('?', 2)
  const [repository, branch, ...steps] = place.split('/').map(decodeSegment)
  if (repository === undefined || repository === '') return HOME
  const options = new URLSearchParams(query)
  const view = views.find((known) => known === options.get('view')) ?? 'files'
  const path = steps.filter((step) => step !== '').join('/')
  const oid = options.get('oid') ?? undefined
  return { repository, branch: branch === '' ? undefined : branch, path, view, oid }
}

/** The fragment of a place, with its `#`. */
export function formatRoute(route: Route): string {
  if (route.repository === undefined) return '#/'
  const path = route.path.split('/').map(encodeSegment).join('/')
  const place = `#/${encodeSegment(route.repository)}/${encodeSegment(route.branch ?? '')}/${path}`
  if (route.view === 'files') return place
  const oid = route.oid === undefined ? '' : `&oid=${route.oid}`
  return `${place}?view=${route.view}${oid}`
}

function encodeSegment(segment: string): string {
  let encoded = ''
  for (const byte of encodeName(segment)) {
    const character = String.fromCharCode(byte)
    encoded += /[\w.~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

function decodeSegment(segment: string): string {
  const bytes: number[] = []
  for (let i = 0; i < segment.length; i++) {
    const code = /^%[0-9a-fA-F]{2}/.exec(segment.slice(i, i + 3))
    if (code !== null) {
      bytes.push(Number.parseInt(segment.slice(i + 1, i + 3), 16))
      i += 2
    } else {
      // Someone typed it: a character that we would have encoded stands for itself.
      const character = String.fromCodePoint(segment.codePointAt(i) ?? 0)
      bytes.push(...encodeName(character))
      i += character.length - 1
    }
  }
  return decodeName(Uint8Array.from(bytes))
}
