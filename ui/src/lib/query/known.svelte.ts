//! What is known of a namespace's attributes and their values, asked for once they are wanted.

import { countWorkflows, listSearchAttributes } from '../api/calls'
import { attribute } from '../payload'
import { SYSTEM, type Attributes, type AttributeType } from './complete'

/** Types by the names that the API has for them. */
export const TYPES: Record<string, AttributeType> = {
  TEXT: 'Text', KEYWORD: 'Keyword', INT: 'Int', DOUBLE: 'Double', BOOL: 'Bool', DATETIME: 'Datetime', KEYWORD_LIST: 'KeywordList',
}

export class Known {
  attributes = $state.raw<Attributes>(SYSTEM)
  /** Those of the namespace itself. */
  own = $state.raw<Attributes>({})
  values = $state<Record<string, string[]>>({})
  #asked = new Set<string>()

  constructor(private readonly namespace: string) {
    void this.#learn()
  }

  async #learn(): Promise<void> {
    try {
      const { customAttributes = {} } = await listSearchAttributes(this.namespace)
      const own: Attributes = {}
      for (const [name, type] of Object.entries(customAttributes)) own[name] = TYPES[type.replace('INDEXED_VALUE_TYPE_', '')] ?? 'Keyword'
      this.own = own
      this.attributes = { ...own, ...SYSTEM }
    } catch {
      // Completion then knows the system's attributes alone.
    }
  }

  /** Values of a keyword are those that runs have; a server that does not group by it tells none. */
  async learnValues(name: string): Promise<void> {
    if (this.#asked.has(name) || !['Keyword'].includes(this.attributes[name] ?? '') || /Id$/.test(name)) return
    this.#asked.add(name)
    try {
      const { groups = [] } = await countWorkflows(this.namespace, `GROUP BY \`${name}\``)
      this.values[name] = groups.map((group) => group.groupValues?.[0]).filter((one) => one !== undefined).map(attribute).sort()
    } catch {
      this.values[name] = []
    }
  }
}
