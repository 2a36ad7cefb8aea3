/**
 * Assembles `packages/git/src/quick/kernel.wat`, as much of the text format of WebAssembly as it uses: instructions folded, one
 * memory, numbers of 32 bits.
 *
 * `node tools/assemble.ts` writes what comes of it to `kernel-bytes.ts`; a test compares the two.
 *
 * Specs: https://webassembly.github.io/spec/core/text/, https://webassembly.github.io/spec/core/binary/
 *
 * @module
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '..', 'packages', 'git', 'src', 'quick')

/** A word, or a list in parentheses. */
type Node = string | readonly Node[]

/** Bytes of instructions that take their operands from the stack and nothing else. */
const PLAIN: Readonly<Record<string, readonly number[]>> = {
  return: [0x0f],
  drop: [0x1a],
  'i32.eqz': [0x45],
  'i32.eq': [0x46],
  'i32.ne': [0x47],
  'i32.lt_s': [0x48],
  'i32.lt_u': [0x49],
  'i32.gt_u': [0x4b],
  'i32.le_u': [0x4d],
  'i32.ge_u': [0x4f],
  'i32.add': [0x6a],
  'i32.sub': [0x6b],
  'i32.div_u': [0x6e],
  'i32.rem_u': [0x70],
  'i32.and': [0x71],
  'i32.or': [0x72],
  'i32.xor': [0x73],
  'i32.shl': [0x74],
  'i32.shr_u': [0x76],
  'i32.rotl': [0x77],
  'i32.rotr': [0x78],
  'memory.copy': [0xfc, 10, 0, 0],
  'memory.fill': [0xfc, 11, 0],
}

/** Instructions on memory, and the power of two that their address is promised to be a multiple of: 1, which is always so. */
const MEMORY: Readonly<Record<string, number>> = {
  'i32.load': 0x28,
  'i32.load8_u': 0x2d,
  'i32.load16_u': 0x2f,
  'i32.store': 0x36,
  'i32.store8': 0x3a,
  'i32.store16': 0x3b,
}

/** Instructions with the name of a local, a global or a function. */
const NAMED: Readonly<Record<string, readonly [number, 'locals' | 'globals' | 'functions']>> = {
  'local.get': [0x20, 'locals'],
  'local.set': [0x21, 'locals'],
  'local.tee': [0x22, 'locals'],
  'global.get': [0x23, 'globals'],
  'global.set': [0x24, 'globals'],
  call: [0x10, 'functions'],
}

const I32 = 0x7f
const EMPTY = 0x40
const END = 0x0b
/** Kinds of what is exported. */
const FUNCTION = 0
const MEMORY_KIND = 2

/** What the names in a function stand for. */
interface Scope {
  readonly locals: readonly string[]
  readonly globals: readonly string[]
  readonly functions: readonly string[]
  /** Blocks around an instruction, the innermost first. */
  readonly labels: readonly string[]
}

interface Func {
  readonly exported: string | undefined
  readonly params: readonly string[]
  readonly results: number
  readonly locals: readonly string[]
  readonly body: readonly Node[]
}

