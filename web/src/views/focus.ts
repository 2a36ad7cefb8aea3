/**
 * Where the focus goes when what had it has left the page.
 *
 * @module
 */

/** Moves the focus to the heading of the page, once the page has been drawn, if nothing has it. */
export function focusMain(): void {
  requestAnimationFrame(() => {
    const active = document.activeElement
    if (active !== null && active !== document.body) return
    const headings = [...document.querySelectorAll<HTMLElement>('h1')]
    // On a narrow screen the other half of the page is there and not shown.
    const shown = headings.find((heading) => heading.getClientRects().length > 0)
    shown?.focus({ preventScroll: true })
  })
}
