//! Events that belong together: an activity from its scheduling to its result, a timer, a child, an update.

import type { HistoryEvent } from '../api/types'
import { attributes, category, eventName, failureLine, summary, type Category } from './events'

export type State = 'open' | 'done' | 'failed' | 'cancelled'

export interface Group {
  /** The id of its first event. */
  id: string
  category: Category
  name: string
  detail: string
  state: State
  events: HistoryEvent[]
  start: number
  /** Undefined while it is open. */
  end: number | undefined
  attempt: number
}

/** Which attribute of an event names the first event of what it belongs to. */
const BACK = ['scheduledEventId', 'startedEventId', 'initiatedEventId', 'acceptedEventId'] as const

const FAILED = /(FAILED|TIMED_OUT|REJECTED|TERMINATED)$/
const CANCELLED = /CANCELED$/
const DONE = /(COMPLETED|FIRED|EXECUTION_SIGNALED|CANCEL_REQUESTED)$/
/** These end nothing by themselves, though their names say so. */
const STEPS = new Set(['EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED', 'EVENT_TYPE_NEXUS_OPERATION_CANCEL_REQUESTED'])
const STARTS = /(SCHEDULED|STARTED|INITIATED|ACCEPTED|ADMITTED)$/

/** Grows with the history: events come in their order, each once. */
export class Groups {
  readonly all: Group[] = []
  #byEvent = new Map<string, Group>()
  #byTimer = new Map<string, Group>()

  add(event: HistoryEvent): void {
    const group = this.#home(event)
    if (group) this.#join(group, event)
    else this.#open(event)
  }

  /** The group that an event stands in. */
  of(eventId: string): Group | undefined {
    return this.#byEvent.get(eventId)
  }

  #home(event: HistoryEvent): Group | undefined {
    const of = attributes(event)
    const kind = category(event)
    if (kind === 'timer' && event.eventType !== 'EVENT_TYPE_TIMER_STARTED') return this.#byTimer.get(of.timerId)
    if (kind === 'workflow' || kind === 'signal' || kind === 'marker') return undefined
    for (const name of BACK) {
      const group = of[name] && of[name] !== '0' ? this.#byEvent.get(of[name]) : undefined
      if (group?.category === kind) return group
    }
    return undefined
  }

  #open(event: HistoryEvent): void {
    const of = attributes(event)
    const time = Date.parse(event.eventTime)
    const group: Group = {
      id: event.eventId, category: category(event), name: nameOf(event), detail: '', state: 'done', events: [], start: time,
      end: time, attempt: 1,
    }
    this.all.push(group)
    if (event.eventType === 'EVENT_TYPE_TIMER_STARTED') this.#byTimer.set(of.timerId, group)
    this.#join(group, event)
  }

  #join(group: Group, event: HistoryEvent): void {
    const of = attributes(event)
    const type = event.eventType
    group.events.push(event)
    this.#byEvent.set(event.eventId, group)
    if (of.attempt > 1) group.attempt = of.attempt
    if (STEPS.has(type)) return
    const opens = group.category !== 'workflow' && STARTS.test(type)
    group.state = opens ? 'open' : FAILED.test(type) ? 'failed' : CANCELLED.test(type) ? 'cancelled' : DONE.test(type) || group.state !== 'open' ? 'done' : group.state
    group.end = opens ? undefined : Date.parse(event.eventTime)
    const failure = of.failure ?? of.outcome?.failure
    if (failure) group.detail = failureLine(failure)
    else if (of.result) group.detail = ''
  }
}

function nameOf(event: HistoryEvent): string {
  const of = attributes(event)
  switch (category(event)) {
    case 'activity':
      return of.activityType?.name ?? eventName(event)
    case 'timer':
      return `${of.timerId}${of.startToFireTimeout ? `, ${of.startToFireTimeout}` : ''}`
    case 'child':
      return `${of.workflowType?.name ?? ''} ${of.workflowId ?? of.workflowExecution?.workflowId ?? ''}`.trim()
    case 'signal':
      return of.signalName
    case 'update':
      return of.acceptedRequest?.input?.name ?? of.request?.input?.name ?? eventName(event)
    case 'nexus':
      return `${of.service ?? ''} ${of.operation ?? ''}`.trim() || eventName(event)
    case 'task':
      return 'Workflow task'
    case 'marker':
      return of.markerName ?? eventName(event)
    case 'external':
      return `${eventName(event).replace(/Initiated$/, '').replace(/ExternalWorkflowExecution/, '')} ${of.workflowExecution?.workflowId ?? ''}`.trim()
    default:
      return `${eventName(event)} ${event.eventType.endsWith('EXECUTION_STARTED') ? '' : summary(event)}`.trim()
  }
}

/** Whether a group says something of interest to who wrote the workflow: tasks that went well do not. */
export const isPlumbing = (group: Group) => group.category === 'task' && group.state !== 'failed' && group.state !== 'open'