/** The binary module of a text. @throws Error for what this assembler does not know */
export function assemble(source: string): Uint8Array {
  const [module] = parse(source)
  if (!Array.isArray(module) || module[0] !== 'module') throw new Error('Not a module')
  const fields: readonly (readonly Node[])[] = module.slice(1).map(list)
  const of = (kind: string) => fields.filter(([first]) => first === kind)
  const known = ['memory', 'data', 'global', 'func']
  for (const [kind] of fields) if (!known.includes(word(kind))) throw unknown(word(kind))
  const named = of('func').map((field) => (`${field[1]}`.startsWith('$') ? word(field[1]) : ''))
  const functions = of('func').map(readFunction)
  const globals = of('global').map((field) => word(field[1]))
  const pages = of('memory').map((field) => number(field.at(-1)))
  const exports = [
    ...of('memory').map((field) => [exportOf(field) ?? '', MEMORY_KIND, 0] as const),
    ...functions.flatMap(({ exported }, i) =>
      exported === undefined ? [] : [[exported, FUNCTION, i] as const],
    ),
  ]
  const scope = { globals, functions: named, labels: [] }
  const vector = (items: readonly (readonly number[])[]) => [
    ...unsigned(items.length),
    ...items.flat(),
  ]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(functions.map(typeOf))),
    ...section(3, vector(functions.map((_, i) => unsigned(i)))),
    ...section(5, vector(pages.map((count) => [0, ...unsigned(count)]))),
    ...section(6, vector(of('global').map((field) => globalOf(field, { ...scope, locals: [] })))),
    ...section(7, vector(exports.map(([name, kind, i]) => [...text(name), kind, ...unsigned(i)]))),
    ...section(10, vector(functions.map((func) => codeOf(func, scope)))),
    ...section(11, vector(of('data').map((field) => dataOf(field, { ...scope, locals: [] })))),
  ])
}

/** Words, strings and lists, comments left out. */
function parse(source: string): Node[] {
  const stack: Node[][] = [[]]
  for (const [token] of source.matchAll(/;;.*|"[^"]*"|[()]|[^\s()";]+/g)) {
    if (token.startsWith(';;')) continue
    if (token === '(') stack.push([])
    else if (token === ')') {
      const done = stack.pop() ?? []
      const around = stack.at(-1)
      if (around === undefined) throw new Error('A parenthesis too many')
      around.push(done)
    } else stack.at(-1)?.push(token)
  }
  const [nodes] = stack
  if (nodes === undefined || stack.length > 1) throw new Error('A parenthesis is missing')
  return nodes
}

function readFunction(field: readonly Node[]): Func {
  const rest = field.slice(`${field[1]}`.startsWith('$') ? 2 : 1)
  const heads = ['export', 'param', 'result', 'local']
  const count = rest.findIndex((node) => !Array.isArray(node) || !heads.includes(word(node[0])))
  const head = rest.slice(0, count).map(list)
  const names = (kind: string) => head.filter(([k]) => k === kind).map(([, name]) => word(name))
  return {
    exported: exportOf(field),
    params: names('param'),
    results: head.filter(([kind]) => kind === 'result').length,
    locals: names('local'),
    body: rest.slice(count),
  }
}

function exportOf(field: readonly Node[]): string | undefined {
  const found = field.find((node) => Array.isArray(node) && node[0] === 'export')
  return found && word(list(found)[1]).slice(1, -1)
}

function typeOf({ params, results }: Func): number[] {
  const numbers = (count: number) => [count, ...Array.from({ length: count }, () => I32)]
  return [0x60, ...numbers(params.length), ...numbers(results)]
}

function codeOf(func: Func, scope: Omit<Scope, 'locals'>): number[] {
  const locals = [...func.params, ...func.locals]
  const declared = func.locals.length === 0 ? [0] : [1, ...unsigned(func.locals.length), I32]
  const body = encodeAll(func.body, { ...scope, locals })
  return [...unsigned(declared.length + body.length + 1), ...declared, ...body, END]
}

function globalOf(field: readonly Node[], scope: Scope): number[] {
  const isMutable = Array.isArray(field[2])
  return [I32, isMutable ? 1 : 0, ...encodeAll(field.slice(3), scope), END]
}

function dataOf([, at, ...strings]: readonly Node[], scope: Scope): number[] {
  const bytes = strings.flatMap((string) => bytesOf(word(string)))
  return [0, ...encode(at ?? [], scope), END, ...unsigned(bytes.length), ...bytes]
}

/** The bytes of a string, of which `\hh` are written as two digits. */
function bytesOf(string: string): number[] {
  const parts = string.slice(1, -1).matchAll(/\\([0-9a-f]{2})|[ -~]/g)
  return Array.from(parts, ([all, hex]) => (hex ? Number.parseInt(hex, 16) : all.charCodeAt(0)))
}

