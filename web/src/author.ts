/**
 * Who commits, as this browser was told.
 *
 * @module
 */
import { keepSetting, readSetting } from './app-database.ts'

/** A name and an e-mail address, as commits carry them. */
export interface Author {
  readonly name: string
  readonly address: string
}

/** Who commits while nobody has said a name. */
export const NOBODY: Author = { name: 'Anonymous', address: 'anonymous@localhost' }

/** The author of the commits of this browser. */
export async function readAuthor(): Promise<Author> {
  const [name, address] = await Promise.all([
    readSetting('author-name'),
    readSetting('author-address'),
  ])
  return { name: name ?? NOBODY.name, address: address ?? NOBODY.address }
}

/** Remembers the author. Characters that a commit cannot hold are left out. */
export async function keepAuthor(author: Author): Promise<void> {
  await keepSetting('author-name', clean(author.name))
  await keepSetting('author-address', clean(author.address))
}

function clean(text: string): string {
  return text.replace(/[<>\r\n\0]/g, '').trim()
}
