//! Views: named queries, some of ours and those that a person has saved in this browser.

import { store, stored } from '../settings.svelte'

export interface View {
  name: string
  query: string
  sort?: string
}

export const OURS: View[] = [
  { name: 'All', query: '' },
  { name: 'Running', query: "ExecutionStatus = 'Running'" },
  { name: 'Failed', query: "ExecutionStatus IN ('Failed', 'TimedOut')" },
  { name: 'Without parent', query: 'ParentWorkflowId IS NULL' },
]

const key = (namespace: string) => `views.${namespace}`

export const savedViews = (namespace: string) => stored<View[]>(key(namespace), [])

export function saveView(namespace: string, view: View): View[] {
  const views = [...savedViews(namespace).filter((one) => one.name !== view.name), view]
  store(key(namespace), views)
  return views
}

export function forgetView(namespace: string, name: string): View[] {
  const views = savedViews(namespace).filter((one) => one.name !== name)
  store(key(namespace), views)
  return views
}
