/**
 * The server's side of a repository: syncing, and the decisions that a sync leaves.
 *
 * @module
 */
import type { Repository } from '@datakit/datakit/repository'
import type {
  Decision,
  SyncOptions,
  SyncReport,
  UnrelatedChoice,
  UnrelatedDecision,
} from './data.ts'
export async function syncWithServer(
  _r: Repository,
  _n: string,
  _o: SyncOptions,
): Promise<SyncReport> {
  return { state: 'offline', decisions: [], message: undefined }
}
export async function findDecisions(_r: Repository): Promise<readonly Decision[]> {
  return []
}
export async function keepMine(
  _r: Repository,
  _d: UnrelatedDecision,
  _c: UnrelatedChoice,
): Promise<void> {}
