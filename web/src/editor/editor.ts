/**
 * The text editor: CodeMirror as it is used here. Loaded when the first file is opened.
 *
 * Nothing is changed that nobody typed: lines keep the line break that the file has, and what is not a line break in this
 * file stays a character, shown as one.
 *
 * @module
 */
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { json, jsonParseLinter } from '@codemirror/lang-json'
import { yaml } from '@codemirror/lang-yaml'
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from '@codemirror/language'
import { linter, lintGutter, lintKeymap, type Diagnostic } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { EditorState, type ChangeSpec, type Extension } from '@codemirror/state'
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from '@codemirror/view'
import { tags } from '@lezer/highlight'
import type { LineBreak } from '../text-file.ts'

/** What an editor shows. */
export interface EditorOptions {
  readonly parent: HTMLElement
  readonly text: string
  readonly lineBreak: LineBreak
  /** The name of the file decides about colours and checks. */
  readonly name: string
  /** Said by a screen reader. */
  readonly label: string
  readonly isReadOnly: boolean
  /** Called at every change by the person, not at {@link Editor.replace}. */
  readonly onType: () => void
}

/** An editor in the page. */
export interface Editor {
  /** The text as it is now, with the line breaks of the file. */
  read(): string
  /** Puts another text in place; cursor and undo stay where they can. */
  replace(text: string): void
  focus(): void
  close(): void
}

/** Opens an editor at the end of `parent`. */
export function openEditor(options: EditorOptions): Editor {
  let isReplacing = false
  const listener = EditorView.updateListener.of((update) => {
    if (update.docChanged && !isReplacing) options.onType()
  })
  const { lineBreak, isReadOnly } = options
  const state = EditorState.create({
    doc: options.text,
    extensions: [
      EditorState.lineSeparator.of(lineBreak),
      EditorState.readOnly.of(isReadOnly),
      EditorView.contentAttributes.of({ 'aria-label': options.label }),
      EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n|\r|\n/g, lineBreak)),
      listener,
      basics,
      languageOf(options.name),
    ],
  })
  const view = new EditorView({ state, parent: options.parent })
  const read = (): string => view.state.sliceDoc()
  return {
    read,
    replace(text) {
      const change = changeBetween(read(), text, lineBreak)
      if (change === undefined) return
      isReplacing = true
      view.dispatch({ changes: change })
      isReplacing = false
    },
    focus: () => view.focus(),
    close: () => view.destroy(),
  }
}

const theme = EditorView.theme({
  '&': { height: '100%', color: 'var(--text)', backgroundColor: 'var(--surface)' },
  '&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
  '.cm-content': { caretColor: 'var(--text)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { color: 'var(--muted)', backgroundColor: 'var(--surface-2)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--line)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground':
    { backgroundColor: 'var(--selection)' },
  '.cm-selectionMatch': { backgroundColor: 'var(--match)' },
  '.cm-searchMatch': { backgroundColor: 'var(--match)', outline: '1px solid var(--muted)' },
  '.cm-matchingBracket': { backgroundColor: 'var(--match)' },
  '.cm-specialChar': { color: 'var(--bad)' },
  '.cm-panels, .cm-tooltip': { color: 'var(--text)', backgroundColor: 'var(--surface-2)' },
  '.cm-panel input, .cm-panel button': { color: 'var(--text)', background: 'var(--surface)' },
})

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--code-key)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: 'var(--code-value)' },
  { tag: [tags.comment, tags.meta], color: 'var(--muted)', fontStyle: 'italic' },
  { tag: tags.keyword, color: 'var(--code-value)' },
  { tag: tags.invalid, color: 'var(--bad)' },
])

const basics: Extension = [
  lineNumbers(),
  foldGutter(),
  history(),
  drawSelection(),
  highlightSpecialChars(),
  highlightActiveLine(),
  highlightActiveLineGutter(),
  highlightSelectionMatches(),
  search({ top: true }),
  bracketMatching(),
  indentOnInput(),
  EditorView.lineWrapping,
  syntaxHighlighting(colours),
  theme,
  // Tab is left to the page: it leads on to the next control.
  keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap, ...foldKeymap, ...lintKeymap]),
]

/** Colours and checks by the ending of the name. */
function languageOf(name: string): Extension {
  const ending = name.slice(name.lastIndexOf('.') + 1).toLowerCase()
  if (ending === 'json') return [json(), linter(checkJson), lintGutter()]
  if (ending === 'yaml' || ending === 'yml') return yaml()
  return []
}

/** Errors of JSON; a file that is empty so far has none. */
function checkJson(view: EditorView): readonly Diagnostic[] {
  return view.state.doc.length === 0 ? [] : jsonParseLinter()(view)
}

/** The one change that leads from one text to the other; positions count every line break as one. */
function changeBetween(
  before: string,
  after: string,
  lineBreak: LineBreak,
): ChangeSpec | undefined {
  if (before === after) return undefined
  const a = before.split(lineBreak).join('\n')
  const b = after.split(lineBreak).join('\n')
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let end = 0
  const most = Math.min(a.length, b.length) - start
  while (end < most && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  const insert = b
    .slice(start, b.length - end)
    .split('\n')
    .join(lineBreak)
  return { from: start, to: a.length - end, insert }
}
