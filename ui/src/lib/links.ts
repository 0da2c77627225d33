//! Addresses of pages.

import { segment } from './api/client'

const at = (namespace: string) => `/namespaces/${segment(namespace)}`

export const links = {
  workflows: (namespace: string, query = '') => `${at(namespace)}/workflows${query ? `?query=${encodeURIComponent(query)}` : ''}`,
  workflow: (namespace: string, id: string, runId: string, tab = '') =>
    `${at(namespace)}/workflows/${segment(id)}/${segment(runId || 'latest')}${tab ? `/${tab}` : ''}`,
  event: (namespace: string, id: string, runId: string, eventId: string) =>
    `${at(namespace)}/workflows/${segment(id)}/${segment(runId || 'latest')}/events?event=${eventId}`,
  schedules: (namespace: string) => `${at(namespace)}/schedules`,
  schedule: (namespace: string, id: string) => `${at(namespace)}/schedules/${segment(id)}`,
  editSchedule: (namespace: string, id: string) => `${at(namespace)}/schedules/${segment(id)}/edit`,
  newSchedule: (namespace: string) => `${at(namespace)}/new-schedule`,
  activities: (namespace: string) => `${at(namespace)}/activities`,
  activity: (namespace: string, id: string, runId: string) => `${at(namespace)}/activities/${segment(id)}/${segment(runId || 'latest')}`,
  taskQueues: (namespace: string) => `${at(namespace)}/task-queues`,
  taskQueue: (namespace: string, name: string) => `${at(namespace)}/task-queues/${segment(name)}`,
  workers: (namespace: string) => `${at(namespace)}/workers`,
  batches: (namespace: string) => `${at(namespace)}/batches`,
  batch: (namespace: string, id: string) => `${at(namespace)}/batches/${segment(id)}`,
  namespaces: () => '/namespaces',
  namespace: (namespace: string) => at(namespace),
  cluster: () => '/cluster',
}
