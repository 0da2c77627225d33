//! What a specification says, in words, and as a person writes it.

import type { Range, ScheduleSpec, StructuredCalendar } from '../api/types'
import { formatProtoDuration } from '../time'

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

export function describeSpec(spec: ScheduleSpec | undefined): string {
  if (!spec) return ''
  const parts = [
    ...(spec.interval ?? []).map((one) => `every ${formatProtoDuration(one.interval)}${Number.parseFloat(one.phase ?? '0') ? `, ${formatProtoDuration(one.phase)} after` : ''}`),
    ...(spec.cronString ?? []).map((cron) => `cron ${cron}`),
    ...(spec.structuredCalendar ?? []).map(describeCalendar),
  ]
  const zone = spec.timezoneName && spec.timezoneName !== 'UTC' ? ` (${spec.timezoneName})` : ''
  const except = spec.excludeStructuredCalendar?.length ? `, except ${spec.excludeStructuredCalendar.map(describeCalendar).join('; ')}` : ''
  return (parts.join('; ') || 'never by itself') + zone + except
}

const two = (value: number) => String(value).padStart(2, '0')
const single = (ranges: Range[] | undefined): number | undefined => {
  if (!ranges?.length) return 0
  const [range] = ranges
  return ranges.length === 1 && (range!.end ?? 0) <= (range!.start ?? 0) ? (range!.start ?? 0) : undefined
}

function describeCalendar(calendar: StructuredCalendar): string {
  const [hour, minute, second] = [single(calendar.hour), single(calendar.minute), single(calendar.second)]
  const at = hour !== undefined && minute !== undefined && second !== undefined
    ? `at ${two(hour)}:${two(minute)}${second ? `:${two(second)}` : ''}`
    : `at hour ${ranges(calendar.hour, 0, 23)}, minute ${ranges(calendar.minute, 0, 59)}${second === 0 ? '' : `, second ${ranges(calendar.second, 0, 59)}`}`
  const parts = [at]
  if (!isAll(calendar.dayOfWeek, 0, 6)) parts.push(`on ${ranges(calendar.dayOfWeek, 0, 6, DAYS)}`)
  if (!isAll(calendar.dayOfMonth, 1, 31)) parts.push(`on day ${ranges(calendar.dayOfMonth, 1, 31)}`)
  if (!isAll(calendar.month, 1, 12)) parts.push(`in ${ranges(calendar.month, 1, 12, ['', ...MONTHS])}`)
  if (calendar.year?.length) parts.push(`in ${ranges(calendar.year, 0, 0)}`)
  return parts.join(' ') + (calendar.comment ? ` (${calendar.comment})` : '')
}

const isAll = (all: Range[] | undefined, least: number, most: number) =>
  !all?.length || all.some((range) => (range.start ?? 0) <= least && (range.end ?? 0) >= most && (range.step ?? 1) <= 1)

function ranges(all: Range[] | undefined, least: number, most: number, names?: string[]): string {
  if (!all?.length) return '0'
  if (most && isAll(all, least, most)) return 'any'
  const name = (value: number) => names?.[value] ?? String(value)
  return all
    .map((range) => {
      const start = range.start ?? 0
      const span = (range.end ?? 0) > start ? `${name(start)} to ${name(range.end!)}` : name(start)
      return (range.step ?? 1) > 1 ? `${span} in steps of ${range.step}` : span
    })
    .join(', ')
}
