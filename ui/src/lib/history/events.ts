//! What an event of a history says, in words.

import type { Failure, HistoryEvent, Payloads } from '../api/types'
import { briefly } from '../payload'

export type Category = 'workflow' | 'task' | 'activity' | 'timer' | 'child' | 'signal' | 'update' | 'external' | 'nexus' | 'marker' | 'other'

export type Attributes = Record<string, any>

/** "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED" is "ActivityTaskScheduled". */
export function eventName(event: HistoryEvent): string {
  return camel(event.eventType.replace(/^EVENT_TYPE_/, ''))
}

export function camel(constant: string): string {
  return constant.toLowerCase().replace(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase())
}

/** "WORKFLOW_EXECUTION_STATUS_TIMED_OUT" is "TimedOut". */
export const enumName = (value: string | undefined, prefix: string) => camel((value ?? '').replace(prefix, ''))

export function attributes(event: HistoryEvent): Attributes {
  for (const key in event) if (key.endsWith('EventAttributes')) return event[key] as Attributes
  return {}
}

const CATEGORIES: [RegExp, Category][] = [
  [/^ACTIVITY_TASK/, 'activity'],
  [/^TIMER/, 'timer'],
  [/CHILD_WORKFLOW/, 'child'],
  [/^WORKFLOW_TASK/, 'task'],
  [/UPDATE_(ADMITTED|ACCEPTED|COMPLETED|REJECTED)/, 'update'],
  [/EXTERNAL_WORKFLOW/, 'external'],
  [/^WORKFLOW_EXECUTION_SIGNALED/, 'signal'],
  [/^NEXUS/, 'nexus'],
  [/^(MARKER|UPSERT|WORKFLOW_PROPERTIES|ACTIVITY_PROPERTIES)/, 'marker'],
  [/^WORKFLOW_EXECUTION/, 'workflow'],
]

export function category(event: HistoryEvent): Category {
  const type = event.eventType.replace(/^EVENT_TYPE_/, '')
  return CATEGORIES.find(([pattern]) => pattern.test(type))?.[1] ?? 'other'
}

/** The event's own subject in one short line. */
export function summary(event: HistoryEvent): string {
  const of = attributes(event)
  const type = of.activityType?.name ?? of.workflowType?.name
  const parts = [
    type,
    of.activityId && type ? `(${of.activityId})` : undefined,
    of.timerId && `timer ${of.timerId}`,
    of.startToFireTimeout && `for ${of.startToFireTimeout}`,
    of.signalName,
    of.markerName,
    of.acceptedRequest?.input?.name ?? of.request?.input?.name,
    of.workflowExecution?.workflowId ?? (of.workflowId && !type ? of.workflowId : undefined),
    of.attempt > 1 ? `attempt ${of.attempt}` : undefined,
    of.cause && enumName(of.cause, 'WORKFLOW_TASK_FAILED_CAUSE_'),
    of.failure && failureLine(of.failure),
    of.outcome?.failure && failureLine(of.outcome.failure),
    of.reason,
    !type && of.input ? briefly(of.input, 80) : undefined,
    of.result ? briefly(of.result, 80) : undefined,
  ]
  return parts.filter(Boolean).join(' ')
}

export function failureLine(failure: Failure | undefined): string {
  if (!failure) return ''
  const type = failure.applicationFailureInfo?.type
  const words = failure.message || (failure.timeoutFailureInfo ? `timeout ${enumName(failure.timeoutFailureInfo.timeoutType, 'TIMEOUT_TYPE_')}` : 'failed')
  const inner = failure.cause && (failure.activityFailureInfo || failure.childWorkflowExecutionFailureInfo) ? failureLine(failure.cause) : ''
  return inner || (type ? `${words} (${type})` : words)
}

/** The input of a run, from its first event. */
export const inputOf = (first: HistoryEvent | undefined): Payloads | undefined => first && attributes(first).input

export interface Outcome {
  result?: Payloads
  failure?: Failure
  /** What else there is to say of the end. */
  note?: string
  newRunId?: string
}

/** How a run ended, from its last event; undefined while it is open. */
export function outcomeOf(last: HistoryEvent | undefined): Outcome | undefined {
  if (!last) return undefined
  const of = attributes(last)
  switch (last.eventType) {
    case 'EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED':
      return { result: of.result, newRunId: of.newExecutionRunId }
    case 'EVENT_TYPE_WORKFLOW_EXECUTION_FAILED':
      return { failure: of.failure, newRunId: of.newExecutionRunId }
    case 'EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT':
      return { note: 'The workflow timed out.', newRunId: of.newExecutionRunId }
    case 'EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED':
      return { result: of.details, note: 'The workflow was cancelled.' }
    case 'EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED':
      return { result: of.details, note: `Terminated by ${of.identity || 'somebody'}${of.reason ? `: ${of.reason}` : ''}` }
    case 'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW':
      return { result: of.input, note: 'The workflow continued as new.', newRunId: of.newExecutionRunId }
    default:
      return undefined
  }
}

export const isClosed = (status: string | undefined) => !!status && !/(RUNNING|PAUSED|UNSPECIFIED)$/.test(status)
