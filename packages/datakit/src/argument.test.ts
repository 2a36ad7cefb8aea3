/** Arguments that cannot be, where files are read and changed: each is an error that says what is expected, and nothing was done. */
import { nodeRuntime } from '@datakit/git/runtime/node'
import { memoryPlace } from '@datakit/storage/memory'
import { describe, expect, it } from 'vitest'
import {
  drain,
  MESSAGE,
  NO_FLAG,
  NO_FUNCTION,
  NO_NUMBER,
  NO_OID,
  NO_OPTIONS,
  NO_SIGNAL,
  NO_TEXT,
  NOWHERE,
  refusals,
  type Cases,
} from '../test/argument-cases.ts'
import { ArgumentError } from './argument.ts'
import { listPage, readJson, readParsed, readStream } from './files/files.ts'
import { globFilter } from './history/path-filter.ts'
import { ConfigRecord } from './records/config-record.ts'
import { int } from './records/field.ts'
import { Repository } from './repository.ts'
import { addTrailers, parseTrailers } from './transaction/trailers.ts'

const reading: Cases = {
  'a branch': [({ repository }, bad) => repository.branch(bad), [...NO_TEXT, '', 'a..b']],
  'a pattern of branches': [({ repository }, bad) => repository.branches(bad), NO_TEXT.slice(1)],
  'a ref of a log': [({ repository }, bad) => drain(repository.reflog(bad)), NO_TEXT],
  'a head': [({ repository }, bad) => repository.setHead(bad), [...NO_TEXT, '']],
  'a commit': [({ repository }, bad) => repository.snapshot(bad), NO_OID],
  'a tree': [({ repository }, bad) => repository.tree(bad), NO_OID],
  'a blob': [({ repository }, bad) => repository.readBlob(bad), NO_OID],
  'a path of a snapshot': [({ head }, bad) => head.read(bad), [...NO_TEXT, '', 'a//b', '..']],
  'a directory': [({ head }, bad) => head.list(bad), [...NO_TEXT.slice(1), 'file', '/']],
  'a path to look at': [({ head }, bad) => head.stat(bad), [...NO_TEXT, './x']],
  'a path to stream': [({ head }, bad) => drain(head.stream(bad)), [...NO_TEXT, 'a/']],
  'a page': [({ head }, bad) => head.page('', bad), [...NO_OPTIONS, undefined, { limit: 0 }]],
  'a limit of a page': [({ head }, limit) => head.page('', { limit }), [undefined, ...NO_NUMBER]],
  'a page behind something': [({ head }, after) => head.page('', { limit: 1, after }), [5, 'xyz']],
  'a walk': [({ head }, bad) => drain(head.walk(bad)), NO_OPTIONS],
  'a path of a walk': [({ head }, path) => drain(head.walk({ path })), NO_TEXT.slice(1)],
  'a filter': [({ head }, filter) => drain(head.walk({ filter })), NO_FUNCTION],
  'a signal': [({ head }, signal) => drain(head.readAll({ signal })), NO_SIGNAL],
  'a path that changed': [({ head }, bad) => head.lastModified(bad), NO_TEXT],
  'how often it changed': [({ head }, bad) => head.lastModified('file', bad), NO_NUMBER],
  'a file of JSON': [({ head }, bad) => readJson(head, bad), NO_TEXT],
  'files to read': [(_, bad) => readJson(bad, 'file'), [undefined, 5, 'xyz', {}]],
  'files to stream': [(_, bad) => drain(readStream(bad, 'file')), [undefined, 5, {}]],
  'files to list': [(_, bad) => listPage(bad, '', { limit: 1 }), [undefined, 5, {}]],
  'a parser': [({ head }, bad) => readParsed(head, 'file', bad), [undefined, ...NO_FUNCTION]],
  'a pattern': [(_, bad) => globFilter(bad), [...NO_TEXT, '', 'a//b']],
  'a log': [({ repository }, bad) => drain(repository.log(bad)), [...NO_OID.slice(0, 4), 'xyz']],
  'options of a log': [
    ({ repository, head }, bad) => drain(repository.log(head.oid, bad)),
    NO_OPTIONS,
  ],
  ...Object.fromEntries(
    Object.entries({
      limit: NO_NUMBER,
      since: [NaN, '2026', new Date(0)],
      until: [NaN, '2026', {}],
      author: [5, {}],
      order: ['odd', 5],
      firstParent: NO_FLAG,
      path: NO_TEXT.slice(1),
      signal: NO_SIGNAL,
    }).map(([name, bad]): [string, Cases[string]] => [
      `${name} of a log`,
      [({ repository, head }, value) => drain(repository.log(head.oid, { [name]: value })), bad],
    ]),
  ),
  'a graph': [({ repository }, from) => drain(repository.graph({ from })), [5, {}, 'xyz', NOWHERE]],
  'a limit of a graph': [({ repository }, limit) => drain(repository.graph({ limit })), NO_NUMBER],
  'a difference': [({ repository, head }, bad) => drain(repository.diff(head.oid, bad)), NO_OID],
  'what was before': [
    ({ repository, head }, bad) => drain(repository.diff(bad, head.oid)),
    NO_OID.slice(1),
  ],
  'options of a difference': [
    ({ repository, head }, bad) => drain(repository.diff(head.oid, head.oid, bad)),
    NO_OPTIONS,
  ],
  'paths of a difference': [
    ({ repository, head }, paths) => drain(repository.diff(head.oid, head.oid, { paths })),
    [5, 'xyz', {}, [], [5], ['a//b'], ['..']],
  ],
  'merge bases': [({ repository, head }, bad) => repository.mergeBases(bad, head.oid), NO_OID],
  'an ancestor': [({ repository, head }, bad) => repository.isAncestor(head.oid, bad), NO_OID],
  'trees to merge': [({ repository }, bad) => repository.mergeTrees(bad), [undefined, 5, 'xyz']],
  trailers: [(_, bad) => parseTrailers(bad), NO_TEXT],
  'a message for trailers': [(_, bad) => addTrailers(bad, []), NO_TEXT],
  'a list of trailers': [
    (_, bad) => addTrailers('x', bad),
    [undefined, 5, 'xyz', {}, [{ name: 'a' }]],
  ],
}

