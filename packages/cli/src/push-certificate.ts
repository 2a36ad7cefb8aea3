/**
 * Push certificate: what hooks are told of a push that was signed, in the variables that Git gives them.
 *
 * The certificate is kept as a blob and looked at once, when the first hook is there to be told: as in Git, nothing is refused
 * for its signature or its nonce but by a hook.
 *
 * Spec: https://git-scm.com/docs/githooks#pre-receive, https://git-scm.com/docs/git-receive-pack#_pre_receive_hook
 *
 * @module
 */
import { certificateHeaders, type PushCertificate } from '@datakit/git/protocol/push-certificate'
import type { GitDirectoryPlace } from '@datakit/storage/git-directory'
import type { Config } from '@datakit/storage/git-directory/config'
import { judgeNonce, makeNonce, type NonceRules } from './push-nonce.ts'
import { verifySignature } from './signature.ts'

const SEED = 'receive.certNonceSeed'

/** Variables for a hook. */
export type HookVariables = Readonly<Record<string, string>>

/** The nonce that is offered now; `undefined` where signed pushes are not asked for. */
export function offeredNonce(config: Config): string | undefined {
  const rules = nonceRules(config)
  return rules && makeNonce(rules, seconds())
}

/** What hooks are told of the certificate of one push: nothing without one. Looked at when first asked for. */
export function certificateTold(
  place: GitDirectoryPlace,
  config: Config,
): (certificate: PushCertificate | undefined) => Promise<HookVariables> {
  let told: Promise<HookVariables> | undefined
  return async (certificate) => {
    if (certificate === undefined) return {}
    told ??= look(place, config, certificate)
    return await told
  }
}

async function look(
  place: GitDirectoryPlace,
  config: Config,
  certificate: PushCertificate,
): Promise<HookVariables> {
  const { directory } = place
  const blob = await place.keepBlob(certificate.bytes)
  const { result, signer, key } = await verifySignature(certificate, { config, directory })
  return {
    GIT_PUSH_CERT: blob,
    GIT_PUSH_CERT_SIGNER: signer,
    GIT_PUSH_CERT_KEY: key,
    GIT_PUSH_CERT_STATUS: result,
    ...nonceTold(config, certificate),
  }
}

function nonceTold(config: Config, certificate: PushCertificate): HookVariables {
  const rules = nonceRules(config)
  if (rules === undefined) return {}
  const [came] = certificateHeaders(certificate, 'nonce')
  const { nonce, status, slop } = judgeNonce(rules, came, seconds())
  return {
    GIT_PUSH_CERT_NONCE: nonce,
    GIT_PUSH_CERT_NONCE_STATUS: status,
    ...(slop === undefined ? {} : { GIT_PUSH_CERT_NONCE_SLOP: String(slop) }),
  }
}

function nonceRules(config: Config): NonceRules | undefined {
  const seed = config.get(SEED)
  return seed === undefined ? undefined : { seed, slop: config.int('receive.certNonceSlop') }
}

function seconds(): number {
  return Math.floor(Date.now() / 1000)
}
