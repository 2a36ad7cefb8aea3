/**
 * What is loaded when it is first wanted: everything that is not needed to open, to read, to commit and to sync. Merging
 * is wanted when two sides have diverged. One module, so that bundlers make one file of it.
 *
 * @module
 */
export { matching } from './branch/branch-pattern.ts'
export {
  compareAndSet,
  fastForward,
  forkBranch,
  mergeBranch,
  moveHead,
  renameBranch,
  resetBranch,
} from './branch/branch-moves.ts'
export { diffCommits, diffSince } from './history/diff.ts'
export { checkLimit, openTree } from './files/files.ts'
export {
  directoryThere,
  notDirectory,
  notFile,
  notListed,
  splitWritablePath,
} from './files/path-problems.ts'
export { pageOf, streamFile } from './files/stream-file.ts'
export { walkGraph } from './history/graph.ts'
export { withoutAncestors } from './history/independent.ts'
export { explainConflict, explainIn } from './merge/explain.ts'
export { lastModified, walkLog } from './history/log.ts'
export { mergeBases } from './merge/merge-bases.ts'
export { mergeContent } from './merge/merge-content.ts'
export { mergeFiles } from './merge/merge-file.ts'
export { movePath, setPathMode } from './transaction/move.ts'
export { readAllFiles } from './files/read-all.ts'
export { readReflog } from './branch/reflog.ts'
export { previewMerge, resolveConflict } from './merge/resolve.ts'
export { faultOf } from './sync/answer-fault.ts'
export { goingOn } from './sync/go-on.ts'
export { openPart } from './sync/part.ts'
export { sendParts } from './sync/send-parts.ts'
export { sendAgain } from './sync/send-again.ts'
export { findCommits } from './sync/server-commits.ts'
export { addressOf } from './sync/server-address.ts'
export { refusal } from './sync/server-problem.ts'
export { keepCandidates, planDiverged } from './sync/sync-merge.ts'
export { takeBackAfter } from './sync/take-back.ts'
export { elsewhere, firstHead, takeNews } from './sync/take-news.ts'
export { checkWritable, refuseChange, refuseCommit, refuseOpening } from './transaction/refused.ts'
export {
  byBranch,
  findRelated,
  followMoves,
  forgetSettled,
  planStranger,
  refuseOther,
  removals,
  settleOthers,
} from './sync/sync-relation.ts'
export { watchPlace } from './watch/watch.ts'
export { walkTree } from './files/walk.ts'
export { landAgain } from './transaction/merge-landing.ts'
export { publishAgain } from './transaction/publish-again.ts'
export {
  addParent,
  mergeInto,
  orderParents,
  refuseOpen,
  resolveIn,
  revertIn,
} from './transaction/transaction-merge.ts'