const changing: Cases = {
  'where to begin': [({ main }, bad) => main.transaction(bad), NO_OID.slice(1)],
  'what to change': [({ main }, bad) => main.commit(bad, MESSAGE), [undefined, ...NO_FUNCTION]],
  'how to commit': [({ main }, bad) => main.commit(() => {}, bad), [undefined, 5, 'xyz', {}]],
  'a message': [({ main }, message) => main.commit(() => {}, { message }), [...NO_TEXT, 'a\0b']],
  retries: [({ main }, retries) => main.commit(() => {}, { ...MESSAGE, retries }), [NaN, -1, {}]],
  'an author': [
    ({ main }, author) => main.commit(() => {}, { ...MESSAGE, author }),
    [5, 'Ada', {}],
  ],
  'a committer': [
    ({ main }, committer) => main.commit(() => {}, { ...MESSAGE, committer }),
    [5, {}, { name: 'Ada' }, { name: 'Ada', address: 'ada@example.org', seconds: NaN, offset: 0 }],
  ],
  'the first parent': [
    async ({ transaction }, firstParent) => {
      await transaction.resolve('file', 'ours')
      return transaction.commit({ ...MESSAGE, firstParent })
    },
    ['xyz', NOWHERE, 5],
  ],
  'a commit to merge': [({ main }, bad) => main.merge(bad), NO_OID],
  'a commit to go on to': [({ main }, bad) => main.fastForward(bad), NO_OID],
  'where to make a branch': [({ repository }, bad) => repository.branch('new').create(bad), NO_OID],
  'a fork': [({ main }, bad) => main.fork(bad), [...NO_TEXT, '']],
  'a new name': [({ main }, bad) => main.rename(bad), [...NO_TEXT, '-x']],
  'where to set it': [({ main, head }, bad) => main.compareAndSet(head.oid, bad), NO_OID.slice(1)],
  'where to reset it': [({ main }, bad) => main.reset(bad), NO_OID],
  'a path to write': [
    ({ transaction }, bad) => transaction.write(bad, ''),
    [...NO_TEXT, '', 'a//b'],
  ],
  'a path to write with a mode': [
    ({ transaction }, bad) => transaction.write(bad, '', { mode: 0o100644 }),
    [...NO_TEXT, ''],
  ],
  'bytes to write': [({ transaction }, bad) => transaction.write('x', bad), NO_TEXT],
  'a mode': [({ transaction }, mode) => transaction.write('x', '', { mode }), [NaN, 5, 'xyz', {}]],
  'another mode': [
    ({ transaction }, bad) => transaction.setMode('file', bad),
    [undefined, NaN, 5, {}],
  ],
  'a path with a mode': [
    ({ transaction }, bad) => transaction.setMode(bad, 0o100755),
    [...NO_TEXT, ''],
  ],
  'a path to remove': [({ transaction }, bad) => transaction.remove(bad), [...NO_TEXT, 'a/']],
  'what to move': [({ transaction }, bad) => transaction.move(bad, 'x'), [...NO_TEXT, '']],
  'where to move it': [({ transaction }, bad) => transaction.move('file', bad), [...NO_TEXT, '']],
  'a commit to compare with': [
    ({ transaction }, bad) => drain(transaction.diff(bad)),
    NO_OID.slice(1),
  ],
  'paths to compare': [
    ({ transaction }, paths) => drain(transaction.diff(undefined, { paths })),
    [5, 'xyz', {}, [], [5], ['a/']],
  ],
  'a parent': [({ transaction }, bad) => transaction.addParent(bad), NO_OID],
  'a path in conflict': [({ transaction }, bad) => transaction.explain(bad), [...NO_TEXT, 'x']],
  'a path to settle': [
    ({ transaction }, bad) => transaction.resolve(bad, 'ours'),
    [...NO_TEXT, 'x'],
  ],
  'how to settle it': [
    ({ transaction }, bad) => transaction.resolve('file', bad),
    [undefined, 5, 'mine', {}, { bytes: 5 }, { bytes: '', mode: 5 }, { keys: 5 }, { keys: [5] }],
  ],
  'a conflict to settle': [
    ({ repository }, bad) => repository.resolve('main', bad, new Map()),
    [undefined, 5, {}],
  ],
  'what to keep': [
    async ({ repository, main, theirs }, bad) => {
      const outcome = await main.merge(theirs)
      if (outcome.state === 'conflict') await repository.resolve('main', outcome, bad)
    },
    [undefined, 5, {}],
  ],
  'a conflict to explain': [
    ({ repository, head, theirs }, bad) => repository.explain({ ours: head.oid, theirs }, bad),
    [undefined, 5, {}],
  ],
  'an outcome to explain': [
    ({ repository, transaction: { conflicts } }, bad) =>
      conflicts.map((conflict) => repository.explain(bad, conflict))[0],
    [undefined, 5, {}],
  ],
  'layers of a record': [
    ({ repository }, layers) => ConfigRecord.open(repository, { layers, fields: { a: int(1) } }),
    [undefined, 5, ['user'], [5, 6]],
  ],
  'fields of a record': [
    ({ repository }, fields) =>
      ConfigRecord.open(repository, { layers: ['user', 'defaults'], fields }),
    [5, { a: 5 }, { a: undefined }],
  ],
}

describe('reading', () => refusals(reading))
describe('changing', () => refusals(changing))

it('says what was given and what to give', () => {
  expect(new ArgumentError('limit', NaN, 'a number from 0 on')).toMatchObject({
    name: 'ArgumentError',
    code: 'bad-argument',
    argument: 'limit',
    message: 'Cannot use NaN for "limit": give a number from 0 on',
  })
  expect(new ArgumentError('limit', -1, 'x')).toBeInstanceOf(TypeError)
})

it('refuses what is no place and what names no runtime', async () => {
  for (const args of [
    [undefined, { runtime: nodeRuntime }],
    [memoryPlace(), undefined],
    [memoryPlace(), {}],
  ])
    await expect(Reflect.apply(Repository.open, Repository, args)).rejects.toMatchObject({
      code: 'bad-argument',
    })
})
