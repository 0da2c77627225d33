//! What a batch can do to workflows, and to how many of those that are chosen.

import type { BatchTarget } from '../api/calls'
import { countWorkflows, IDENTITY } from '../api/calls'
import type { Payloads, WorkflowInfo } from '../api/types'
import { isClosed } from '../history/events'
import { both } from '../query/tokens'

export type Operation = 'cancel' | 'terminate' | 'signal' | 'reset' | 'delete'

export const OPERATIONS: Record<Operation, { title: string; done: string; openOnly: boolean; dangerous: boolean }> = {
  cancel: { title: 'Cancel', done: 'asks each workflow to cancel itself', openOnly: true, dangerous: false },
  terminate: { title: 'Terminate', done: 'ends each workflow at once, without a last word', openOnly: true, dangerous: true },
  signal: { title: 'Signal', done: 'sends each workflow a signal', openOnly: true, dangerous: false },
  reset: { title: 'Reset', done: 'ends each run and begins a new one from an earlier workflow task', openOnly: false, dangerous: true },
  delete: { title: 'Delete', done: 'removes each run with its history, for good', openOnly: false, dangerous: true },
}

export interface Details {
  signal: string
  input: Payloads | undefined
  resetTo: 'first' | 'last'
}

export function operationOf(operation: Operation, { signal, input, resetTo }: Details): object {
  const identity = IDENTITY
  switch (operation) {
    case 'cancel':
      return { cancellationOperation: { identity } }
    case 'terminate':
      return { terminationOperation: { identity } }
    case 'signal':
      return { signalOperation: { signal, input, identity } }
    case 'reset':
      return { resetOperation: { identity, options: resetTo === 'first' ? { firstWorkflowTask: {} } : { lastWorkflowTask: {} } } }
    case 'delete':
      return { deletionOperation: { identity } }
  }
}

/** What is chosen: some runs by hand, or all that a condition finds. */
export type Selection = { runs: WorkflowInfo[] } | { condition: string }

export function targetOf(operation: Operation, selection: Selection): BatchTarget {
  if ('runs' in selection) return { executions: fitting(operation, selection.runs).map((run) => run.execution) }
  return { query: queryOf(operation, selection.condition) }
}

export async function countTargets(namespace: string, operation: Operation, selection: Selection): Promise<number> {
  if ('runs' in selection) return fitting(operation, selection.runs).length
  return Number((await countWorkflows(namespace, queryOf(operation, selection.condition))).count ?? 0)
}

const fitting = (operation: Operation, runs: WorkflowInfo[]) => (OPERATIONS[operation].openOnly ? runs.filter((run) => !isClosed(run.status)) : runs)

/** A batch of all runs needs a condition that all meet. */
function queryOf(operation: Operation, condition: string): string {
  if (OPERATIONS[operation].openOnly) return both(condition, "ExecutionStatus = 'Running'")
  return condition || 'WorkflowId IS NOT NULL'
}
