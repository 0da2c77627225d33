//! Short words on what was just done, read out by screen readers, too.

interface Toast {
  id: number
  text: string
  link?: { href: string; text: string }
}

export const toasts = $state<{ all: Toast[] }>({ all: [] })

let next = 0

export function toast(text: string, link?: Toast['link']): void {
  const id = next++
  toasts.all.push({ id, text, link })
  setTimeout(() => (toasts.all = toasts.all.filter((one) => one.id !== id)), 8000)
}
