/**
 * A text in an editor that is loaded when it is first needed; until then, and where it cannot be loaded, the text is shown.
 *
 * @module
 */
import type { JSX } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Editor, EditorOptions } from '../editor/editor.ts'
import type { LineBreak } from '../text-file.ts'
import { nextTurn } from '../turns.ts'

/** So much of a text is shown without the editor, in characters: a browser needs seconds for megabytes. */
const SHOWN = 20_000

/** A text and what becomes of it. */
export interface EditorPaneProps {
  /** Shown first, and put in place when it becomes another while `isBehind` says that nothing typed would be lost. */
  readonly text: string
  readonly lineBreak: LineBreak
  readonly name: string
  readonly label: string
  readonly isReadOnly?: boolean
  /** Whether the text of the editor may give way to `text`. */
  readonly isBehind: () => boolean
  /** Called at every change with how to read the text. */
  readonly onType: (read: () => string) => void
}

/** Loads the editor. What loading takes of the page's thread is one turn, and opening an editor another. */
export async function loadEditor(): Promise<(options: EditorOptions) => Editor> {
  const { openEditor } = await import('../editor/editor.ts')
  await nextTurn()
  return openEditor
}

/** An editor as tall as its place. Another `name` or `lineBreak` needs another `key`. */
export function EditorPane(props: EditorPaneProps): JSX.Element {
  const parent = useRef<HTMLDivElement>(null)
  const editor = useRef<Editor | undefined>(undefined)
  const latest = useRef(props)
  const [problem, setProblem] = useState<string>()
  latest.current = props

  useEffect(() => {
    let isWanted = true
    loadEditor().then(
      (openEditor) => {
        if (!isWanted || parent.current === null) return
        const { text, lineBreak, name, label, isReadOnly } = latest.current
        const opened = openEditor({
          parent: parent.current,
          text,
          lineBreak,
          name,
          label,
          isReadOnly: isReadOnly ?? false,
          onType: () => latest.current.onType(opened.read),
        })
        editor.current = opened
        setProblem('')
      },
      () =>
        setProblem(
          'The editor could not be loaded: it comes with the next reload while there is a network',
        ),
    )
    return () => {
      isWanted = false
      editor.current?.close()
      editor.current = undefined
    }
  }, [])

  // In the frame in which it came.
  useLayoutEffect(() => {
    if (editor.current !== undefined && latest.current.isBehind())
      editor.current.replace(props.text)
  }, [props.text])

  return (
    <div class="editor-pane">
      <div ref={parent} class="editor" />
      {problem !== '' && (
        <>
          {problem !== undefined && <p class="problem">{problem}</p>}
          <pre class="plain" tabIndex={0} aria-label={props.label}>
            {props.text.slice(0, SHOWN)}
          </pre>
          {problem !== undefined && props.text.length > SHOWN && (
            <p class="hint">This is the beginning; “Download” gives all of it</p>
          )}
        </>
      )}
    </div>
  )
}