function encodeAll(nodes: readonly Node[], scope: Scope): number[] {
  return nodes.flatMap((node) => encode(node, scope))
}

/** A folded instruction: its operands, then itself. */
function encode(node: Node, scope: Scope): number[] {
  const [name, ...operands] = list(node)
  const op = word(name)
  const plain = PLAIN[op]
  if (plain !== undefined) return [...encodeAll(operands, scope), ...plain]
  if (op === 'i32.const') return [0x41, ...signed(number(operands[0]))]
  const memory = MEMORY[op]
  if (memory !== undefined) {
    const [first] = operands
    const hasOffset = typeof first === 'string'
    const offset = hasOffset ? number(first.replace('offset=', '')) : 0
    return [
      ...encodeAll(hasOffset ? operands.slice(1) : operands, scope),
      memory,
      0,
      ...unsigned(offset),
    ]
  }
  const [target, ...rest] = operands
  const named = NAMED[op]
  if (named !== undefined) {
    const [code, kind] = named
    return [...encodeAll(rest, scope), code, ...unsigned(indexOf(scope[kind], word(target)))]
  }
  return encodeBranch(op, operands, scope)
}

function encodeBranch(op: string, operands: readonly Node[], scope: Scope): number[] {
  const [target, ...rest] = operands
  const inside = (label: string): Scope => ({ ...scope, labels: [label, ...scope.labels] })
  switch (op) {
    case 'br':
      return [0x0c, ...unsigned(indexOf(scope.labels, word(target)))]
    case 'br_if':
      return [...encodeAll(rest, scope), 0x0d, ...unsigned(indexOf(scope.labels, word(target)))]
    case 'block':
    case 'loop': {
      const code = op === 'block' ? 0x02 : 0x03
      return [code, EMPTY, ...encodeAll(rest, inside(word(target))), END]
    }
    case 'if': {
      const [then = [], otherwise] = rest.map((part) => encodeAll(list(part).slice(1), inside('')))
      const second = otherwise === undefined ? [] : [0x05, ...otherwise]
      return [...encode(target ?? [], scope), 0x04, EMPTY, ...then, ...second, END]
    }
    default:
      throw unknown(op)
  }
}

function section(id: number, bytes: readonly number[]): number[] {
  return [id, ...unsigned(bytes.length), ...bytes]
}

function text(string: string): number[] {
  return [string.length, ...new TextEncoder().encode(string)]
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)]
}

/** The same of a number with a sign. */
function signed(value: number): number[] {
  const isLast = value >= -0x40 && value < 0x40
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)]
}

function number(node: Node | undefined): number {
  const value = Number(word(node))
  if (!Number.isInteger(value)) throw new Error(`Not a number: ${word(node)}`)
  return value | 0
}

function indexOf(names: readonly string[], name: string): number {
  const index = names.indexOf(name)
  if (index < 0) throw new Error(`There is no ${name} here`)
  return index
}

function word(node: Node | undefined): string {
  if (typeof node !== 'string') throw new Error(`Expected a word, found ${JSON.stringify(node)}`)
  return node
}

function list(node: Node): readonly Node[] {
  if (typeof node === 'string') throw new Error(`Expected a list, found "${node}"`)
  return node
}

function unknown(what: string): Error {
  return new Error(`Not known to this assembler: ${what}`)
}

/** The module that holds the kernel, as it must be. */
export function kernelModule(): string {
  const bytes = assemble(readFileSync(join(folder, 'kernel.wat'), 'utf8'))
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,92}/g) ?? []
  const quoted = lines.map((line) => `  '${line}'`).join(' +\n')
  return `/**
 * The kernel in base64, made of \`kernel.wat\` by \`node tools/assemble.ts\`.
 *
 * @module
 */

/** A WebAssembly module. */
export const KERNEL_BYTES =
${quoted}
`
}

/** Where {@link kernelModule} belongs. */
export const KERNEL_MODULE = join(folder, 'kernel-bytes.ts')

if (import.meta.main) writeFileSync(KERNEL_MODULE, kernelModule())
