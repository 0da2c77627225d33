//! The calls that the pages make, one line each where one does.

import { get, post, remove, segment, uuid } from './client'
import type * as T from './types'

const at = (namespace: string) => `/api/v1/namespaces/${segment(namespace)}`
const workflowAt = (namespace: string, id: string) => `${at(namespace)}/workflows/${segment(id)}`
const scheduleAt = (namespace: string, id: string) => `${at(namespace)}/schedules/${segment(id)}`
const activityAt = (namespace: string, id: string) => `${at(namespace)}/activities/${segment(id)}`

/** Who acts, as histories tell it. */
export const IDENTITY = 'tenure-ui'

// Workflows

export const listWorkflows = (namespace: string, query: string, pageSize: number, nextPageToken = '', signal?: AbortSignal) =>
  get<{ executions?: T.WorkflowInfo[]; nextPageToken?: string }>(`${at(namespace)}/workflows`, { query, pageSize, nextPageToken }, signal)

export const countWorkflows = (namespace: string, query: string, signal?: AbortSignal) =>
  get<T.Count>(`${at(namespace)}/workflow-count`, { query }, signal)

export const describeWorkflow = (namespace: string, id: string, runId = '', signal?: AbortSignal) =>
  get<T.Description>(workflowAt(namespace, id), { 'execution.runId': runId }, signal)

export interface HistoryOptions {
  token?: string
  size?: number
  /** Whether to wait for the next event where all are read. */
  wait?: boolean
}

export const readHistory = (namespace: string, id: string, runId: string, options: HistoryOptions = {}, signal?: AbortSignal) =>
  get<T.HistoryPage>(
    `${workflowAt(namespace, id)}/history`,
    { 'execution.runId': runId, maximumPageSize: options.size, nextPageToken: options.token, waitNewEvent: options.wait || undefined },
    signal,
  )

export const readLastEvents = (namespace: string, id: string, runId: string, maximumPageSize: number, signal?: AbortSignal) =>
  get<T.HistoryPage>(`${workflowAt(namespace, id)}/history-reverse`, { 'execution.runId': runId, maximumPageSize }, signal)

export const signalWorkflow = (namespace: string, execution: T.Execution, name: string, input?: T.Payloads) =>
  post(`${workflowAt(namespace, execution.workflowId)}/signal/${segment(name)}`, {
    workflowExecution: execution, input, identity: IDENTITY, requestId: uuid(),
  })

export const updateWorkflow = (namespace: string, execution: T.Execution, name: string, updateId: string, stage: string, args?: T.Payloads) =>
  post<{ outcome?: { success?: T.Payloads; failure?: T.Failure }; stage?: string }>(
    `${workflowAt(namespace, execution.workflowId)}/update/${segment(name)}`,
    {
      workflowExecution: execution,
      waitPolicy: { lifecycleStage: stage },
      request: { meta: { updateId: updateId || uuid(), identity: IDENTITY }, input: { name, args } },
    },
  )

export const queryWorkflow = (namespace: string, execution: T.Execution, name: string, args?: T.Payloads, signal?: AbortSignal) =>
  post<{ queryResult?: T.Payloads; queryRejected?: { status?: string } }>(
    `${workflowAt(namespace, execution.workflowId)}/query/${segment(name)}`,
    { execution, query: { queryType: name, queryArgs: args } },
    signal,
  )

export const cancelWorkflow = (namespace: string, execution: T.Execution, reason: string) =>
  post(`${workflowAt(namespace, execution.workflowId)}/cancel`, { workflowExecution: execution, reason, identity: IDENTITY, requestId: uuid() })

export const terminateWorkflow = (namespace: string, execution: T.Execution, reason: string) =>
  post(`${workflowAt(namespace, execution.workflowId)}/terminate`, { workflowExecution: execution, reason, identity: IDENTITY })

export const resetWorkflow = (namespace: string, execution: T.Execution, eventId: string, reason: string, excluded: string[]) =>
  post<{ runId: string }>(`${workflowAt(namespace, execution.workflowId)}/reset`, {
    workflowExecution: execution, reason, workflowTaskFinishEventId: eventId, requestId: uuid(), identity: IDENTITY,
    resetReapplyExcludeTypes: excluded,
  })

// Batches

export type BatchTarget = { query: string } | { executions: T.Execution[] }

export const startBatch = (namespace: string, target: BatchTarget, reason: string, operation: object) => {
  const jobId = uuid()
  const what = 'query' in target ? { visibilityQuery: target.query } : { executions: target.executions }
  return post(`${at(namespace)}/batch-operations/${jobId}`, { jobId, reason, ...what, ...operation }).then(() => jobId)
}

export const listBatches = (namespace: string, nextPageToken = '', signal?: AbortSignal) =>
  get<{ operationInfo?: T.BatchJob[]; nextPageToken?: string }>(`${at(namespace)}/batch-operations`, { pageSize: 100, nextPageToken }, signal)

export const describeBatch = (namespace: string, jobId: string, signal?: AbortSignal) =>
  get<T.BatchDescription>(`${at(namespace)}/batch-operations/${segment(jobId)}`, {}, signal)

export const stopBatch = (namespace: string, jobId: string, reason: string) =>
  post(`${at(namespace)}/batch-operations/${segment(jobId)}/stop`, { reason, identity: IDENTITY })

// Schedules

export const listSchedules = (namespace: string, query: string, nextPageToken = '', signal?: AbortSignal) =>
  get<{ schedules?: T.ScheduleEntry[]; nextPageToken?: string }>(
    `${at(namespace)}/schedules`, { maximumPageSize: 100, query, nextPageToken }, signal)

