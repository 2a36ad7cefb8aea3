/**
 * Fetch configuration: what `uploadpack.*` and its like allow, with Git's defaults where they say nothing.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-uploadpackallowFilter
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import { parseOid } from '@datakit/git/oid'
import type { FilterRules } from '@datakit/git/protocol/filter'
import type { FetchPolicy } from '@datakit/git/transport/fetch-policy'
import type { PackfileUri } from '@datakit/git/transport/packfile-uris'
import type { Config } from '@datakit/storage/git-directory/config'
import { readableRefs } from './hidden-refs.ts'

const PACKFILE_URI = 'uploadpack.blobPackfileUri'

/** The policy that a configuration makes. @throws MalformedError when a value is not what it must be */
export function fetchPolicy(config: Config): FetchPolicy {
  const isOn = (key: string): boolean => config.bool(key) === true
  const any = isOn('uploadpack.allowAnySHA1InWant')
  const offersTips = any || isOn('uploadpack.allowTipSHA1InWant')
  const offersReachable = any || isOn('uploadpack.allowReachableSHA1InWant')
  return {
    readable: readableRefs(config, 'uploadpack'),
    wants: any ? 'any' : offersTips || offersReachable ? 'hidden' : 'readable',
    offersTips,
    offersReachable,
    filters: isOn('uploadpack.allowFilter') ? filterRules(config) : undefined,
    refInWant: isOn('uploadpack.allowRefInWant'),
    unborn: unbornOf(config),
    objectInfo: isOn('transfer.advertiseObjectInfo'),
    sidebandAll: isOn('uploadpack.allowSidebandAll'),
    packfileUris: config.getAll(PACKFILE_URI).map(packfileUri),
    bundles: isOn('uploadpack.advertiseBundleURIs') ? bundleLines(config) : undefined,
    keepAlive: 1000 * Math.max(0, config.int('uploadpack.keepAlive') ?? 5),
  }
}

/** `uploadpackfilter.allow`, `uploadpackfilter.KIND.allow` and `uploadpackfilter.tree.maxDepth`. */
function filterRules(config: Config): FilterRules {
  const kinds = new Map<string, boolean>()
  for (const { key } of config.all()) {
    const kind = /^uploadpackfilter\.(.+)\.allow$/.exec(key)?.[1]
    if (kind !== undefined) kinds.set(kind, config.bool(key) === true)
  }
  const maxTreeDepth = config.int('uploadpackfilter.tree.maxDepth')
  // In Git, who says how deep trees may be filtered allows it.
  if (maxTreeDepth !== undefined && !kinds.has('tree')) kinds.set('tree', true)
  return {
    others: config.bool('uploadpackfilter.allow') !== false,
    kinds,
    maxTreeDepth: maxTreeDepth ?? Infinity,
  }
}

/** `uploadpack.blobPackfileUri`: an oid, the hash of a pack, and where it is. */
function packfileUri(value: string): PackfileUri {
  const [, oid = '', pack = '', uri = ''] =
    /^([0-9a-f]{40}) ([0-9a-f]{40}) (\S+)$/.exec(value) ?? []
  if (uri !== '') return { oid: parseOid(oid), pack, uri }
  throw new MalformedError(
    PACKFILE_URI,
    `found "${value.slice(0, 200)}", expected the oid of a file, the hash of a pack and a URI`,
  )
}

/** `bundle.*`, as it stands there. */
function bundleLines(config: Config): string[] {
  return config
    .all()
    .flatMap(({ key, value }) =>
      key.startsWith('bundle.') && value !== undefined ? [`${key}=${value}`] : [],
    )
}

function unbornOf(config: Config): FetchPolicy['unborn'] {
  const word = config.get('lsrefs.unborn')
  if (word === 'ignore') return 'ignored'
  return word === 'allow' ? 'answered' : 'offered'
}
