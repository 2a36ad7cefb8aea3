/**
 * One of several choices.
 *
 * @module
 */
import type { ComponentChildren, JSX } from 'preact'

/** A radio button whose label is what it holds; those of one `group` exclude each other. */
export function Option(props: {
  readonly group: string
  readonly isChosen: boolean
  readonly onChoose: () => void
  readonly children: ComponentChildren
}): JSX.Element {
  return (
    <label class="option">
      <input
        type="radio"
        name={`choice of ${props.group}`}
        checked={props.isChosen}
        onChange={props.onChoose}
      />
      {props.children}
    </label>
  )
}
