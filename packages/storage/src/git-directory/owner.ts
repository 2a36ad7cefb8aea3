/**
 * Owner: which process made a journal, and whether it still runs.
 *
 * A process number alone is not enough, since numbers are used again: the owner also names when the process started, in
 * which run of the machine, and in which process namespace (container), so that a journal is never taken from the
 * living. Where the system does not tell (no `/proc`), the number alone must do.
 *
 * Spec: proc(5)
 *
 * @module
 */
import { readFileSync, readlinkSync } from 'node:fs'

/** Text without slashes that names a process: number, start time, boot and namespace, separated by points. */
export type Owner = string

/** An owner that nobody is: what it left behind may be taken at once. */
export const NOBODY: Owner = '0.0.0.0'

/** This process. */
export function thisOwner(): Owner {
  return [process.pid, startTime('self') ?? '0', boot(), namespace()].join('.')
}

/**
 * Whether the owner runs: `unseen` when it was seen last in another container of this run of the machine, where nobody
 * here can look.
 */
export function stateOfOwner(owner: Owner): 'alive' | 'dead' | 'unseen' {
  const [pid = '0', start = '0', itsBoot = '0', itsNamespace = '0'] = owner.split('.')
  if (pid === '0') return 'dead'
  if (itsBoot !== boot()) return 'dead'
  if (itsNamespace !== namespace()) return 'unseen'
  if (start !== '0') return startTime(pid) === start ? 'alive' : 'dead'
  return answersSignals(Number(pid)) ? 'alive' : 'dead'
}

/** When a process started, in clock ticks since the boot; `undefined` when there is none or it is a zombie. */
function startTime(pid: string): string | undefined {
  const line = read(`/proc/${pid}/stat`)
  // The name in parentheses may hold spaces and parentheses itself; what follows the last one is regular.
  const fields = line?.slice(line.lastIndexOf(')') + 2).split(' ')
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return undefined
  return fields[19]
}

function boot(): string {
  return read('/proc/sys/kernel/random/boot_id')?.replaceAll(/[^0-9a-f]/g, '') ?? '0'
}

function namespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replaceAll(/[^0-9]/g, '')
  } catch {
    return '0'
  }
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}
