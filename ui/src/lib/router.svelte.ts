//! Pages by real paths. One pattern a page; an id in a path may be of any characters.

export type Parameters = Record<string, string>

interface Location {
  path: string
  search: URLSearchParams
}

const read = (): Location => ({ path: location.pathname, search: new URLSearchParams(location.search) })

/** Where the page is; changes with each navigation. */
export const here = $state<{ now: Location }>({ now: read() })

export function go(url: string, options: { replace?: boolean } = {}): void {
  if (url === location.pathname + location.search) return
  history[options.replace ? 'replaceState' : 'pushState'](null, '', url)
  const before = here.now.path
  here.now = read()
  if (here.now.path !== before && !options.replace) scrollTo(0, 0)
}

/** The same page with other parameters; an empty one is left out. */
export function withSearch(change: Record<string, string | undefined>): string {
  const search = new URLSearchParams(here.now.search)
  for (const [name, value] of Object.entries(change)) {
    if (value) search.set(name, value)
    else search.delete(name)
  }
  return search.size ? `${here.now.path}?${search}` : here.now.path
}

/** The parameters of a path that fits a pattern like `/namespaces/:namespace/workflows`. */
export function match(pattern: string, path: string): Parameters | undefined {
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return undefined
  const parameters: Parameters = {}
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(':')) {
      if (!given[i]) return undefined
      try {
        parameters[part.slice(1)] = decodeURIComponent(given[i]!)
      } catch {
        return undefined
      }
    } else if (part !== given[i]) return undefined
  }
  return parameters
}

/** Links within the application do not load it anew. */
export function followLinks(): void {
  addEventListener('popstate', () => (here.now = read()))
  addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element | null)?.closest?.('a[href]') as HTMLAnchorElement | null
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin || link.hash) return
    event.preventDefault()
    go(link.pathname + link.search)
  })
}
