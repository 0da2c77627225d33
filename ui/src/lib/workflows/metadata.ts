//! What a workflow says of itself: the queries, signals and updates that it handles. A worker must be there to tell.

import { queryWorkflow } from '../api/calls'
import type { Execution } from '../api/types'
import { decode } from '../payload'

export interface Handlers {
  queries: string[]
  signals: string[]
  updates: string[]
}

export const NONE: Handlers = { queries: [], signals: [], updates: [] }

export async function readHandlers(namespace: string, execution: Execution, signal: AbortSignal): Promise<Handlers> {
  try {
    const { queryResult } = await queryWorkflow(namespace, execution, '__temporal_workflow_metadata', undefined, signal)
    const { definition = {} } = JSON.parse(decode(queryResult!.payloads![0]!).text)
    const names = (list: { name?: string }[] = []) => list.map((one) => one.name ?? '').filter((name) => name && !name.startsWith('__'))
    return { queries: names(definition.queryDefinitions), signals: names(definition.signalDefinitions), updates: names(definition.updateDefinitions) }
  } catch {
    return NONE
  }
}
