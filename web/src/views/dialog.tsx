/**
 * A question in front of the page. The browser keeps the focus in it; afterwards the focus is where it was.
 *
 * @module
 */
import type { ComponentChildren, JSX, TargetedInputEvent } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

/** What a dialog needs. */
export interface DialogProps {
  readonly title: string
  /** Called when the person turns away. */
  readonly onClose: () => void
  /** Called for the default button; the dialog stays until it is taken away. */
  readonly onSubmit: () => void
  readonly children: ComponentChildren
}

/** A modal dialog with a form in it. */
export function Dialog({ title, onClose, onSubmit, children }: DialogProps): JSX.Element {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const before = document.activeElement
    element.current?.showModal()
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])
  const submit = (event: Event): void => {
    event.preventDefault()
    onSubmit()
  }
  const cancel = (event: Event): void => {
    event.preventDefault()
    onClose()
  }
  return (
    <dialog ref={element} aria-labelledby={id} onCancel={cancel}>
      <form onSubmit={submit}>
        <h2 id={id}>{title}</h2>
        {children}
      </form>
    </dialog>
  )
}

/** A labelled line of text with what is wrong with it. */
export function Field(props: {
  readonly label: string
  readonly value: string
  readonly onInput: (value: string) => void
  readonly problem?: string | undefined
  readonly hint?: string
  /** Whether the text is hidden while it is typed. */
  readonly isSecret?: boolean
  readonly placeholder?: string
  readonly autocomplete?: 'name' | 'email' | 'off' | 'current-password'
}): JSX.Element {
  const id = useId()
  const { problem, hint } = props
  const note = problem ?? hint
  const attributes = {
    id,
    value: props.value,
    placeholder: props.placeholder ?? '',
    autocomplete: props.autocomplete ?? 'off',
    autocapitalize: 'off',
    spellcheck: false,
    'aria-invalid': problem !== undefined,
    onInput: (event: TargetedInputEvent<HTMLInputElement>) =>
      props.onInput(event.currentTarget.value),
    ...(note === undefined ? {} : { 'aria-describedby': `${id}-note` }),
  } as const
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.isSecret === true ? (
        <input {...attributes} type="password" />
      ) : (
        <input {...attributes} type="text" />
      )}
      {note !== undefined && (
        <p id={`${id}-note`} class={problem === undefined ? 'hint' : 'problem'}>
          {note}
        </p>
      )}
    </div>
  )
}
