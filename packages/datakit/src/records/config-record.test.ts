/** Configuration records: what the old tests of the Go client wanted, and what they did not say. */
import { describe, expect, it } from 'vitest'
import { commits, fields, files, open, recordOf } from '../../test/record-support.ts'
import { commit } from '../../test/watch-contract.ts'
import { FieldError } from './field-error.ts'
import { int, string } from './field.ts'

describe('a record', () => {
  it('begins with its defaults, each a file, in one commit, and mirrors them in one', async () => {
    const repository = await open()
    const record = await recordOf(repository, fields)
    expect(record.values()).toEqual({
      memory: 2048,
      'proxy/http': undefined,
      debug: false,
      channel: 'stable',
      mirrors: [],
      name: 'moby',
    })
    const defaults = {
      'vm/channel': 'stable\n',
      'vm/debug': 'false\n',
      'vm/memory': '2048\n',
      'vm/mirrors': '[]\n',
      'vm/name': 'moby\n',
    }
    expect(await files(repository, 'defaults')).toEqual({ ...defaults, 'vm/schema-version': '1\n' })
    expect(await files(repository, 'state')).toEqual(defaults)
    expect(await repository.branch('user').oid()).toBeUndefined()
    for (const branch of ['defaults', 'state']) expect(await commits(repository, branch)).toBe(1)
    await recordOf(repository, fields)
    for (const branch of ['defaults', 'state']) expect(await commits(repository, branch)).toBe(1)
  })

  it('sets fields of any type in one commit, and takes them away again', async () => {
    const repository = await open()
    const record = await recordOf(repository, fields)
    const oid = await record.set({
      memory: 4096,
      debug: true,
      'proxy/http': 'http://proxy',
      mirrors: ['a'],
    })
    expect(oid).toBe(await repository.branch('user').oid())
    expect(record.values()).toMatchObject({
      memory: 4096,
      debug: true,
      'proxy/http': 'http://proxy',
      mirrors: ['a'],
    })
    expect(record.get('memory')).toEqual({
      value: 4096,
      version: 2,
      layer: 'user',
      problem: undefined,
    })
    expect(record.get('name')).toMatchObject({ value: 'moby', version: 1, layer: 'defaults' })
    expect([await commits(repository, 'user'), await commits(repository, 'state')]).toEqual([1, 2])
    expect((await repository.branch('user').head())?.commit().message).toContain(
      'Set memory, debug',
    )
    await record.set({ memory: undefined, 'proxy/http': undefined })
    expect(record.values()).toMatchObject({ memory: 2048, 'proxy/http': undefined, debug: true })
    expect(await files(repository, 'state')).not.toHaveProperty('vm/proxy/http')
    expect(await record.set({ memory: undefined, debug: true })).toBeUndefined()
    expect(await commits(repository, 'user')).toBe(2)
  })

  it('takes the first layer that has a value, and says which', async () => {
    const repository = await open()
    const record = await recordOf(repository, fields)
    await record.set(
      { channel: 'edge', memory: 1024 },
      { layer: 'experimental', message: 'Try it' },
    )
    expect(record.get('channel')).toMatchObject({ value: 'edge', layer: 'experimental' })
    await record.set({ memory: 512 })
    expect(record.get('memory')).toMatchObject({ value: 512, layer: 'user' })
    await record.set({ memory: undefined })
    expect(record.get('memory')).toMatchObject({ value: 1024, layer: 'experimental' })
    await expect(record.set({}, { layer: 'state' })).rejects.toThrow(/expected one of "user"/)
  })

  it('moves the version of a field only when its value changes', async () => {
    const repository = await open()
    const record = await recordOf(repository, fields)
    const { version } = record.get('memory')
    await commit(repository, { 'vm/unrelated': '1', 'elsewhere/memory': '1' }, 'user')
    await record.set({ debug: true })
    await commit(repository, { 'vm/memory': ' 2048\n\n' }, 'user')
    await record.refresh()
    expect(record.get('memory')).toMatchObject({ version, layer: 'user' })
    expect(record.hasChanged('memory', version)).toBe(false)
    expect(record.hasChanged('debug', version)).toBe(true)
    await commit(repository, { 'vm/memory': '4096' }, 'user')
    await record.refresh()
    expect(record.hasChanged('memory', version)).toBe(true)
    expect(record.get('memory').version).toBe(record.version)
  })

  it.each([
    ['debug', 'rubbish', false],
    ['memory', 'many', 2048],
    ['memory', '1e3', 2048],
    ['memory', '100', 2048],
    ['memory', '99999999999999999999', 2048],
    ['channel', 'Stable', 'stable'],
    ['mirrors', '["a"', []],
    ['mirrors', '{"a":1}', []],
    ['memory', '', 2048],
  ] as const)(
    'falls back to the default of %s when it is "%s", and keeps that',
    async (name, text, value) => {
      const repository = await open()
      const record = await recordOf(repository, fields)
      await record.set({ [name]: name === 'debug' ? true : undefined })
      await commit(repository, { [`vm/${name}`]: text }, 'user')
      await record.refresh()
      const state = record.get(name)
      expect(state).toMatchObject({ value, layer: undefined, problem: { layer: 'user' } })
      expect(state.problem?.message).toMatch(/./)
      expect((await files(repository, 'user'))[`vm/${name}`]).toBe(text)
      expect((await files(repository, 'state'))[`vm/${name}`]).toBe(
        (await files(repository, 'defaults'))[`vm/${name}`],
      )
      await record.set({ [name]: undefined })
      expect(record.get(name)).toMatchObject({ value, layer: 'defaults', problem: undefined })
    },
  )

  it('stays calm when a directory, a link or bytes are where a file should be', async () => {
    const repository = await open()
    const record = await recordOf(repository, fields)
    await repository.branch('user').commit(
      async (tree) => {
        await tree.write('vm/memory/oops', '1')
        await tree.write('vm/name', 'target', { mode: 0o120000 })
        await tree.write('vm/debug', new Uint8Array([0xff, 0xfe]))
        await tree.write('vm/proxy', 'a file')
      },
      { message: 'By hand' },
    )
    await record.refresh()
    expect(record.get('memory')).toMatchObject({
      value: 2048,
      problem: { message: expect.stringContaining('directory') },
    })
    expect(record.get('name')).toMatchObject({
      value: 'moby',
      problem: { message: expect.stringContaining('link') },
    })
    expect(record.get('debug')).toMatchObject({
      value: false,
      problem: { message: expect.stringContaining('UTF-8') },
    })
    expect(record.get('proxy/http')).toMatchObject({ value: undefined, problem: undefined })
    await expect(record.set({ 'proxy/http': 'x' })).rejects.toMatchObject({
      code: 'not-a-directory',
    })
    await expect(record.set({ memory: 512 })).rejects.toMatchObject({ code: 'is-a-directory' })
    expect(await record.set({ memory: undefined })).toBeDefined()
  })

  it('refuses what is no value before anything is written', async () => {
    const repository = await open()
    const record = await recordOf(repository, fields)
    for (const values of [
      { memory: 1.5 },
      { memory: 100 },
      { debug: 'yes' },
      { channel: 'beta' },
      { mirrors: [1] },
      { name: ' blank' },
      { memory: null },
    ]) {
      const error = await record.set({ debug: true, ...values } as never).catch((e) => e)
      expect(error).toBeInstanceOf(FieldError)
      expect(error).toMatchObject({
        code: 'invalid-value',
        message: expect.stringContaining(Object.keys(values)[0] ?? ''),
      })
    }
    await expect(record.set({ nothing: 1 } as never)).rejects.toMatchObject({
      code: 'unknown-field',
    })
    expect(() => record.get('nothing' as never)).toThrow(/the record has "memory"/)
    expect(await repository.branch('user').oid()).toBeUndefined()
  })

  it.each([
    [{ layers: ['user'] }, /two or more/],
    [{ layers: ['user', 'user'] }, /all different/],
    [{ layers: ['user', 'state'], state: 'state' }, /all different/],
    [{ fields: { a: int(), 'a/b': int() } }, /"a" is a file/],
    [{ fields: { 'schema-version': int() } }, /version of the defaults/],
    [{ fields: { '.git': int() } }, /Cannot use the path/],
    [{ path: 'a//b' }, /Cannot use the path/],
    [{ fields: { a: int(1, { min: 2 }) } }, /Field "a"/],
    [{ schema: 0 }, /from 1 on/],
  ])('cannot be made of %j', async (options, message) => {
    await expect(recordOf(await open(), fields, options as never)).rejects.toThrow(message)
  })
})

