import { beforeEach, describe, expect, it } from 'vitest'

import { memoryPlace } from '../../../storage/src/memory.ts'
import {
  commitOf,
  emptyTree,
  main,
  name,
  packOf,
  pieces,
  receive,
  state,
} from '../../test/pushing.ts'
import { Objects } from '../objects.ts'
import { EMPTY_TREE, type Oid } from '../oid.ts'
import type { Place, RefUpdate } from '../place.ts'
import type { HookOutcome } from '../protocol/proc-receive.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { withoutDelegate, type DelegateAnswer } from './delegate.ts'
import type { ReceiveOutcome } from './receive.ts'
import type { MadeUpdate, ReceivePolicy } from './ref-rules.ts'

const first = commitOf(EMPTY_TREE)
const second = commitOf(EMPTY_TREE, [name(first)])
const stranger = '9'.repeat(40) as Oid
const TOPIC = 'refs/for/main'

let place: Place
let steps: string[]
let told: readonly MadeUpdate[]

beforeEach(async () => {
  place = memoryPlace()
  steps = []
  told = []
  const updates = [{ name: main, from: undefined, to: name(first) }]
  await receive(place, { updates, pack: pieces(await packOf([emptyTree, first])) })
})

interface Answering {
  readonly outcomes?: Readonly<Record<string, HookOutcome>>
  readonly problem?: string
  /** What he does while he is asked. */
  readonly meanwhile?: () => Promise<void>
}

/** A policy with a delegate for `refs/for/`, that writes down its steps. */
function policyWith({ outcomes = {}, problem, meanwhile }: Answering): ReceivePolicy {
  const step = (what: string) => async (updates: readonly RefUpdate[]) => {
    steps.push([what, ...updates.map(({ name }) => name)].join(' '))
    return new Map<string, string>()
  }
  return {
    ask: step('ask'),
    askEach: step('askEach'),
    delegate: {
      takes: (update) => update.name.startsWith('refs/for/'),
      async make(updates): Promise<DelegateAnswer> {
        await step('make')(updates)
        await meanwhile?.()
        return { outcomes: new Map(Object.entries(outcomes)), problem }
      },
    },
    async tell(updates) {
      told = updates
    },
  }
}

const done: HookOutcome = { state: 'done', rewrites: [] }
const left: HookOutcome = { state: 'left', rewrites: [] }
const move = { name: main, from: name(first), to: name(second) }
const topic = { name: TOPIC, from: undefined, to: name(second) }

async function push(
  policy: ReceivePolicy,
  updates: readonly RefUpdate[] = [move, topic],
  atomic = false,
): Promise<ReceiveOutcome> {
  const pack = pieces(await packOf([second]))
  return receive(place, { updates, pack, policy, atomic })
}

async function refAt(name: string): Promise<Oid | undefined> {
  return (await place.read()).ref(name)
}

describe('updates of a delegate', () => {
  it('are his to make, between the question about all and that about each', async () => {
    const outcome = await push(policyWith({ outcomes: { [TOPIC]: done } }))
    expect(state(outcome)).toEqual(['done', 'done'])
    expect(steps).toEqual([`ask ${main} ${TOPIC}`, `make ${TOPIC}`, `askEach ${main}`])
    expect([await refAt(main), await refAt(TOPIC)]).toEqual([name(second), undefined])
  })

  it('have their objects where everybody sees them, and no ref moved', async () => {
    let seen: unknown[] = []
    const meanwhile = async (): Promise<void> => {
      const objects = await Objects.open(place, nodeRuntime)
      seen = [await objects.has(name(second)), await refAt(main)]
    }
    await push(policyWith({ outcomes: { [TOPIC]: done }, meanwhile }))
    expect(seen).toEqual([true, name(first)])
  })

  it('of a shallow clone make the repository shallow where that is allowed, and only then', async () => {
    const boundary = commitOf(EMPTY_TREE, [stranger])
    const tip = commitOf(EMPTY_TREE, [name(boundary)])
    const wish = async (takesShallow: boolean): Promise<string[]> =>
      state(
        await receive(place, {
          updates: [{ ...topic, to: name(tip) }],
          pack: pieces(await packOf([boundary, tip])),
          boundaries: [name(boundary)],
          policy: { ...policyWith({ outcomes: { [TOPIC]: left } }), takesShallow },
        }),
      )
    expect(await wish(false)).toEqual(['refused: shallow update not allowed'])
    expect(await wish(true)).toEqual(['done'])
    expect([...(await place.read()).shallow]).toEqual([name(boundary)])
  })

  it('are told of with what was made instead', async () => {
    const rewrites = [{ name: 'refs/changes/1' }, { from: stranger, isForced: true }]
    const { refs } = await push(policyWith({ outcomes: { [TOPIC]: { state: 'done', rewrites } } }))
    expect(refs[1]).toEqual({ name: TOPIC, state: 'done', rewrites })
    expect(told.map(({ rewrites }) => rewrites)).toEqual([undefined, rewrites])
  })

  it('may be anywhere, and beside anything', async () => {
    const updates = [
      { ...topic, from: stranger },
      { name: 'refs/for/x', from: stranger, to: undefined },
      { name: 'refs/for/main/below', from: undefined, to: name(second) },
    ]
    const outcomes = Object.fromEntries(updates.map(({ name }) => [name, done]))
    expect(state(await push(policyWith({ outcomes }), updates))).toEqual(['done', 'done', 'done'])
  })

  it('need their objects', async () => {
    const updates = [{ ...topic, to: stranger }]
    expect(state(await push(policyWith({}), updates))).toEqual([
      `refused: missing necessary objects: ${stranger}`,
    ])
    expect(steps).toEqual([])
  })

  it('need a name, and not a hidden one', async () => {
    const names = ['refs/for/a..b', 'refs/for/hidden']
    const updates = names.map((name) => ({ ...topic, name }))
    const readable = { key: 'test', includes: (name: string) => !name.endsWith('hidden') }
    expect(state(await push({ ...policyWith({}), readable }, updates))).toEqual([
      'refused: funny refname',
      'refused: deny updating a hidden ref',
    ])
  })

  it('are refused for the reasons that he has, alone', async () => {
    const other = { ...topic, name: 'refs/for/other' }
    const outcomes: Record<string, HookOutcome> = { [TOPIC]: { state: 'refused', reason: 'no' } }
    const answered = await push(policyWith({ outcomes, problem: 'it broke' }), [move, topic, other])
    expect(state(answered)).toEqual(['done', 'refused: no', 'refused: it broke'])
  })
})

