/**
 * What a page needs to keep a repository and to sync it, and nothing of the editor. Bundled to be weighed.
 *
 * @module
 */
export { portableRuntime } from '@datakit/git/runtime/portable'
export { Repository } from '@datakit/datakit/repository'
export { sync } from '@datakit/datakit/sync'
export { openIndexedDbPlace } from '@datakit/storage/indexeddb'
