/**
 * Lent refs: where the refs of the repositories lead whose objects this one borrows. Git tells them to those who push, as
 * `.have`, so that they need not send what is there.
 *
 * Spec: https://git-scm.com/docs/git-config#Documentation/git-config.txt-corealternateRefsPrefixes
 *
 * @module
 */
import { realpathSync, statSync } from 'node:fs'

import { GitError } from '@datakit/git/error'
import type { Oid } from '@datakit/git/oid'

import type { Config } from './config.ts'
import { isAbsent } from './durable.ts'
import type { ObjectDirectories } from './object-directories.ts'
import { RefFiles } from './ref-files.ts'

/** The refs of those that one repository borrows from. */
export class LentRefs {
  readonly #directories: ObjectDirectories
  readonly #lenders = new Map<string, RefFiles>()
  #last: readonly Oid[] = []

  constructor(directories: ObjectDirectories) {
    this.#directories = directories
  }

  /**
   * What the refs point at, each once; the same array as before while they are the same. None where
   * `core.alternateRefsCommand` is to say it, which is not run.
   */
  tips(config: Config): readonly Oid[] {
    const [, ...borrowed] = this.#directories.list()
    const prefixes = (config.get('core.alternaterefsprefixes') ?? '').split(/\s+/)
    const wanted = prefixes.filter((prefix) => prefix !== '')
    const isAsked = config.get('core.alternaterefscommand') === undefined
    const tips = new Set<Oid>()
    for (const directory of isAsked ? borrowed : []) {
      for (const { name, oid } of this.#refsOf(directory))
        if (wanted.length === 0 || wanted.some((prefix) => isBelow(name, prefix))) tips.add(oid)
    }
    const isSame = tips.size === this.#last.length && this.#last.every((oid) => tips.has(oid))
    if (!isSame) this.#last = [...tips]
    return this.#last
  }

  #refsOf(objects: string): readonly { readonly name: string; readonly oid: Oid }[] {
    try {
      const path = realpathSync(objects)
      const lender = path.replace(/\/objects$/, '')
      if (lender === path || !statSync(`${lender}/refs`).isDirectory()) return []
      const files = this.#lenders.get(lender) ?? new RefFiles(lender)
      this.#lenders.set(lender, files)
      return files.read().refs
    } catch (error) {
      // What cannot be read is not told: the client sends more than it would have to.
      if (error instanceof GitError || isAbsent(error)) return []
      throw error
    }
  }
}

function isBelow(name: string, prefix: string): boolean {
  return name === prefix || name.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`)
}
