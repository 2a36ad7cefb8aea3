import { describe, expect, it } from 'vitest'

import { bytesOf, latin1, pieces } from '../../test/support/hostile.ts'
import { ZERO_OID, type Oid } from '../oid.ts'
import { encodeLine } from './pkt-line.ts'
import {
  talkToProcReceive,
  type ProcReceiveReport,
  type ProcReceiveRequest,
} from './proc-receive.ts'

const tip = '1'.repeat(40) as Oid
const updates = ['refs/for/a', 'refs/for/b'].map((name) => ({ name, from: undefined, to: tip }))
const request: ProcReceiveRequest = {
  updates,
  pushed: new Set(['refs/for/a', 'refs/for/b', 'refs/heads/main']),
  atomic: false,
  options: [],
}
const VERSION = '000eversion=1\n0000'

/** Packets with these lines, and a flush packet. */
function lines(...texts: string[]): string {
  return `${texts.map((text) => latin1(encodeLine(`${text}\n`))).join('')}0000`
}

interface Hook {
  readonly says: string
  /** How many messages it takes; all when left out. */
  readonly hears?: number
  readonly size?: number
}

/** Talks with a hook that says this whatever it hears. */
async function talk(
  { says, hears = Infinity, size = 1000 }: Hook,
  wish: Partial<ProcReceiveRequest> = {},
): Promise<ProcReceiveReport & { readonly heard: string[] }> {
  const heard: string[] = []
  const report = await talkToProcReceive(
    {
      output: pieces(bytesOf(says), size),
      async write(bytes) {
        if (heard.length >= hears) throw new Error('EPIPE')
        heard.push(latin1(bytes))
      },
    },
    { ...request, ...wish },
  )
  return { ...report, heard }
}

describe('the hook', () => {
  it('is told the version, then the updates', async () => {
    const { heard } = await talk({ says: VERSION })
    expect(heard).toEqual([
      VERSION,
      `${updates.map(({ name }) => `0060${ZERO_OID} ${tip} ${name}`).join('')}0000`,
    ])
  })

  it('is told of options, and gets them if it wants them', async () => {
    const wish = { atomic: true, options: ['topic=x'] }
    const greeting = '0022version=1\0atomic push-options\n0000'
    const deaf = await talk({ says: VERSION }, wish)
    expect(deaf.heard).toHaveLength(2)
    expect(deaf.heard[0]).toBe(greeting)
    const { heard } = await talk({ says: '001bversion=1\0push-options\n0000' }, wish)
    expect(heard[2]).toBe('000btopic=x0000')
  })

  it.each([
    ['', 'fail to negotiate version with proc-receive hook'],
    ['000eversion=1\n', 'fail to negotiate version with proc-receive hook'],
    ['000eversion=1\n00', 'fail to negotiate version with proc-receive hook'],
    ['hello, world', 'fail to negotiate version with proc-receive hook: Cannot read a packet'],
    ['000eversion=2\n0000', "proc-receive version '2' is not supported"],
    ['000fversion=-1\n0000', "proc-receive version '-1' is not supported"],
  ])('that says %j is asked nothing', async (says, problem) => {
    const { outcomes, hasFailed, problem: found, heard } = await talk({ says })
    expect(found).toContain(problem)
    expect([outcomes.size, hasFailed, heard.length]).toEqual([0, true, 1])
  })

  it.each([
    [0, 'fail to negotiate version with proc-receive hook'],
    [1, 'fail to write commands to proc-receive hook'],
    [2, 'fail to write push-options to proc-receive hook'],
  ])('that stops listening after %i messages has failed', async (hears, problem) => {
    const says = `001bversion=1\0push-options\n0000${lines('ok refs/for/a')}`
    const report = await talk({ says, hears }, { options: ['x'] })
    expect(report).toMatchObject({ hasFailed: true, problem })
    expect(report.outcomes.size).toBe(0)
  })
})

