/**
 * What is loaded when it is first wanted: everything that is not needed to open, to read and to update. One module, so that
 * bundlers make one file of it.
 *
 * @module
 */
export { advice } from './advice.ts'
export { checkReceipt, checkRequest } from '../check-request.ts'
export { readAlias } from './alias.ts'
export { largeStage } from './large-stage.ts'
export { readLog } from './log.ts'
export { readDamaged } from './mend.ts'
export { mendBlock } from './mend-refs.ts'
export * as rareUpdate from './rare-update.ts'
export { markVerified, sweep } from './sweep.ts'
export { crowd } from './turns.ts'
export { upgradeStores } from './upgrade.ts'
