/**
 * Where the focus goes when what had it has left the page.
 *
 * @module
 */

/** Moves the focus to the heading of the main part, once the page has been drawn, if nothing has it. */
export function focusMain(): void {
  requestAnimationFrame(() => {
    const active = document.activeElement
    if (active !== null && active !== document.body) return
    const main = document.querySelector('#main')
    const target = main?.querySelector<HTMLElement>('h1') ?? main
    if (target instanceof HTMLElement) target.focus({ preventScroll: true })
  })
}
