//! What a person has chosen, kept in the browser; and what the server says of itself.

import { readSettings } from './api/calls'
import type { Settings } from './api/types'

export function stored<T>(key: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(`tenure.${key}`)
    return text === null ? otherwise : (JSON.parse(text) as T)
  } catch {
    return otherwise
  }
}

export function store(key: string, value: unknown): void {
  try {
    localStorage.setItem(`tenure.${key}`, JSON.stringify(value))
  } catch {
    // Private windows may have no room; the choice then holds until the page is closed.
  }
}

export type Theme = 'system' | 'light' | 'dark'

class Choices {
  theme = $state<Theme>(stored('theme', 'system'))
  utc = $state(stored('utc', false))
  namespace = $state(stored('namespace', 'default'))

  setTheme(theme: Theme): void {
    this.theme = theme
    store('theme', theme)
    this.apply()
  }

  setUtc(utc: boolean): void {
    this.utc = utc
    store('utc', utc)
  }

  setNamespace(namespace: string): void {
    if (namespace === this.namespace) return
    this.namespace = namespace
    store('namespace', namespace)
  }

  apply(): void {
    if (this.theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = this.theme
  }
}

export const choices = new Choices()

/** Empty until the server has answered, and where it has no such document. */
export const server = $state<{ settings: Settings }>({ settings: {} })

export async function askServer(): Promise<void> {
  try {
    server.settings = await readSettings()
    if (server.settings.defaultNamespace && stored('namespace', '') === '') choices.namespace = server.settings.defaultNamespace
  } catch {
    server.settings = {}
  }
}
