/**
 * How the code of pages is made small, in the app and where it is weighed (`tools/size.ts`).
 *
 * @module
 */

/** For `build.rolldownOptions`: constants of all modules are put in where they are used, and what follows from them is worked out. */
export const smallCode = {
  optimization: { inlineConst: { mode: 'all', pass: 3 } },
} as const
