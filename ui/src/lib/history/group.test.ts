import { expect, test } from 'vitest'
import type { HistoryEvent } from '../api/types'
import { eventName, failureLine, outcomeOf, summary } from './events'
import { Groups, isPlumbing } from './group'

let id = 0
/** An event of a type like ACTIVITY_TASK_SCHEDULED, a second after the one before. */
function event(type: string, of: Record<string, unknown> = {}): HistoryEvent {
  id += 1
  const key = type.toLowerCase().replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
  return { eventId: String(id), eventTime: new Date(id * 1000).toISOString(), eventType: `EVENT_TYPE_${type}`, [`${key}EventAttributes`]: of }
}

function groups(make: () => HistoryEvent[]) {
  id = 0
  const all = new Groups()
  for (const one of make()) all.add(one)
  return all.all.map(({ category, name, state, events, attempt }) => [category, name, state, events.length, attempt])
}

test('an activity is one group from its scheduling to its result', () =>
  expect(groups(() => [
    event('WORKFLOW_EXECUTION_STARTED', { workflowType: { name: 'Order' } }),
    event('ACTIVITY_TASK_SCHEDULED', { activityId: '1', activityType: { name: 'charge' } }),
    event('ACTIVITY_TASK_SCHEDULED', { activityId: '2', activityType: { name: 'ship' } }),
    event('ACTIVITY_TASK_STARTED', { scheduledEventId: '2', attempt: 3 }),
    event('ACTIVITY_TASK_COMPLETED', { scheduledEventId: '2', startedEventId: '4' }),
    event('ACTIVITY_TASK_CANCEL_REQUESTED', { scheduledEventId: '3' }),
  ])).toEqual([
    ['workflow', 'WorkflowExecutionStarted', 'done', 1, 1],
    ['activity', 'charge', 'done', 3, 3],
    ['activity', 'ship', 'open', 2, 1],
  ]))

test('timers are found by their id, which may be used again', () =>
  expect(groups(() => [
    event('TIMER_STARTED', { timerId: '5', startToFireTimeout: '60s' }),
    event('TIMER_CANCELED', { timerId: '5', startedEventId: '1' }),
    event('TIMER_STARTED', { timerId: '5' }),
    event('TIMER_FIRED', { timerId: '5', startedEventId: '3' }),
  ])).toEqual([['timer', '5, 60s', 'cancelled', 2, 1], ['timer', '5', 'done', 2, 1]]))

test('children, updates, signals', () =>
  expect(groups(() => [
    event('START_CHILD_WORKFLOW_EXECUTION_INITIATED', { workflowId: 'c', workflowType: { name: 'Child' } }),
    event('CHILD_WORKFLOW_EXECUTION_STARTED', { initiatedEventId: '1' }),
    event('CHILD_WORKFLOW_EXECUTION_FAILED', { initiatedEventId: '1', startedEventId: '2' }),
    event('WORKFLOW_EXECUTION_UPDATE_ACCEPTED', { acceptedRequest: { input: { name: 'add' } } }),
    event('WORKFLOW_EXECUTION_UPDATE_COMPLETED', { acceptedEventId: '4' }),
    event('WORKFLOW_EXECUTION_SIGNALED', { signalName: 'pickedUp' }),
  ])).toEqual([['child', 'Child c', 'failed', 3, 1], ['update', 'add', 'done', 2, 1], ['signal', 'pickedUp', 'done', 1, 1]]))

test('workflow tasks that went well are plumbing, those that failed are not', () => {
  id = 0
  const all = new Groups()
  const task = () => [event('WORKFLOW_TASK_SCHEDULED'), event('WORKFLOW_TASK_STARTED', { scheduledEventId: String(id) })]
  for (const one of [...task(), event('WORKFLOW_TASK_COMPLETED', { scheduledEventId: '1', startedEventId: '2' })]) all.add(one)
  for (const one of [...task(), event('WORKFLOW_TASK_FAILED', { scheduledEventId: '4', startedEventId: '5' })]) all.add(one)
  expect(all.all.map(isPlumbing)).toEqual([true, false])
})

test('words', () => {
  expect(eventName(event('WORKFLOW_EXECUTION_TIMED_OUT'))).toBe('WorkflowExecutionTimedOut')
  expect(summary(event('ACTIVITY_TASK_FAILED', { failure: { message: 'no money', applicationFailureInfo: { type: 'Broke' } } }))).toBe('no money (Broke)')
  expect(failureLine({ message: 'Activity task failed', activityFailureInfo: {}, cause: { message: 'no money' } })).toBe('no money')
  expect(outcomeOf(event('TIMER_FIRED'))).toBeUndefined()
})

test('fifty thousand events are grouped in a blink', () => {
  id = 0
  const events: HistoryEvent[] = []
  for (let i = 0; i < 16_667; i++) {
    const scheduled = event('ACTIVITY_TASK_SCHEDULED', { activityId: String(i), activityType: { name: 'step' } })
    events.push(scheduled, event('ACTIVITY_TASK_STARTED', { scheduledEventId: scheduled.eventId }))
    events.push(event('ACTIVITY_TASK_COMPLETED', { scheduledEventId: scheduled.eventId }))
  }
  const started = performance.now()
  const all = new Groups()
  for (const one of events) all.add(one)
  expect(all.all.length).toBe(16_667)
  expect(performance.now() - started).toBeLessThan(1000)
})
