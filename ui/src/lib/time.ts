//! Times and durations as people read them.

/** Seconds of a proto duration ("12.5s"). */
export function seconds(duration: string | undefined): number {
  return duration ? Number.parseFloat(duration) : 0
}

/** "2d 3h", "4m 5s", "250 ms": two units, the largest ones. */
export function formatDuration(milliseconds: number): string {
  const sign = milliseconds < 0 ? '-' : ''
  let rest = Math.abs(milliseconds)
  if (rest < 1000) return `${sign}${Math.round(rest)} ms`
  if (rest < 10_000) return `${sign}${(rest / 1000).toFixed(1).replace(/\.0$/, '')}s`
  rest = Math.round(rest / 1000)
  const parts: string[] = []
  for (const [unit, size] of [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]] as const) {
    const amount = Math.floor(rest / size)
    rest -= amount * size
    if (amount > 0) parts.push(`${amount}${unit}`)
    if (parts.length === 2 || (parts.length === 1 && amount === 0)) break
  }
  return sign + parts.join(' ')
}

export const formatProtoDuration = (duration: string | undefined) => (seconds(duration) > 0 ? formatDuration(seconds(duration) * 1000) : 'none')

export function parse(time: string | undefined): number | undefined {
  if (!time) return undefined
  const value = Date.parse(time)
  return Number.isNaN(value) || value <= 0 ? undefined : value
}

const two = (value: number) => String(value).padStart(2, '0')

/** "2026-11-30 08:33:54" here or in UTC; ISO order sorts and is read the same everywhere. */
export function formatTime(time: number, utc: boolean, precise = false): string {
  const at = new Date(time)
  const fraction = precise ? `.${String(at.getUTCMilliseconds()).padStart(3, '0')}` : ''
  return utc
    ? `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}${fraction}`
    : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}${fraction}`
}

/** "in 3m 5s", "12s ago", "now". */
export function formatRelative(time: number, now: number): string {
  const away = time - now
  if (Math.abs(away) < 1000) return 'now'
  const size = Math.abs(away) < 60_000 ? Math.round(Math.abs(away) / 1000) * 1000 : Math.abs(away)
  return away > 0 ? `in ${formatDuration(size)}` : `${formatDuration(size)} ago`
}

/** Seconds of what somebody typed: "90", "1h30m", "2 d". */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed)
  const units: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800 }
  let total = 0
  const rest = trimmed.replace(/(\d+(?:\.\d+)?)\s*(ms|[smhdw])\s*/g, (_, amount, unit) => {
    total += Number(amount) * units[unit]!
    return ''
  })
  return trimmed && !rest ? total : undefined
}
