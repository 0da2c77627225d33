import { expect, test } from 'vitest'
import type { Description } from './api/types'
import { waitsFor, waitsForNamed, waitsForOthers } from './waits'

const described = (more: object = {}): Description => ({
  workflowExecutionInfo: { execution: { workflowId: 'w', runId: 'r' }, type: {}, status: 'WORKFLOW_EXECUTION_STATUS_RUNNING', taskQueue: 'q' },
  ...more,
})
const activity = (more: object = {}) => ({ activityId: '1', activityType: { name: 'charge' }, state: 'PENDING_ACTIVITY_STATE_SCHEDULED', ...more })

test.each([
  [described(), 'Waits for a timer, a signal or an update.'],
  [described({ pendingActivities: [activity()] }), 'Waits for 1 activity: charge.'],
  [described({ pendingActivities: [activity({ attempt: 3, lastFailure: { message: 'no money' } })] }), 'Waits for activity charge, attempt 3: no money'],
  [described({ pendingWorkflowTask: { state: 'PENDING_WORKFLOW_TASK_STATE_SCHEDULED' } }), 'Waits for a worker of task queue q.'],
  [described({ pendingWorkflowTask: { state: 'PENDING_WORKFLOW_TASK_STATE_STARTED', attempt: 4 } }), 'Its workflow task fails, attempt 4.'],
])('%#', (description, sentence) => expect(waitsFor(description)).toBe(sentence))

test('what the workflow handles is named where it waits for others', () => {
  const handlers = { signals: ['pickedUp'], updates: [], queries: [] }
  expect(waitsForOthers(described(), undefined)).toBe(true)
  expect(waitsForOthers(described(), { causes: [{ kind: 'CAUSE_KIND_ACTIVITY_BACKOFF' }] })).toBe(false)
  expect(waitsForNamed(handlers, { causes: [{ kind: 'CAUSE_KIND_SIGNAL_OR_UPDATE' }] })).toBe('Waits for signal pickedUp.')
  expect(waitsForNamed({ ...handlers, updates: ['a', 'b'] }, { causes: [{ kind: 'CAUSE_KIND_TIMER' }] })).toBe(
    'Waits for signal pickedUp or one of the updates a, b, or for a timer.')
  expect(waitsForNamed({ signals: [], updates: [], queries: [] }, undefined)).toBe('')
})
