import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { assemble, KERNEL_MODULE, kernelModule } from './assemble.ts'

type Numbers = (...operands: number[]) => number

function run(func: string): Numbers {
  const bytes = assemble(
    `(module (memory (export "memory") 1) (data (i32.const 8) "a\\ff") ${func})`,
  )
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes)))
  return exports['f'] as Numbers
}

describe('the assembler', () => {
  it('has made the bytes of the kernel that are here', () => {
    // What it takes when this fails: node tools/assemble.ts
    expect(readFileSync(KERNEL_MODULE, 'utf8')).toBe(kernelModule())
  })

  it('encodes numbers of any size', () => {
    for (const value of [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)])
      expect(run(`(func (export "f") (result i32) (i32.const ${value}))`)()).toBe(value)
    expect(run('(func (export "f") (result i32) (i32.const 0xedb88320))')()).toBe(0xedb88320 | 0)
  })

  it('finds locals, labels and functions by their names', () => {
    const sum = run(`
      (func $more (param $x i32) (result i32) (i32.add (local.get $x) (i32.const 1)))
      (func (export "f") (param $to i32) (result i32) (local $i i32) (local $sum i32)
        (block $done
          (loop $next ;; up to the number itself
            (br_if $done (i32.ge_u (local.get $i) (local.get $to)))
            (local.set $i (call $more (local.get $i)))
            (if (i32.eq (local.get $i) (i32.const 3)) (then (br $next)) (else (drop (i32.const 0))))
            (local.set $sum (i32.add (local.get $sum) (local.get $i)))
            (br $next)))
        (local.get $sum))`)
    expect(sum(5)).toBe(1 + 2 + 4 + 5)
  })

  it('puts data where it belongs', () => {
    const load = run('(func (export "f") (result i32) (i32.load16_u offset=7 (i32.const 1)))')
    expect(load()).toBe(0xff61)
  })

  it('refuses what it does not know', () => {
    expect(() => run('(func (export "f") (result i32) (i32.clz (i32.const 1)))')).toThrow('i32.clz')
    expect(() => run('(func (export "f") (local.get $nothing))')).toThrow('$nothing')
    expect(() => assemble('(module')).toThrow('parenthesis')
    expect(() => assemble('(module (table 1))')).toThrow('table')
  })
})
