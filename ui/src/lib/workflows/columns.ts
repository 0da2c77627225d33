//! Columns of the list of workflows: those that every run has, and the namespace's own attributes.

export interface Column {
  /** Also the attribute that it is sorted by, if it can be. */
  name: string
  title: string
  sortable: boolean
}

const column = (name: string, title: string, sortable = true): Column => ({ name, title, sortable })

export const FIXED: Column[] = [
  column('ExecutionStatus', 'Status'), column('WorkflowId', 'Workflow id'), column('RunId', 'Run id'), column('WorkflowType', 'Type'),
  column('StartTime', 'Start'), column('CloseTime', 'End'), column('ExecutionTime', 'First task'), column('ExecutionDuration', 'Duration'),
  column('TaskQueue', 'Task queue'), column('HistoryLength', 'Events'), column('HistorySizeBytes', 'History size'),
  column('StateTransitionCount', 'Transitions'), column('ParentWorkflowId', 'Parent'), column('RootWorkflowId', 'Root'),
  column('Memo', 'Memo', false),
]

export const USUAL = ['ExecutionStatus', 'WorkflowId', 'WorkflowType', 'StartTime', 'CloseTime', 'ExecutionDuration']

export const allColumns = (own: Record<string, string>): Column[] => [
  ...FIXED,
  ...Object.entries(own).map(([name, type]) => column(name, name, type !== 'Text')),
]

/** A sort as the address has it: "StartTime" or "-StartTime". */
export function orderBy(sort: string): string {
  if (!sort) return ''
  const name = sort.replace(/^-/, '')
  return `ORDER BY ${/^\w+$/.test(name) ? name : `\`${name}\``} ${sort.startsWith('-') ? 'DESC' : 'ASC'}`
}

/** A click sorts upwards, another one downwards, a third one not at all. */
export const nextSort = (sort: string, name: string) => (sort === name ? `-${name}` : sort === `-${name}` ? '' : name)
