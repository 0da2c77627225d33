//! What a page shows and keeps fresh: it asks again while the page is looked at, when it is told of a change or, where nobody
//! tells, less often while nothing changes; and not at all while the page is hidden.

import { onDestroy } from 'svelte'
import { Unreachable } from './api/client'
import type { Changes } from './changes'

interface Pace {
  /** Milliseconds until it asks again after a change. */
  quick: number
  /** The most that it waits while nothing changes. */
  slow: number
}

export const USUAL: Pace = { quick: 2000, slow: 30_000 }

/** Milliseconds between two questions, however much changes. */
const GAP = 500

export class Live<T> {
  value = $state.raw<T>()
  error = $state.raw<unknown>()
  loading = $state(true)
  /** When the value was last asked for with success. */
  at = $state(0)

  #ask: (signal: AbortSignal) => Promise<T>
  #pace: Pace | undefined
  #changes: Changes | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #asking: AbortController | undefined
  #wait: number
  #seen = ''
  #told = ''

  /** `pace` undefined: asks once, and again only when told. With `changes`, those are when it asks. */
  constructor(ask: (signal: AbortSignal) => Promise<T>, pace: Pace | undefined = USUAL, changes?: Changes) {
    this.#ask = ask
    this.#pace = pace
    this.#changes = changes
    this.#wait = pace?.quick ?? 0
    const look = () => (document.hidden ? this.#rest() : this.refresh())
    document.addEventListener('visibilitychange', look)
    const deaf = changes?.listen(() => this.#again(Math.max(GAP - (Date.now() - this.at), 0)))
    onDestroy(() => {
      deaf?.()
      document.removeEventListener('visibilitychange', look)
      this.#rest()
    })
  }

  /** Something has changed for sure: asks now, and often for a while. */
  refresh(): void {
    this.#wait = this.#pace?.quick ?? 0
    void this.#now()
  }

  /** Another question: what was shown is no answer to it. */
  restart(): void {
    this.loading = true
    this.refresh()
  }

  #rest(): void {
    clearTimeout(this.#timer)
    this.#asking?.abort()
    this.#asking = undefined
  }

  async #now(): Promise<void> {
    this.#rest()
    const asking = (this.#asking = new AbortController())
    try {
      const value = await this.#ask(asking.signal)
      if (asking.signal.aborted) return
      // An explanation tells times in words, which change while nothing happens.
      let told = ''
      const seen = JSON.stringify(value, (key, part) => (key === 'explanation' ? void (told += JSON.stringify(part)) : part))
      const changed = seen !== this.#seen
      if (changed || told !== this.#told || this.value === undefined) this.value = value
      this.#seen = seen
      this.#told = told
      this.error = undefined
      this.at = Date.now()
      this.#wait = changed || !this.#pace ? (this.#pace?.quick ?? 0) : Math.min(this.#wait * 1.5, this.#pace.slow)
    } catch (error) {
      if (asking.signal.aborted) return
      this.error = error
      // A node that is gone may be back at once; what is refused will be refused again.
      this.#wait = error instanceof Unreachable ? 2000 : (this.#pace?.slow ?? 0)
    }
    this.loading = false
    this.#asking = undefined
    if (this.#pace) this.#again(this.#changes?.told ? this.#pace.slow : this.#wait)
  }

  #again(wait: number): void {
    // What is being asked may be of before.
    if (document.hidden) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#now(), this.#asking ? Math.max(wait, GAP) : wait)
  }
}
