//! What may come next in a query, at the place where somebody types.

import { quote, tokens, type Token } from './tokens'

export type AttributeType = 'Keyword' | 'KeywordList' | 'Text' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'Duration' | 'Status'

export type Attributes = Record<string, AttributeType>

export interface Suggestion {
  /** What is put in place of `start..end`. */
  text: string
  label: string
  detail: string
}

export interface Completion {
  start: number
  end: number
  suggestions: Suggestion[]
  /** The attribute whose values are wanted; the caller may know of more than stand in `suggestions`. */
  valuesOf?: string
}

export const WORKFLOW_STATUSES = ['Running', 'Completed', 'Failed', 'Canceled', 'Terminated', 'ContinuedAsNew', 'TimedOut', 'Paused']

export const SYSTEM: Attributes = {
  WorkflowId: 'Keyword', WorkflowType: 'Keyword', ExecutionStatus: 'Status', StartTime: 'Datetime', CloseTime: 'Datetime',
  ExecutionTime: 'Datetime', ExecutionDuration: 'Duration', TaskQueue: 'Keyword', RunId: 'Keyword', HistoryLength: 'Int',
  HistorySizeBytes: 'Int', StateTransitionCount: 'Int', ParentWorkflowId: 'Keyword', ParentRunId: 'Keyword',
  RootWorkflowId: 'Keyword', RootRunId: 'Keyword', BuildIds: 'KeywordList', TemporalChangeVersion: 'KeywordList',
  TemporalScheduledById: 'Keyword', TemporalScheduledStartTime: 'Datetime', TemporalSchedulePaused: 'Bool',
  TemporalNamespaceDivision: 'Keyword', TemporalReportedProblems: 'KeywordList', TemporalPauseInfo: 'KeywordList',
}

const OPERATORS: Record<AttributeType, string[]> = {
  Keyword: ['=', '!=', 'IN', 'NOT IN', 'STARTS_WITH', 'BETWEEN', 'IS NULL', 'IS NOT NULL', '>', '>=', '<', '<='],
  Status: ['=', '!=', 'IN', 'NOT IN', 'IS NULL', 'IS NOT NULL'],
  KeywordList: ['=', '!=', 'IN', 'NOT IN', 'IS NULL', 'IS NOT NULL'],
  Text: ['=', '!=', 'IS NULL', 'IS NOT NULL'],
  Int: ['=', '!=', '>', '>=', '<', '<=', 'BETWEEN', 'IN', 'IS NULL', 'IS NOT NULL'],
  Double: ['=', '!=', '>', '>=', '<', '<=', 'BETWEEN', 'IN', 'IS NULL', 'IS NOT NULL'],
  Bool: ['=', '!=', 'IS NULL', 'IS NOT NULL'],
  Datetime: ['>', '>=', '<', '<=', '=', 'BETWEEN', 'IS NULL', 'IS NOT NULL'],
  Duration: ['>', '>=', '<', '<=', '=', 'BETWEEN', 'IS NULL', 'IS NOT NULL'],
}

const JOINERS = ['AND', 'OR', 'ORDER BY']
const AFTER_ORDER = ['ASC', 'DESC']