describe('programs that change', () => {
  it('bring their new defaults along, which hold where nobody decided', async () => {
    const repository = await open()
    const before = await recordOf(repository, { cpus: int(1), name: string('a') })
    await before.set({ name: 'mine' })
    const after = await recordOf(repository, { cpus: int(2), name: string('b') })
    expect(after.values()).toEqual({ cpus: 2, name: 'mine' })
    await after.set({ name: undefined })
    expect(after.values()).toEqual({ cpus: 2, name: 'b' })
    await before.refresh()
    expect(before.values()).toEqual({ cpus: 2, name: 'b' })
  })

  it('go over to a version once', async () => {
    const repository = await open()
    const old = await recordOf(repository, { cpus: int(1), gone: string('x') })
    const record = await recordOf(repository, { cpus: int(2), gone: string() })
    const count = await commits(repository, 'defaults')
    expect(await record.schemaVersion()).toBe(1)
    expect(await record.upgrade(1)).toBe(false)
    expect(await record.upgrade(3)).toBe(true)
    expect(await commits(repository, 'defaults')).toBe(count + 1)
    expect(await files(repository, 'defaults')).toEqual({
      'vm/cpus': '2\n',
      'vm/schema-version': '3\n',
    })
    expect(await record.upgrade(3)).toBe(false)
    expect(await record.upgrade(2)).toBe(false)
    expect(await record.schemaVersion()).toBe(3)
    // The older program, started again, leaves what the newer one made.
    await recordOf(repository, { cpus: int(1), gone: string('x') })
    expect(await files(repository, 'defaults')).toEqual({
      'vm/cpus': '2\n',
      'vm/schema-version': '3\n',
    })
    expect(await commits(repository, 'defaults')).toBe(count + 1)
    await old.refresh()
    expect(old.values()).toEqual({ cpus: 2, gone: 'x' })
    await expect(record.upgrade(0)).rejects.toThrow(RangeError)
  })

  it('do not write again what says the same in other words', async () => {
    const repository = await open()
    await commit(repository, { 'vm/debug': '0', 'vm/memory': ' +2048' }, 'defaults')
    await recordOf(repository, fields)
    expect(await files(repository, 'defaults')).toMatchObject({
      'vm/debug': '0',
      'vm/memory': ' +2048',
    })
  })

  it('leave files that no program knows, and what older ones put there', async () => {
    const repository = await open()
    await commit(repository, { 'branch-created': '', 'vm/memory': '1024', 'vm/other': 'x' }, 'user')
    const record = await recordOf(repository, fields)
    await record.set({ debug: true })
    expect(record.get('memory').value).toBe(1024)
    expect(await files(repository, 'user')).toEqual({
      'branch-created': '',
      'vm/debug': 'true\n',
      'vm/memory': '1024',
      'vm/other': 'x',
    })
  })
})
