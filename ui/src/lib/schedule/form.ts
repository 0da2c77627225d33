//! A schedule as a form has it, and the API's schedule made of it. What the form does not know of an existing one stays.

import type { Payloads, Schedule, ScheduleSpec } from '../api/types'
import { decode } from '../payload'
import { parseDuration, seconds } from '../time'

export const OVERLAPS: [string, string][] = [
  ['SCHEDULE_OVERLAP_POLICY_SKIP', 'Skip: do not start while one runs'],
  ['SCHEDULE_OVERLAP_POLICY_BUFFER_ONE', 'Buffer one: start one when it has ended'],
  ['SCHEDULE_OVERLAP_POLICY_BUFFER_ALL', 'Buffer all: start them one after the other'],
  ['SCHEDULE_OVERLAP_POLICY_CANCEL_OTHER', 'Cancel other: cancel the running one first'],
  ['SCHEDULE_OVERLAP_POLICY_TERMINATE_OTHER', 'Terminate other: terminate the running one first'],
  ['SCHEDULE_OVERLAP_POLICY_ALLOW_ALL', 'Allow all: start it beside'],
]

export interface Form {
  scheduleId: string
  workflowType: string
  workflowId: string
  taskQueue: string
  input: string
  crons: string
  every: string
  offset: string
  zone: string
  start: string
  end: string
  jitter: string
  overlap: string
  catchup: string
  pauseOnFailure: boolean
  paused: boolean
  notes: string
}

export const EMPTY: Form = {
  scheduleId: '', workflowType: '', workflowId: '', taskQueue: '', input: '', crons: '', every: '', offset: '', zone: 'UTC', start: '',
  end: '', jitter: '', overlap: OVERLAPS[0]![0], catchup: '', pauseOnFailure: false, paused: false, notes: '',
}

const short = (duration: string | undefined) => (seconds(duration) ? `${seconds(duration)}s` : '')
const lines = (text: string) => text.split('\n').map((line) => line.trim()).filter(Boolean)

export function toForm(scheduleId: string, schedule: Schedule): Form {
  const start = schedule.action?.startWorkflow
  const spec = schedule.spec ?? {}
  const payload = start?.input?.payloads?.[0]
  return {
    scheduleId,
    workflowType: start?.workflowType?.name ?? '',
    workflowId: start?.workflowId ?? '',
    taskQueue: start?.taskQueue?.name ?? '',
    input: payload && decode(payload).readable ? decode(payload).text : '',
    crons: (spec.cronString ?? []).join('\n'),
    every: short(spec.interval?.[0]?.interval),
    offset: short(spec.interval?.[0]?.phase),
    zone: spec.timezoneName || 'UTC',
    start: spec.startTime ?? '',
    end: spec.endTime ?? '',
    jitter: short(spec.jitter),
    overlap: schedule.policies?.overlapPolicy && !schedule.policies.overlapPolicy.endsWith('UNSPECIFIED') ? schedule.policies.overlapPolicy : EMPTY.overlap,
    catchup: short(schedule.policies?.catchupWindow),
    pauseOnFailure: schedule.policies?.pauseOnFailure ?? false,
    paused: schedule.state?.paused ?? false,
    notes: schedule.state?.notes ?? '',
  }
}

/** Throws what is wrong, in words. */
export function specOf(form: Form, kept: ScheduleSpec | undefined): ScheduleSpec {
  const spec: ScheduleSpec = {
    ...kept,
    cronString: lines(form.crons),
    interval: form.every.trim() ? [{ interval: duration('every', form.every), phase: form.offset.trim() ? duration('the offset', form.offset) : undefined }] : [],
    timezoneName: form.zone.trim() || 'UTC',
    startTime: time('the start', form.start),
    endTime: time('the end', form.end),
    jitter: form.jitter.trim() ? duration('the jitter', form.jitter) : undefined,
  }
  return spec
}

export function scheduleOf(form: Form, kept: Schedule | undefined, input: Payloads | undefined): Schedule {
  return {
    ...kept,
    spec: specOf(form, kept?.spec),
    action: {
      startWorkflow: {
        ...kept?.action?.startWorkflow,
        workflowId: form.workflowId.trim() || form.scheduleId,
        workflowType: { name: form.workflowType.trim() },
        taskQueue: { name: form.taskQueue.trim() },
        input,
      },
    },
    policies: {
      ...kept?.policies,
      overlapPolicy: form.overlap,
      catchupWindow: form.catchup.trim() ? duration('the catch-up window', form.catchup) : undefined,
      pauseOnFailure: form.pauseOnFailure,
    },
    state: { ...kept?.state, paused: form.paused, notes: form.notes },
  }
}

function duration(what: string, text: string): string {
  const value = parseDuration(text)
  if (value === undefined) throw new Error(`${what}: "${text}" is no duration; write 90s, 15m, 1h30m or 2d`)
  return `${value}s`
}

function time(what: string, text: string): string | undefined {
  if (!text.trim()) return undefined
  const value = Date.parse(text)
  if (Number.isNaN(value)) throw new Error(`${what}: "${text}" is no time; write 2026-12-24T18:00Z`)
  return new Date(value).toISOString()
}
