import { MissingError, NotHereError, UnavailableError } from '@datakit/git/error'
import { describe, expect, it } from 'vitest'
import { describeStatus, explainProblem, type Facts } from './status.ts'

const agreed: Facts = {
  problem: undefined,
  decisions: 0,
  waiting: 0,
  drafts: 0,
  offline: false,
  onServer: true,
  proof: 'proved',
  kept: true,
  fleeting: false,
}

function say(changes: Partial<Facts>): string {
  return describeStatus({ ...agreed, ...changes }).text
}

describe('the status', () => {
  it('says "On server" only when nothing is left here', () => {
    expect(say({})).toBe('On server')
    expect(say({ drafts: 1 })).toBe('Saved on this device')
    expect(say({ waiting: 1 })).toBe('Saved on this device')
    expect(say({ waiting: undefined })).toBe('Saved on this device')
    expect(say({ onServer: false })).toBe('Saved on this device')
  })

  it('counts the commits that wait for the network', () => {
    expect(say({ offline: true, waiting: 1 })).toBe('Waiting for network (1 commit)')
    expect(say({ offline: true, waiting: 2 })).toBe('Waiting for network (2 commits)')
  })

  it('keeps saying "On server" offline when the server has everything', () => {
    expect(say({ offline: true })).toBe('On server')
  })

  it('never says that something is saved where the browser keeps nothing', () => {
    const said = 'Not saved – it is in this page only, as long as it is open'
    expect(say({ kept: false, waiting: 1 })).toBe(said)
    expect(say({ kept: false, drafts: 1, offline: true })).toBe(said)
    expect(say({ kept: false, onServer: false })).toBe(said)
    expect(say({ kept: false })).toBe('On server')
  })

  it('says where it ends that something is saved in a private window', () => {
    const said = 'Saved until this window is closed'
    expect(say({ fleeting: true, waiting: 1 })).toBe(said)
    expect(say({ fleeting: true, drafts: 1, offline: true })).toBe(said)
    expect(say({ fleeting: true })).toBe('On server')
  })

  it('does not say "On server" before it is proved what came from there, and says why', () => {
    const checking = { text: 'Saved on this device', detail: 'Checking what came from the server' }
    expect(describeStatus({ ...agreed, proof: 'checking' })).toMatchObject(checking)
    expect(say({ proof: 'checking', offline: true })).toBe('Saved on this device')
    expect(say({ proof: 'checking', fleeting: true })).toBe('Saved until this window is closed')
    expect(say({ proof: 'checking', kept: false })).toBe('In this page only')
    expect(describeStatus({ ...agreed, proof: 'damaged' })).toEqual({
      text: 'Saved on this device',
      kind: 'saved',
      detail: 'Something that came from the server is damaged',
    })
    expect(describeStatus(agreed)).toEqual({ text: 'On server', kind: 'server' })
  })

  it('says what is left here before what is checked', () => {
    const waiting = { ...agreed, proof: 'checking', offline: true, waiting: 1 } as const
    expect(say(waiting)).toBe('Waiting for network (1 commit)')
    expect(describeStatus({ ...waiting, offline: false }).detail).toBeUndefined()
    expect(say({ proof: 'damaged', decisions: 1 })).toBe('Needs your decision (1)')
    expect(say({ proof: 'damaged', kept: false, waiting: 1 })).toMatch(/^Not saved/)
  })

  it('puts a decision before the network, and lost text before all', () => {
    expect(say({ offline: true, waiting: 2, decisions: 3 })).toBe('Needs your decision (3)')
    expect(say({ decisions: 3, problem: 'the disk is full' })).toBe('Not saved – the disk is full')
  })
})

describe('a problem', () => {
  it('is explained by what caused it', () => {
    const cause = new DOMException('no room', 'QuotaExceededError')
    const error = new Error('Cannot write the pack', { cause })
    expect(explainProblem(error)).toBe('the storage of this browser is full')
    expect(explainProblem(new Error('Cannot write the pack'))).toBe('Cannot write the pack')
  })
})

describe('what was left with the server', () => {
  const at = (cause: unknown, path?: string): NotHereError =>
    new NotHereError('1234', 'origin', { cause, ...(path === undefined ? {} : { path }) })

  it('is named with where it is and how to get it', () => {
    const away = new UnavailableError('Cannot sync: no answer')
    expect(explainProblem(at(away, 'a/b.json'))).toBe(
      '“a/b.json” is not on this device: only a part of the repository is kept here, and the rest on the server (origin). Connect and try again',
    )
    expect(explainProblem(new NotHereError('1234', 'origin'))).toMatch(/^It is not .* try again$/)
  })

  it('is not to be waited for where the server does not give it', () => {
    const gone = new MissingError('what a remote promised', '1234')
    expect(explainProblem(at(gone, 'a'))).toMatch(/\(origin\), which does not give it: .*"1234"/)
  })
})
