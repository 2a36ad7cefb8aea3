/**
 * Journal format: `plan` and `commit`, the two files of a journal that others have to read, in JSON.
 *
 * @module
 */
import { MalformedError } from '@datakit/git/error'
import type { Head, PackId, RefUpdate } from '@datakit/git/place'

import { Fields } from '../r2/fields.ts'
import type { ReflogLines } from './reflog.ts'

/** What an update wants, as its journal keeps it. */
export interface Plan {
  readonly format: 1
  /** Id and digest of the request, for the receipt. */
  readonly id: string
  readonly digest: string
  /** Milliseconds since 1970. */
  readonly at: number
  readonly refs: readonly RefUpdate[]
  readonly head: { readonly from: Head; readonly to: Head } | undefined
  /** Staged packs that become visible. */
  readonly packs: readonly PackId[]
  /** Those of them that came with `verified: false`. */
  readonly unverified: readonly PackId[]
  readonly condemn: readonly PackId[]
  readonly log: { readonly who: string; readonly why: string }
  /** Git's locks that it takes, as paths below the Git directory, in the order in which it takes them. */
  readonly locks: readonly string[]
}

/** What an update found to do when it held its locks: every step can be done twice. */
export interface Decision {
  /** Files of the journal that replace files of the Git directory, in this order. */
  readonly replace: readonly { readonly file: string; readonly path: string }[]
  /** Files to remove behind that: loose refs, and `shallow` when nothing is cut off any more. */
  readonly unlink: readonly string[]
  /** Locks (by their number in the plan) that become the file that they lock, last of all. */
  readonly publish: readonly { readonly lock: number; readonly path: string }[]
  /** Lines for reflogs. */
  readonly reflogs: readonly ReflogLines[]
}

/**
 * The plan that bytes stand for; `undefined` when they are cut: it was whole before anything was locked for it.
 *
 * @throws MalformedError when they are whole and no plan
 */
export function decodePlan(bytes: Uint8Array): Plan | undefined {
  const fields = new Fields('the plan of an update')
  const json = decodeUnlessCut(fields, bytes)
  if (json === undefined) return undefined
  const value = fields.record(json)
  if (value['format'] !== 1)
    throw new MalformedError('the plan of an update', `its format is ${String(value['format'])}`)
  const log = fields.record(value['log'])
  return {
    format: 1,
    id: fields.text(value['id']),
    digest: fields.text(value['digest']),
    at: fields.count(value['at']),
    refs: fields.list(value['refs']).map((ref) => decodeRef(fields, ref)),
    head: fields.optional(value['head'], (head) => decodeHeadMove(fields, head)),
    packs: texts(fields, value['packs']),
    unverified: texts(fields, value['unverified']),
    condemn: texts(fields, value['condemn']),
    log: { who: fields.text(log['who']), why: fields.text(log['why']) },
    locks: texts(fields, value['locks']),
  }
}

/** The decision that bytes stand for. @throws MalformedError when they are none */
export function decodeDecision(bytes: Uint8Array): Decision {
  const fields = new Fields('the decision of an update')
  const value = fields.record(fields.decode(bytes))
  const rows = (name: string) => {
    if (value[name] === undefined)
      throw new MalformedError('the decision of an update', `no ${name}`)
    return fields.list(value[name]).map((row) => fields.record(row))
  }
  return {
    replace: rows('replace').map((row) => ({
      file: fields.text(row['file']),
      path: fields.text(row['path']),
    })),
    unlink: texts(fields, value['unlink']),
    publish: rows('publish').map((row) => ({
      lock: fields.count(row['lock']),
      path: fields.text(row['path']),
    })),
    reflogs: rows('reflogs').map((row) => ({
      ref: fields.text(row['ref']),
      lines: fields.text(row['lines']),
      ends: row['ends'] === true,
      size: fields.count(row['size']),
    })),
  }
}

function decodeUnlessCut(fields: Fields, bytes: Uint8Array): unknown {
  try {
    return fields.decode(bytes)
  } catch {
    return undefined
  }
}

function decodeRef(fields: Fields, value: unknown): RefUpdate {
  const row = fields.record(value)
  const oid = (name: string) => fields.optional(row[name], (each) => fields.oid(each))
  return { name: fields.text(row['name']), from: oid('from'), to: oid('to'), peeled: oid('peeled') }
}

function decodeHeadMove(fields: Fields, value: unknown): { from: Head; to: Head } {
  const { from, to } = fields.record(value)
  return { from: decodeHead(fields, from), to: decodeHead(fields, to) }
}

function decodeHead(fields: Fields, value: unknown): Head {
  const { ref, oid } = fields.record(value)
  return ref === undefined ? { oid: fields.oid(oid) } : { ref: fields.text(ref) }
}

function texts(fields: Fields, value: unknown): string[] {
  return fields.list(value).map((each) => fields.text(each))
}
