/**
 * What is loaded when it is first wanted: everything that is not needed to open, to read, to commit and to sync. One module,
 * so that bundlers make one file of it.
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
} from './branch-moves.ts'
export { diffCommits, diffSince } from './diff.ts'
export { openTree } from './files.ts'
export { walkGraph } from './graph.ts'
export { explainConflict, explainIn } from './explain.ts'
export { lastModified, walkLog } from './log.ts'
export { mergeBases } from './merge-bases.ts'
export { mergeContent } from './merge-content.ts'
export { mergeFiles } from './merge-file.ts'
export { movePath, setPathMode } from './move.ts'
export { readAllFiles } from './read-all.ts'
export { readReflog } from './reflog.ts'
export { previewMerge, resolveConflict } from './resolve.ts'
export { addStaleReads } from './stale-reads.ts'
export { mergeInto, orderParents, resolveIn, revertIn } from './transaction-merge.ts'
