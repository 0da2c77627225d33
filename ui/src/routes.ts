//! Which page stands at which path. All but the first two are fetched when they are first wanted.

import type { Component } from 'svelte'
import { match, type Parameters } from './lib/router.svelte'

type Page = Component<any>

const routes: [string, () => Promise<{ default: Page }>][] = [
  ['/namespaces/:namespace/workflows', () => import('./pages/Workflows.svelte')],
  ['/namespaces/:namespace/workflows/:id/:runId', () => import('./pages/Workflow.svelte')],
  ['/namespaces/:namespace/workflows/:id/:runId/:tab', () => import('./pages/Workflow.svelte')],
  ['/namespaces/:namespace/schedules', () => import('./pages/Schedules.svelte')],
  ['/namespaces/:namespace/new-schedule', () => import('./pages/ScheduleForm.svelte')],
  ['/namespaces/:namespace/schedules/:id', () => import('./pages/Schedule.svelte')],
  ['/namespaces/:namespace/schedules/:id/edit', () => import('./pages/ScheduleForm.svelte')],
  ['/namespaces/:namespace/activities', () => import('./pages/Activities.svelte')],
  ['/namespaces/:namespace/activities/:id/:runId', () => import('./pages/Activity.svelte')],
  ['/namespaces/:namespace/task-queues', () => import('./pages/TaskQueues.svelte')],
  ['/namespaces/:namespace/task-queues/:name', () => import('./pages/TaskQueue.svelte')],
  ['/namespaces/:namespace/workers', () => import('./pages/Workers.svelte')],
  ['/namespaces/:namespace/batches', () => import('./pages/Batches.svelte')],
  ['/namespaces/:namespace/batches/:id', () => import('./pages/Batch.svelte')],
  ['/namespaces', () => import('./pages/Namespaces.svelte')],
  ['/namespaces/:namespace', () => import('./pages/Namespace.svelte')],
  ['/cluster', () => import('./pages/Cluster.svelte')],
]

export interface Found {
  pattern: string
  parameters: Parameters
  load: () => Promise<{ default: Page }>
}

export function find(path: string): Found | undefined {
  for (const [pattern, load] of routes) {
    const parameters = match(pattern, path)
    if (parameters) return { pattern, parameters, load }
  }
  return undefined
}
