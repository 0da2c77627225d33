//! Tells a page when something in a namespace has changed that lists show. One question is on its way for all that listens, and
//! none while the page is hidden.

import { waitForChanges } from './api/calls'
import { ApiError } from './api/client'

/** After this many milliseconds a server that did not answer is asked again. */
const AGAIN = 5000

export class Changes {
  /** Whether the server tells of changes: who listens need not ask on its own. */
  told = false

  #listeners = new Set<() => void>()
  #asking: AbortController | undefined

  constructor(readonly namespace: string) {
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#stop() : this.#start()))
  }

  /** Gives what ends the listening. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    this.#start()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.#stop()
    }
  }

  #stop(): void {
    this.#asking?.abort()
    this.#asking = undefined
    this.told = false
  }

  #start(): void {
    if (this.#asking || document.hidden || this.#listeners.size === 0) return
    this.#asking = new AbortController()
    void this.#ask(this.#asking.signal)
  }

  async #ask(signal: AbortSignal): Promise<void> {
    let token = ''
    while (!signal.aborted) {
      try {
        const next = (await waitForChanges(this.namespace, token, signal)).token
        this.told = true
        if (next !== token) for (const listener of this.#listeners) listener()
        token = next
      } catch (error) {
        if (signal.aborted) return
        this.told = false
        // A server of another kind, or a cluster that is not upgraded: it will not tell later, either.
        if (error instanceof ApiError && (error.absent || error.code === FAILED_PRECONDITION)) return
        await new Promise((wake) => setTimeout(wake, AGAIN))
      }
    }
  }
}

const FAILED_PRECONDITION = 9

const known = new Map<string, Changes>()

/** What tells of a namespace's changes: the same for all of the page. */
export function changesOf(namespace: string): Changes {
  let changes = known.get(namespace)
  if (!changes) known.set(namespace, (changes = new Changes(namespace)))
  return changes
}
