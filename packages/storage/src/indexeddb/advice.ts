/**
 * What a person can do when the database of a place cannot be used.
 *
 * @module
 */
import type { UnavailableReason } from '@datakit/git/error'

/** What happened and what to do about it, by the reason. */
export const advice: Readonly<Record<Exclude<UnavailableReason, 'unavailable'>, string>> = {
  'storage-full':
    "the browser's storage is full; free space on this device, or delete some of what this site keeps",
  'storage-newer': 'a newer version of this program wrote it; reload the page',
  'storage-older': 'close its other tabs, which run an older version',
  'storage-gone': 'its data was deleted, by the browser or by a person; open it anew',
  'storage-blocked': 'the browser lets this page keep nothing',
  'storage-broken': 'its database failed',
}