export const describeSchedule = (namespace: string, id: string, signal?: AbortSignal) =>
  get<T.ScheduleDescription>(scheduleAt(namespace, id), {}, signal)

/** What a specification means and when it would act; refused as `createSchedule` would be. */
export const previewSchedule = (namespace: string, scheduleId: string, spec: T.ScheduleSpec, signal?: AbortSignal) =>
  post<{ meaning: string; times?: string[] }>(`/tenure/api/v1/namespaces/${segment(namespace)}/schedule-preview`, { scheduleId, spec }, signal)

export const createSchedule = (namespace: string, scheduleId: string, schedule: T.Schedule) =>
  post(scheduleAt(namespace, scheduleId), { scheduleId, schedule, identity: IDENTITY, requestId: uuid() })

export const updateSchedule = (namespace: string, scheduleId: string, schedule: T.Schedule, conflictToken?: string) =>
  post(`${scheduleAt(namespace, scheduleId)}/update`, { scheduleId, schedule, conflictToken, identity: IDENTITY, requestId: uuid() })

export const patchSchedule = (namespace: string, scheduleId: string, patch: object) =>
  post(`${scheduleAt(namespace, scheduleId)}/patch`, { scheduleId, patch, identity: IDENTITY, requestId: uuid() })

export const deleteSchedule = (namespace: string, id: string) => remove(scheduleAt(namespace, id), { identity: IDENTITY })

export const matchingTimes = (namespace: string, id: string, startTime: string, endTime: string, signal?: AbortSignal) =>
  get<{ startTime?: string[] }>(`${scheduleAt(namespace, id)}/matching-times`, { startTime, endTime }, signal)

// Activities without a workflow

export const listActivities = (namespace: string, query: string, nextPageToken = '', signal?: AbortSignal) =>
  get<{ executions?: T.ActivityInfo[]; nextPageToken?: string }>(`${at(namespace)}/activities`, { query, pageSize: 100, nextPageToken }, signal)

export const countActivities = (namespace: string, query: string, signal?: AbortSignal) =>
  get<T.Count>(`${at(namespace)}/activity-count`, { query }, signal)

export const describeActivity = (namespace: string, id: string, runId: string, signal?: AbortSignal) =>
  get<T.ActivityDescription>(activityAt(namespace, id), { runId, includeInput: true, includeOutcome: true }, signal)

export const cancelActivity = (namespace: string, activityId: string, runId: string, reason: string) =>
  post(`${activityAt(namespace, activityId)}/cancel`, { activityId, runId, reason, identity: IDENTITY, requestId: uuid() })

export const terminateActivity = (namespace: string, activityId: string, runId: string, reason: string) =>
  post(`${activityAt(namespace, activityId)}/terminate`, { activityId, runId, reason, identity: IDENTITY, requestId: uuid() })

// Queues and workers

export const describeTaskQueue = (namespace: string, name: string, kind: 'WORKFLOW' | 'ACTIVITY', signal?: AbortSignal) =>
  get<T.TaskQueueDescription>(
    `${at(namespace)}/task-queues/${segment(name)}`,
    { 'taskQueue.kind': 'TASK_QUEUE_KIND_NORMAL', taskQueueType: `TASK_QUEUE_TYPE_${kind}`, reportStats: true, reportConfig: true },
    signal,
  )

export const listWorkers = (namespace: string, query: string, nextPageToken = '', signal?: AbortSignal) =>
  get<{ workersInfo?: T.WorkerInfo[]; nextPageToken?: string }>(`${at(namespace)}/workers`, { query, pageSize: 200, nextPageToken }, signal)

// Namespaces

export const listNamespaces = (nextPageToken = '', signal?: AbortSignal) =>
  get<{ namespaces?: T.Namespace[]; nextPageToken?: string }>('/api/v1/namespaces', { pageSize: 100, nextPageToken }, signal)

export const describeNamespace = (name: string, signal?: AbortSignal) =>
  get<T.Namespace>(`/api/v1/namespaces/${segment(name)}`, {}, signal)

export const registerNamespace = (namespace: object) => post('/api/v1/namespaces', namespace)

export const updateNamespace = (namespace: string, change: object) =>
  post(`/api/v1/namespaces/${segment(namespace)}/update`, { namespace, ...change })

export const listSearchAttributes = (namespace: string, signal?: AbortSignal) =>
  get<{ customAttributes?: Record<string, string>; systemAttributes?: Record<string, string> }>(
    `/api/v1/namespaces/${segment(namespace)}/search-attributes`, {}, signal)

/** The API has no path for these two; our own has. */
export const addSearchAttribute = (namespace: string, name: string, type: string) =>
  post(`/tenure/api/v1/namespaces/${segment(namespace)}/search-attributes`, { searchAttributes: { [name]: type } })

export const removeSearchAttribute = (namespace: string, searchAttributes: string) =>
  remove(`/tenure/api/v1/namespaces/${segment(namespace)}/search-attributes`, { searchAttributes })

// Our own

export const explainWorkflow = (namespace: string, id: string, runId: string, signal?: AbortSignal) =>
  get<T.Explanation>(
    `/tenure/api/v1/namespaces/${segment(namespace)}/workflows/${segment(id)}/explanation`, { 'execution.runId': runId }, signal)

export const waitForChanges = (namespace: string, token: string, signal?: AbortSignal) =>
  get<{ token: string }>(`/tenure/api/v1/namespaces/${segment(namespace)}/changes`, { token }, signal)

export const describeCluster = (signal?: AbortSignal) => get<T.ClusterDescription>('/tenure/api/v1/cluster', {}, signal)

export const readSettings = () => get<T.Settings>('/tenure/ui/settings')