describe('a report', () => {
  it.each([1, 7, 1000])('is read in pieces of %i', async (size) => {
    const rewritten = [
      'ok refs/for/a',
      'option refname refs/changes/1',
      `option old-oid ${ZERO_OID}`,
      `option new-oid ${tip.replaceAll('1', 'A')}`,
      'ok refs/for/a',
      'option forced-update',
      'ok refs/for/a',
    ]
    const says = `${VERSION}${lines(...rewritten, 'ok refs/for/b', 'option fall-through')}`
    const { outcomes, hasFailed, problem } = await talk({ says, size })
    expect([hasFailed, problem]).toEqual([false, ''])
    expect([...outcomes]).toEqual([
      [
        'refs/for/a',
        {
          state: 'done',
          rewrites: [
            { name: 'refs/changes/1', from: ZERO_OID, to: 'a'.repeat(40) },
            { isForced: true },
          ],
        },
      ],
      ['refs/for/b', { state: 'left', rewrites: [{}] }],
    ])
  })

  it('says of each ref why it was not made', async () => {
    const says = `${VERSION}${lines('ng refs/for/a too late')}`
    const { outcomes, hasFailed } = await talk({ says })
    expect(hasFailed).toBe(true)
    expect(Object.fromEntries(outcomes)).toEqual({
      'refs/for/a': { state: 'refused', reason: 'too late' },
      'refs/for/b': { state: 'refused', reason: 'proc-receive failed to report status' },
    })
  })

  it.each([
    ['ok', "proc-receive reported incomplete status line: 'ok'"],
    ['yes refs/for/a', "proc-receive reported bad status 'yes' on ref 'refs/for/a'"],
    ['ok refs/heads/main', 'proc-receive reported status on unexpected ref: refs/heads/main'],
    ['ok refs/heads/x', 'proc-receive reported status on unknown ref: refs/heads/x'],
    ['option refname x', "proc-receive reported 'option' without a matching 'ok/ng' directive"],
  ])('with a line %j has failed', async (line, problem) => {
    const says = `${VERSION}${lines(line, 'ok refs/for/a', 'ok refs/for/b')}`
    const report = await talk({ says })
    expect(report).toMatchObject({ hasFailed: true, problem })
    expect([...report.outcomes.values()].map(({ state }) => state)).toEqual(['done', 'done'])
  })

  it('gives a ref back once and for all', async () => {
    const left = ['ok refs/for/a', 'option fall-through', 'ng refs/for/a no', 'ok refs/for/b']
    const { outcomes, problem } = await talk({ says: VERSION + lines(...left) })
    expect(outcomes.get('refs/for/a')).toEqual({ state: 'left', rewrites: [{}] })
    expect(problem).toBe('proc-receive reported status on unexpected ref: refs/for/a')
  })

  it('has no options behind a status that is none', async () => {
    const stray = ['ok refs/for/a', 'yes refs/for/a', 'option fall-through', 'ok refs/for/b']
    const { outcomes, problem } = await talk({ says: VERSION + lines(...stray) })
    expect(outcomes.get('refs/for/a')).toEqual({ state: 'done', rewrites: [] })
    expect(problem.split('\n')).toHaveLength(2)
  })

  it('that is not in packets settles what came before', async () => {
    const says = `${VERSION}${lines('ok refs/for/a').slice(0, -4)}That was it.`
    const { outcomes, hasFailed, problem } = await talk({ says })
    expect([...outcomes.keys()]).toEqual(['refs/for/a'])
    expect(hasFailed).toBe(true)
    expect(problem).toBe('Cannot read a packet: its length is "That"')
  })

  it('is none, or over, wherever it is cut', async () => {
    const report = lines('ok refs/for/a', 'ng refs/for/b no')
    for (let length = 0; length < report.length; length++) {
      const { outcomes, hasFailed, problem } = await talk({
        says: VERSION + report.slice(0, length),
      })
      expect(hasFailed).toBe(true)
      // The first line takes 18 bytes.
      expect(outcomes.size).toBe(length < 18 ? 0 : 2)
      expect(problem).toBe(length < 18 ? 'proc-receive exited abnormally' : '')
    }
  })
})
