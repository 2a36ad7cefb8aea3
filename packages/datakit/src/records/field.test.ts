import { describe, expect, it } from 'vitest'
import { FieldError } from './field-error.ts'
import { bool, int, json, string } from './field.ts'

describe('a field', () => {
  it.each(['1', 't', 'T', 'TRUE', 'true', 'True', ' true\n'])('reads "%s" as true', (text) => {
    expect(bool().parse(text)).toEqual({ value: true })
  })

  it.each([
    ['+7', 7],
    ['-0', 0],
    ['007', 7],
    [' 12 \r\n', 12],
    ['\uFEFF5', 5],
    ['-9007199254740991', -9007199254740991],
  ])('reads "%s" as a number', (text, value) => {
    expect(int().parse(text)).toEqual({ value })
  })

  it('keeps blanks where it is exact', () => {
    const exact = string('', { exact: true })
    for (const value of ['', ' a ', 'a\n', '\n', 'a\r', '\uFEFFa']) {
      expect(exact.parse(`${exact.format(value)}\n`)).toEqual({ value })
    }
    expect(string().parse(' a b \n')).toEqual({ value: 'a b' })
    expect(() => exact.format('\ud800')).toThrow(FieldError)
  })

  it('compares JSON by what it says', () => {
    const field = json((value): value is object => typeof value === 'object' && value !== null)
    expect(field.isEqual({ a: 1, b: [{ c: 1, d: 2 }] }, { b: [{ d: 2, c: 1 }], a: 1 })).toBe(true)
    expect(field.isEqual({ a: [1, 2] }, { a: [2, 1] })).toBe(false)
    const circle: { self?: object } = {}
    circle.self = circle
    expect(() => field.format(circle)).toThrow(FieldError)
  })
})
