import { RETENTION } from '@datakit/storage/r2/collect'
import { describe, expect, it, vi } from 'vitest'
import { readSettings } from './settings.ts'

describe('the variables of a Worker', () => {
  it('close it where none says who is let in', () => {
    expect(readSettings({})).toMatchObject({
      access: { kind: 'closed', message: expect.stringContaining('wrangler secret put') },
      cors: [],
      protects: undefined,
      retention: RETENTION,
    })
  })

  it('say what they say', () => {
    const settings = readSettings({
      DATAKIT_TOKEN: 'secret',
      DATAKIT_OPEN: 'loopback',
      DATAKIT_CORS: 'https://editor.example, https://other.example/',
      DATAKIT_PROTECT: 'main',
      DATAKIT_RETENTION_DAYS: '0.5',
    })
    expect(settings.access).toEqual({ kind: 'token', token: 'secret' })
    expect(settings.cors).toEqual(['https://editor.example', 'https://other.example'])
    expect(settings.protects?.('refs/heads/main')).toBe(true)
    expect(settings.retention).toBe(12 * 60 * 60 * 1000)
  })

  it.each([
    ['DATAKIT_CORS', 'editor.example'],
    ['DATAKIT_RETENTION_DAYS', 'two'],
    ['DATAKIT_RETENTION_DAYS', '-1'],
  ] as const)(
    'close it where %s cannot be read as %j, and nobody is told the value',
    (name, value) => {
      const log = vi.spyOn(console, 'error').mockImplementation(() => {})
      const { access } = readSettings({ DATAKIT_TOKEN: 'secret', [name]: value })
      expect(access).toEqual({
        kind: 'closed',
        message: expect.stringContaining(`${name} cannot be read`),
      })
      expect(JSON.stringify(access)).not.toContain(value)
      expect(String(log.mock.calls[0])).toContain(value)
      log.mockRestore()
    },
  )

  it('keep everything where the retention cannot be read', () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {})
    expect(readSettings({ DATAKIT_RETENTION_DAYS: 'two' }).retention).toBe(Infinity)
    log.mockRestore()
  })
})
