import { expect, test } from 'vitest'
import { complete, SYSTEM } from './complete'
import { both, quote, splitOrder } from './tokens'

const NOW = new Date('2026-11-30T12:00:00Z')
const ATTRIBUTES = { ...SYSTEM, CustomerId: 'Keyword', Paid: 'Bool', 'odd name': 'Int' } as const
const VALUES = { WorkflowType: ['Order', "O'Hara"], CustomerId: ['7', '70'] }

/** The labels that are offered at `|`. */
function offered(marked: string): string[] {
  const caret = marked.indexOf('|')
  return complete(marked.replace('|', ''), caret, ATTRIBUTES, VALUES, NOW).suggestions.map((one) => one.label)
}

test.each([
  ['Workf|', ['WorkflowId', 'WorkflowType', 'ParentWorkflowId', 'RootWorkflowId']],
  ['WorkflowType |', expect.arrayContaining(['=', 'IN', 'STARTS_WITH'])],
  ['Paid |', ['=', '!=', 'IS NULL', 'IS NOT NULL']],
  ['Paid = |', ['true', 'false']],
  ['WorkflowType = |', ['Order', "O'Hara"]],
  ["WorkflowType = 'Or|", ['Order']],
  ["WorkflowType IN ('Order', |", ['Order', "O'Hara"]],
  ["WorkflowType = 'Order' |", ['AND', 'OR', 'ORDER BY']],
  ["WorkflowType = 'Order' AND ExecutionStatus = 'Ti|", ['TimedOut', 'ContinuedAsNew']],
  ["WorkflowType IN ('Order') A|", ['AND']],
  ['StartTime BETWEEN |', ['an hour ago', 'a day ago', 'a week ago', 'now']],
  ["StartTime BETWEEN 'a' AND 'b' |", ['AND', 'OR', 'ORDER BY']],
  ['CloseTime IS NULL |', ['AND', 'OR', 'ORDER BY']],
  ['CloseTime IS NULL ORDER BY StartT|', ['StartTime', 'TemporalScheduledStartTime']],
  ['ORDER BY StartTime |', ['ASC', 'DESC']],
  ["(WorkflowId = 'a' OR Cust|", ['CustomerId']],
])('%s', (marked, labels) => expect(offered(marked)).toEqual(labels))

test('what is offered takes the place of what is typed', () => {
  expect(complete("CustomerId = '7", 15, ATTRIBUTES, VALUES, NOW)).toMatchObject({ start: 13, end: 15, valuesOf: 'CustomerId' })
  expect(complete('odd', 3, ATTRIBUTES, VALUES, NOW).suggestions[0]?.text).toBe('`odd name`')
})

test('an order is split off, unless it stands in a string', () => {
  expect(splitOrder("A = 'x ORDER BY y' order by B DESC")).toEqual({ condition: "A = 'x ORDER BY y'", order: 'order by B DESC' })
  expect(splitOrder("A = 'it''s'")).toEqual({ condition: "A = 'it''s'", order: '' })
})

test('conditions are joined', () => {
  expect(both('', "A = 'b'")).toBe("A = 'b'")
  expect(both('A = 1 OR B = 2', 'C = 3')).toBe('(A = 1 OR B = 2) AND C = 3')
  expect(quote("it's \\")).toBe("'it''s \\\\'")
})
