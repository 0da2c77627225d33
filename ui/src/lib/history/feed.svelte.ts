//! A run's history: all of it, page after page, and then each new event as it comes (a long poll while the page is visible).

import { onDestroy } from 'svelte'
import { readHistory } from '../api/calls'
import { ApiError, Unreachable } from '../api/client'
import type { HistoryEvent } from '../api/types'
import { Groups } from './group'

export class Feed {
  /** Grows with what is read; what is derived from the plain lists below reads it. */
  version = $state(0)
  /** How many events the run's description tells of, once it is there. */
  expected = $state(Infinity)
  gone = $state(false)
  error = $state.raw<unknown>()
  events: HistoryEvent[] = []
  groups = new Groups()

  #token = ''
  #done = false
  #asking: AbortController | undefined

  /** Whether there is more that can be read at once. */
  get loading(): boolean {
    void this.version
    return !this.#done && !this.gone && this.events.length < this.expected
  }

  /** `news` is told of events that came while we waited. */
  constructor(
    private readonly at: { namespace: string; id: string; runId: string },
    private readonly news: () => void,
  ) {
    const look = () => (document.hidden ? this.#asking?.abort() : void this.#run())
    document.addEventListener('visibilitychange', look)
    onDestroy(() => {
      document.removeEventListener('visibilitychange', look)
      this.#asking?.abort()
    })
    void this.#run()
  }

  async #run(): Promise<void> {
    if (this.#done || this.gone) return
    this.#asking?.abort()
    const asking = (this.#asking = new AbortController())
    const { namespace, id, runId } = this.at
    while (!this.#done && !asking.signal.aborted) {
      try {
        const page = await readHistory(namespace, id, runId, { token: this.#token, wait: true, size: 1000 }, asking.signal)
        if (asking.signal.aborted) return
        this.#take(page.history?.events ?? [], page.nextPageToken ?? '')
        this.error = undefined
      } catch (error) {
        if (asking.signal.aborted) return
        this.error = error
        if (error instanceof ApiError && error.notFound) {
          this.gone = true
          this.news()
          return
        }
        await new Promise((resolve) => setTimeout(resolve, error instanceof Unreachable ? 2000 : 5000))
      }
    }
  }

  #take(events: HistoryEvent[], token: string): void {
    const waited = !this.loading
    const last = Number(this.events.at(-1)?.eventId ?? 0)
    for (const event of events) {
      // After a change of leaders a page may begin before where the last one ended.
      if (Number(event.eventId) <= last) continue
      this.events.push(event)
      this.groups.add(event)
    }
    this.#token = token
    this.#done = !token
    this.version += 1
    if (waited && events.length) this.news()
  }
}
