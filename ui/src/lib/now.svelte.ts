//! The time of day, for countdowns: one clock for the page, which runs only while something shows it.

import { createSubscriber } from 'svelte/reactivity'

const subscribe = createSubscriber((update) => {
  const timer = setInterval(() => document.hidden || update(), 1000)
  return () => clearInterval(timer)
})

export const clock = {
  get now(): number {
    subscribe()
    return Date.now()
  },
}
