import { expect, it } from 'vitest'

import { utf8 } from '../bytes.ts'
import { deflateZlib } from '../deflate.ts'
import { crc32 } from '../pack/crc32.ts'
import { openKernel } from './kernel.ts'

it('is compiled by a browser, and does there what JavaScript does', async () => {
  const kernel = await openKernel()
  const body = utf8('{"name":"value"}\n'.repeat(5000))
  expect(kernel.crc32(body, 0, 3, 3000)).toBe(crc32(body, 0, 3, 3000))
  expect(kernel.inflate(await deflateZlib(body), body.length)).toEqual(body)
})
