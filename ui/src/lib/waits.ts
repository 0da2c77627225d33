//! What a run waits for, told from its description alone: for servers that explain nothing themselves.

import type { Description, Explanation } from './api/types'
import type { Handlers } from './workflows/metadata'
import { failureLine, isClosed } from './history/events'

export function waitsFor({ workflowExecutionInfo: info, pendingActivities = [], pendingChildren = [], pendingWorkflowTask: task }: Description): string {
  if (isClosed(info.status)) return ''
  const retried = pendingActivities.find((activity) => (activity.attempt ?? 1) > 1)
  if (task && (task.attempt ?? 1) > 1) return `Its workflow task fails, attempt ${task.attempt}.`
  if (task?.state === 'PENDING_WORKFLOW_TASK_STATE_SCHEDULED') return `Waits for a worker of task queue ${info.taskQueue ?? ''}.`
  if (task) return 'A worker runs its workflow task.'
  if (retried) return `Waits for activity ${retried.activityType.name}, attempt ${retried.attempt}: ${failureLine(retried.lastFailure)}`
  if (pendingActivities[0]) return `Waits for ${plural(pendingActivities.length, 'activity', 'activities')}: ${pendingActivities[0].activityType.name}.`
  if (pendingChildren[0]) return `Waits for ${plural(pendingChildren.length, 'child workflow', 'child workflows')}: ${pendingChildren[0].workflowId}.`
  return 'Waits for a timer, a signal or an update.'
}

const TIMER = 'CAUSE_KIND_TIMER'

/** Whether nothing is pending but timers that the server knows of: then the workflow itself can tell what it takes. */
export function waitsForOthers(description: Description, explanation: Explanation | undefined): boolean {
  if (isClosed(description.workflowExecutionInfo.status)) return false
  if (explanation?.causes?.length) return explanation.causes.every(({ kind }) => kind === 'CAUSE_KIND_SIGNAL_OR_UPDATE' || kind === TIMER)
  return !description.pendingWorkflowTask && !description.pendingActivities?.length && !description.pendingChildren?.length
}

/** "Waits for signal pickedUp.": what the workflow says that it handles, where the server knows only that it waits for others. */
export function waitsForNamed({ signals, updates }: Handlers, explanation: Explanation | undefined): string {
  const named = (kind: string, names: string[]) => (names.length > 1 ? `one of the ${kind}s ${names.join(', ')}` : names.length ? `${kind} ${names[0]}` : '')
  const what = [named('signal', signals), named('update', updates)].filter(Boolean).join(' or ')
  const timer = explanation?.causes?.some(({ kind }) => kind === TIMER) ? ', or for a timer' : ''
  return what && `Waits for ${what}${timer}.`
}

export const plural = (count: number, one: string, many = `${one}s`) => `${count.toLocaleString('en')} ${count === 1 ? one : many}`
