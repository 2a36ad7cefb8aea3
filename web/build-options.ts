/**
 * How the code of pages is made small, in the app and where it is weighed (`tools/size.ts`).
 *
 * @module
 */
import { minify } from 'terser'
import type { Plugin } from 'vite'

/** For `build.rolldownOptions`: constants of all modules are put in where they are used, and what follows from them is worked out. */
export const smallCode = {
  optimization: { inlineConst: { mode: 'all', pass: 3 } },
  // That minifying takes most of the time is known.
  checks: { pluginTimings: false },
} as const

/** Code of others, as the editor's, is left as Vite minifies it: it is much, and loaded later. */
const LARGE = 250_000

/** What a chunk is told by. */
interface ChunkInfo {
  readonly isEntry: boolean
}

/** Makes what Vite has minified smaller still, where that is wanted: what is used once is put where it is used. */
export function smallerCode(isWanted: (chunk: ChunkInfo) => boolean = () => true): Plugin {
  return {
    name: 'smaller-code',
    apply: 'build',
    generateBundle: {
      order: 'post',
      async handler(_options, bundle) {
        for (const file of Object.values(bundle)) {
          if (file.type !== 'chunk' || file.code.length > LARGE || !isWanted(file)) continue
          const options = {
            module: true,
            ecma: 2020,
            compress: { passes: 2, lhs_constants: false },
          } as const
          file.code = (await minify(file.code, options)).code ?? file.code
        }
      },
    },
  }
}