/** `values`: what is known of an attribute's values, if anything. */
export function complete(query: string, caret: number, attributes: Attributes, values: Record<string, string[]>, now: Date): Completion {
  const before = tokens(query).filter((token) => token.start < caret)
  const last = before.at(-1)
  // The word under the caret is what is typed just now; all before it is settled.
  const typing = last && caret <= last.end && last.kind !== 'comma' && last.kind !== 'open' && last.kind !== 'close' ? last : undefined
  const settled = typing ? before.slice(0, -1) : before
  const start = typing ? typing.start : caret
  const end = typing ? typing.end : caret
  const typed = typing ? query.slice(start, caret) : ''
  const wanted = expects(settled)
  const plain = typed.replace(/^['"`]/, '').replace(/['"`]$/, '').toLowerCase()
  const fitting = suggest(wanted, attributes, values, now).filter((one) => fits(one, plain) && one.text !== typed)
  // Those that begin with what is typed come first.
  const begins = (one: Suggestion) => one.label.toLowerCase().startsWith(plain)
  const suggestions = [...fitting.filter(begins), ...fitting.filter((one) => !begins(one))]
  return { start, end, suggestions: suggestions.slice(0, 50), valuesOf: wanted.kind === 'value' ? wanted.attribute : undefined }
}

type Expected = { kind: 'attribute' | 'joiner' | 'order' | 'direction' | 'nothing' } | { kind: 'operator' | 'value'; attribute: string }

/** What the words so far ask for. */
function expects(words: Token[]): Expected {
  let state: Expected = { kind: 'attribute' }
  let listed = false
  let between = 0
  let ordering = false
  for (const [i, token] of words.entries()) {
    const upper = token.text.toUpperCase()
    if (token.kind === 'word' && upper === 'ORDER') {
      state = { kind: 'nothing' }
      continue
    }
    if (token.kind === 'word' && upper === 'BY') {
      ordering = true
      state = { kind: 'order' }
      continue
    }
    if (ordering) {
      state = token.kind === 'comma' ? { kind: 'order' } : { kind: 'direction' }
      continue
    }
    if (state.kind === 'attribute') {
      if (token.kind === 'word' && upper !== 'NOT') state = { kind: 'operator', attribute: token.text.replaceAll('`', '') }
    } else if (state.kind === 'operator') {
      const attribute: string = state.attribute
      if (upper === 'IS' || (upper === 'NOT' && words[i - 1]?.text.toUpperCase() === 'IS')) state = { kind: 'operator', attribute }
      else if (upper === 'NULL') state = { kind: 'joiner' }
      else if (upper !== 'NOT') {
        between = upper === 'BETWEEN' ? 2 : 0
        listed = upper === 'IN'
        state = { kind: 'value', attribute }
      }
    } else if (state.kind === 'value') {
      if (token.kind === 'open' || token.kind === 'comma' || upper === 'AND') continue
      if (listed) {
        if (token.kind === 'close') state = { kind: 'joiner' }
        continue
      }
      between -= 1
      if (between <= 0) state = { kind: 'joiner' }
    } else if (state.kind === 'joiner' && (upper === 'AND' || upper === 'OR' || upper === '&&' || upper === '||')) {
      state = { kind: 'attribute' }
    }
  }
  return state
}

function suggest(wanted: Expected, attributes: Attributes, values: Record<string, string[]>, now: Date): Suggestion[] {
  switch (wanted.kind) {
    case 'attribute':
      return names(attributes)
    case 'order':
      return names(attributes).filter((one) => one.detail !== 'Text')
    case 'joiner':
      return JOINERS.map((text) => ({ text, label: text, detail: '' }))
    case 'direction':
      return AFTER_ORDER.map((text) => ({ text, label: text, detail: '' }))
    case 'operator':
      return (OPERATORS[attributes[wanted.attribute] ?? 'Keyword'] ?? []).map((text) => ({ text, label: text, detail: '' }))
    case 'value':
      return valuesFor(wanted.attribute, attributes[wanted.attribute] ?? 'Keyword', values, now)
    case 'nothing':
      return [{ text: 'BY', label: 'BY', detail: '' }]
  }
}

const names = (attributes: Attributes) =>
  Object.entries(attributes).map(([name, type]) => ({ text: /^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `\`${name}\``, label: name, detail: type }))

function valuesFor(attribute: string, type: AttributeType, values: Record<string, string[]>, now: Date): Suggestion[] {
  const quoted = (value: string, detail = '') => ({ text: quote(value), label: value, detail })
  if (type === 'Status') return (values[attribute] ?? WORKFLOW_STATUSES).map((value) => quoted(value))
  if (type === 'Bool') return ['true', 'false'].map((text) => ({ text, label: text, detail: '' }))
  if (type === 'Datetime') {
    const hours: [string, number][] = [['an hour ago', 1], ['a day ago', 24], ['a week ago', 168], ['now', 0]]
    return hours.map(([label, back]) => ({
      text: quote(new Date(now.getTime() - back * 3_600_000).toISOString().replace(/\.\d+/, '')), label, detail: 'time',
    }))
  }
  if (type === 'Duration') return ['10s', '1m', '1h', '1d'].map((value) => quoted(value))
  return (values[attribute] ?? []).map((value) => quoted(value))
}

function fits(suggestion: Suggestion, plain: string): boolean {
  const label = suggestion.label.toLowerCase()
  return label.startsWith(plain) || (plain.length > 1 && label.includes(plain))
}