describe('updates that a delegate gives back', () => {
  const policy = policyWith({ outcomes: { [TOPIC]: left } })

  it('are made like any other, and told of as he says', async () => {
    const rewrites = [{ to: stranger }]
    const giving = policyWith({ outcomes: { [TOPIC]: { state: 'left', rewrites } } })
    const { refs } = await push(giving)
    expect(refs[1]).toEqual({ name: TOPIC, state: 'done', rewrites })
    expect(await refAt(TOPIC)).toBe(name(second))
    expect(steps.at(-1)).toBe(`askEach ${main} ${TOPIC}`)
  })

  it('are held against the rules', async () => {
    const updates = [
      { name: main, from: name(first), to: undefined },
      topic,
      { name: `${TOPIC}/below`, from: undefined, to: name(second) },
    ]
    const outcomes = { [TOPIC]: left, [`${TOPIC}/below`]: left }
    const refuse = (update: RefUpdate): string | undefined =>
      update.name === TOPIC ? 'not this one' : undefined
    const outcome = await push({ ...policyWith({ outcomes }), refuse }, updates)
    expect(state(outcome)).toEqual([
      'refused: deletion of the current branch prohibited',
      'refused: not this one',
      'done',
    ])
  })

  it('are lost where they are elsewhere', async () => {
    expect(state(await push(policy, [{ ...topic, from: stranger }]))).toEqual(['lost'])
  })

  it('only move forward where they have to', async () => {
    const updates = [{ name: main, from: name(first), to: name(second) }]
    await push({}, updates)
    const back = [{ name: main, from: name(second), to: name(first) }]
    const forward: ReceivePolicy = {
      protects: (name) => name === main,
      delegate: { ...policy.delegate, takes: () => true, make: async () => giveBack },
    }
    const giveBack: DelegateAnswer = { outcomes: new Map([[main, left]]), problem: undefined }
    expect(state(await push(forward, back))).toEqual(['refused: non-fast-forward'])
  })

  it('may not be beside another', async () => {
    const updates = [topic, { name: 'refs/for', from: undefined, to: name(second) }]
    const outcome = await push(policy, updates)
    expect(state(outcome)[1]).toContain('refused: funny refname')
    const below = [{ ...topic, name: 'refs/heads/main/x' }]
    const all: ReceivePolicy = {
      delegate: {
        takes: () => true,
        make: async () => ({
          outcomes: new Map([['refs/heads/main/x', left]]),
          problem: undefined,
        }),
      },
    }
    expect(state(await push(all, below))[0]).toContain(`"${main}" exists`)
  })
})

describe('an atomic push', () => {
  it('of which a rule refuses a ref does not come to the delegate', async () => {
    const refuse = (update: RefUpdate): string | undefined =>
      update.name === main ? 'no' : undefined
    const outcome = await push({ ...policyWith({}), refuse }, [move, topic], true)
    expect(state(outcome)).toEqual(['refused: no', 'refused: atomic push failure'])
    expect(steps).toEqual([])
  })

  it('of which the delegate has failed moves no ref', async () => {
    const outcomes = { [TOPIC]: done }
    const outcome = await push(policyWith({ outcomes, problem: 'broken' }), [move, topic], true)
    expect(state(outcome)).toEqual(['refused: broken', 'done'])
    expect(await refAt(main)).toBe(name(first))
  })

  it('that fails behind him says so of his refs, too', async () => {
    const outcomes = { [TOPIC]: done }
    const askEach = async (): Promise<Map<string, string>> => new Map([[main, 'hook declined']])
    const outcome = await push({ ...policyWith({ outcomes }), askEach }, [move, topic], true)
    expect(state(outcome)).toEqual(['refused: hook declined', 'refused: atomic push failure'])
    expect(told).toEqual([])
  })
})

it('shows the objects to everybody before anybody is asked about each update', async () => {
  let isSeen = false
  const askEach = async (): Promise<Map<string, string>> => {
    isSeen = await (await Objects.open(place, nodeRuntime)).has(name(second))
    return new Map([[main, 'no']])
  }
  expect(state(await push({ askEach }, [move]))).toEqual(['refused: no'])
  expect(isSeen).toBe(true)
})

it('is refused what is his where nobody asks him', async () => {
  const refuse = (update: RefUpdate): string | undefined =>
    update.name === main ? 'no' : undefined
  const policy = withoutDelegate({ ...policyWith({}), refuse }, 'only by git push')
  expect(state(await push(policy))).toEqual(['refused: no', 'refused: only by git push'])
  expect(withoutDelegate({}, 'only by git push')).toEqual({})
})
