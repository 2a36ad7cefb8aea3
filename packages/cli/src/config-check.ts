/**
 * Config check: settings that say what cannot be meant. As in Git, such a one keeps out the service that it is for, and no
 * other; one that is for both keeps out both.
 *
 * Spec: https://git-scm.com/docs/git-config ("Values")
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import type { Config } from '@datakit/storage/git-directory/config'
import { sharedModes } from '@datakit/storage/git-directory/shared-modes'

interface Expected {
  readonly bools: readonly string[]
  readonly ints: readonly string[]
  /** What must have a value, whatever it is. */
  readonly texts: readonly string[]
}

const fetch: Expected = {
  bools: [
    'uploadpack.allowAnySHA1InWant',
    'uploadpack.allowTipSHA1InWant',
    'uploadpack.allowReachableSHA1InWant',
    'uploadpack.allowFilter',
    'uploadpack.allowRefInWant',
    'uploadpack.allowSidebandAll',
    'uploadpack.advertiseBundleURIs',
  ],
  ints: ['uploadpack.keepAlive'],
  texts: ['transfer.hideRefs', 'uploadpack.hideRefs'],
}

const push: Expected = {
  bools: [
    'receive.advertiseAtomic',
    'receive.advertisePushOptions',
    'receive.autogc',
    'receive.denyDeletes',
    'receive.denyNonFastForwards',
    'receive.fsckObjects',
    'receive.shallowUpdate',
    'receive.updateServerInfo',
    'transfer.fsckObjects',
  ],
  ints: [
    'receive.certNonceSlop',
    'receive.keepAlive',
    'receive.maxInputSize',
    'receive.unpackLimit',
    'transfer.unpackLimit',
  ],
  texts: [
    'transfer.hideRefs',
    'receive.hideRefs',
    'receive.procReceiveRefs',
    'receive.certNonceSeed',
    'gpg.program',
    'gpg.openpgp.program',
    'gpg.x509.program',
    'gpg.ssh.program',
    'gpg.ssh.allowedSignersFile',
    'gpg.ssh.revocationFile',
  ],
}

/** Settings that are yes, no or one of some words. */
const DENIALS = ['receive.denyCurrentBranch', 'receive.denyDeleteCurrent']

/** @throws MalformedError with the first setting of fetches that cannot be meant */
export function checkFetchSettings(config: Config): void {
  check(config, fetch)
}

/** @throws MalformedError with the first setting of pushes that cannot be meant */
export function checkPushSettings(config: Config): void {
  check(config, push)
  for (const key of DENIALS) denial(config, key)
  sharedModes(config)
}

function check(config: Config, { bools, ints, texts }: Expected): void {
  for (const key of bools) config.bool(key)
  for (const key of ints) config.int(key)
  const names = new Map(texts.map((key) => [key.toLowerCase(), key]))
  for (const { key, value } of config.all()) {
    const name = names.get(key)
    if (name === undefined || value !== undefined) continue
    throw new MalformedError('the configuration', `"${name}" has no value`)
  }
}

/** What is done about an update that is usually refused. */
export type Denial = 'refuse' | 'warn' | 'ignore' | 'updateInstead'

/** A setting that is yes, no, or a word; `refuse` when it is not set. @throws MalformedError when it is none of them */
export function denial(config: Config, key: string): Denial {
  const word = config.get(key)?.toLowerCase()
  if (word === 'warn' || word === 'ignore' || word === 'refuse') return word
  if (word === 'updateinstead') return 'updateInstead'
  return config.bool(key) === false ? 'ignore' : 'refuse'
}
