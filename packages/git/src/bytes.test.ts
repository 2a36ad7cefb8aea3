import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { cases } from '../test/seed.ts'
import { RealRepository } from '../test/real-git.ts'
import {
  compareBytes,
  concat,
  decodeName,
  encodeName,
  equal,
  fromHex,
  text,
  toHex,
  utf8,
} from './bytes.ts'
import { enlarge, release } from './memory.ts'
import { MalformedError } from './error.ts'
import { nameObject, objectHeader, typeOfNumber, TYPE_NUMBERS } from './object.ts'
import { EMPTY_TREE, encodeOid, isOid, parseOid, readOid, writeOid, ZERO_OID } from './oid.ts'
import { nodeRuntime } from './runtime/node.ts'
import { portableRuntime } from './runtime/portable.ts'

const bytes = fc.uint8Array({ maxLength: 30 })

describe('bytes', () => {
  it('are put together, compared and ordered as Buffers are', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(concat([a, b])).toEqual(new Uint8Array(Buffer.concat([a, b])))
        expect(equal(a, b)).toBe(Buffer.from(a).equals(b))
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b))
      }),
      cases(500),
    )
  })

  it('are written in hexadecimal and read again', () => {
    fc.assert(
      fc.property(bytes, (a) => {
        expect(toHex(a)).toBe(Buffer.from(a).toString('hex'))
        expect(fromHex(toHex(a).toUpperCase())).toEqual(a)
      }),
      cases(300),
    )
    expect(() => fromHex('abc')).toThrow(RangeError)
    expect(() => fromHex('zz')).toThrow(RangeError)
  })

  it('that are not UTF-8 are names that give the same bytes again', () => {
    // Seen to fail when bytes from 0x80 to 0xbf were not given back.
    const odd = fc.array(
      fc.constantFrom(
        0x61,
        0xc3,
        0xa9,
        0xe2,
        0x82,
        0xf0,
        0x9f,
        0xed,
        0xa0,
        0x80,
        0xff,
        0xef,
        0xbb,
        0xbf,
      ),
    )
    fc.assert(
      fc.property(
        odd.map((list) => Uint8Array.from(list)),
        (a) => {
          expect(encodeName(decodeName(a))).toEqual(a)
        },
      ),
      cases(3000),
    )
  })

  it('of valid text are that text, with its byte order mark', () => {
    expect(decodeName(utf8('\ufeffä🙂'))).toBe('\ufeffä🙂')
    expect(text(Uint8Array.of(0x61, 0xff))).toBe('a\ufffd')
  })
})

describe('an oid', () => {
  it('is forty lower-case hexadecimal digits', () => {
    expect(parseOid(EMPTY_TREE)).toBe(EMPTY_TREE)
    for (const odd of [
      '',
      EMPTY_TREE.slice(1),
      EMPTY_TREE.toUpperCase(),
      `${EMPTY_TREE}0`,
      `${EMPTY_TREE}\n`,
    ]) {
      expect(isOid(odd)).toBe(false)
      expect(() => parseOid(odd)).toThrow(MalformedError)
    }
  })

  it('is twenty bytes in tables', () => {
    const table = new Uint8Array(60)
    writeOid(EMPTY_TREE, table, 20)
    expect(readOid(table, 20)).toBe(EMPTY_TREE)
    expect(readOid(table, 0)).toBe(ZERO_OID)
    expect(toHex(encodeOid(EMPTY_TREE))).toBe(EMPTY_TREE)
  })
})

describe('an object', () => {
  it('is named as git hash-object does', () => {
    const git = new RealRepository()
    for (const size of [0, 1, 1000, 70_000]) {
      const body = Uint8Array.from({ length: size }, (_, i) => i % 251)
      const expected = git.run(['hash-object', '--stdin'], body)
      expect(nameObject(nodeRuntime, { type: 'blob', body })).toBe(expected)
      expect(nameObject(portableRuntime, { type: 'blob', body })).toBe(expected)
    }
    git.remove()
  })

  it('has one of four types, each with a number', () => {
    expect(text(objectHeader('tree', 12))).toBe('tree 12\0')
    for (const type of ['commit', 'tree', 'blob', 'tag'] as const) {
      expect(typeOfNumber(TYPE_NUMBERS[type])).toBe(type)
    }
    for (const number of [0, 5, 6, 7, -1, 1.5]) expect(typeOfNumber(number)).toBeUndefined()
  })
})

describe('memory', () => {
  it('of a larger array holds what the smaller one did, and that is given back', () => {
    const from = Uint32Array.of(1, 2, 3)
    expect(enlarge(from, new Uint32Array(5))).toEqual(Uint32Array.of(1, 2, 3, 0, 0))
    expect(from).toHaveLength(0)
  })

  it('that is released is gone for every view of it', () => {
    const whole = new Uint8Array(100)
    const view = whole.subarray(10, 20)
    release(whole)
    expect([whole.length, view.length]).toEqual([0, 0])
    release(whole)
  })
})
