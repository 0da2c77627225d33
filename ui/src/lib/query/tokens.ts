//! Words of the list query language, as far as completion and the splitting off of `ORDER BY` need them.

export interface Token {
  kind: 'word' | 'string' | 'number' | 'operator' | 'open' | 'close' | 'comma'
  text: string
  start: number
  end: number
  /** Of a string: whether its closing quote is there. */
  closed: boolean
}

const PATTERNS: [Token['kind'], RegExp][] = [
  ['string', /'(?:[^'\\]|\\[^]|'')*'?|"(?:[^"\\]|\\[^]|"")*"?/y],
  ['word', /`[^`]*`?|[\p{L}_][\p{L}\p{N}_.-]*/uy],
  ['number', /-?\d[\d.eE+-]*/y],
  ['operator', /<>|!=|<=|>=|&&|\|\||[=<>]/y],
  ['open', /\(/y],
  ['close', /\)/y],
  ['comma', /,/y],
]

export function tokens(query: string): Token[] {
  const found: Token[] = []
  let at = 0
  outer: while (at < query.length) {
    for (const [kind, pattern] of PATTERNS) {
      pattern.lastIndex = at
      const text = pattern.exec(query)?.[0]
      if (text) {
        const quote = text[0]!
        found.push({ kind, text, start: at, end: at + text.length, closed: kind !== 'string' || (text.length > 1 && text.endsWith(quote)) })
        at += text.length
        continue outer
      }
    }
    at += 1
  }
  return found
}

/** The condition of a query, and its order: batches and counts take no order. */
export function splitOrder(query: string): { condition: string; order: string } {
  const all = tokens(query)
  const at = all.findIndex((token, i) => isWord(token, 'ORDER') && all[i + 1] && isWord(all[i + 1]!, 'BY'))
  if (at < 0) return { condition: query.trim(), order: '' }
  return { condition: query.slice(0, all[at]!.start).trim(), order: query.slice(all[at]!.start).trim() }
}

export const isWord = (token: Token, word: string) => token.kind === 'word' && token.text.toUpperCase() === word

/** A condition joined to another one. */
export function both(condition: string, other: string): string {
  if (!condition.trim()) return other
  return other ? `(${condition.trim()}) AND ${other}` : condition.trim()
}

/** A value as a query writes it. */
export const quote = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
