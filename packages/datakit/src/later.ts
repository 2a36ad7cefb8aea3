/**
 * What is loaded when it is first wanted: everything that is not needed to open, to read, to commit and to sync. Merging
 * is wanted when two sides have diverged. One module, so that bundlers make one file of it.
 *
 * @module
 */
export { wildmatch } from '@datakit/git/wildmatch'
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
export { badName, directoryThere, notDirectory, notFile, notListed } from './files/path-problems.ts'
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
export { readProblem } from './sync/server-problem.ts'
export { keepCandidates, planDiverged } from './sync/sync-merge.ts'
export { takeBackAfter } from './sync/take-back.ts'
export { elsewhere, takeNews } from './sync/take-news.ts'
export { refuseChange, refuseCommit, refuseOpening, refuseWrite } from './transaction/refused.ts'
export {
  forgetSettled,
  isRelated,
  removals,
  unrelatedBranches,
  settled,
} from './sync/sync-relation.ts'
export { walkTree } from './files/walk.ts'
export { mergeLanding } from './transaction/merge-landing.ts'
export {
  mergeInto,
  orderParents,
  refuseOpen,
  resolveIn,
  revertIn,
} from './transaction/transaction-merge.ts'
