//! When a specification matches, computed in the page, so that somebody who writes one sees its times before it is made. The
//! server's own times are shown as soon as the schedule is there.

import type { Range, ScheduleSpec, StructuredCalendar } from '../api/types'
import { seconds } from '../time'

export class BadSpec extends Error {}

interface Fields {
  second: number[]
  minute: number[]
  hour: number[]
  dayOfMonth: Set<number>
  month: Set<number>
  dayOfWeek: Set<number>
  year: Set<number> | undefined
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const MACROS: Record<string, string> = {
  '@yearly': '0 0 1 1 *', '@annually': '0 0 1 1 *', '@monthly': '0 0 1 * *', '@weekly': '0 0 * * 0', '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *', '@hourly': '0 * * * *',
}
const MOST_DAYS = 366 * 5

/** The next `count` times after `from`, jitter left aside. */
export function nextTimes(spec: ScheduleSpec, from: number, count: number): number[] {
  const zone = spec.timezoneName || 'UTC'
  const offset = zoneOffset(zone)
  const calendars: Fields[] = (spec.structuredCalendar ?? []).map(fieldsOf)
  const intervals = (spec.interval ?? []).map((one) => ({ every: seconds(one.interval) * 1000, phase: seconds(one.phase) * 1000 }))
  for (const text of spec.cronString ?? []) {
    const every = /^@every\s+(\S+)$/.exec(text.trim())
    if (every) throw new BadSpec('@every: write an interval instead')
    calendars.push(cronFields(text))
  }
  if (intervals.some(({ every }) => !(every >= 1000))) throw new BadSpec('an interval is a second at least')
  const excluded = (spec.excludeStructuredCalendar ?? []).map(fieldsOf)
  const earliest = Math.max(from, spec.startTime ? Date.parse(spec.startTime) - 1 : 0)
  const latest = spec.endTime ? Date.parse(spec.endTime) : Infinity
  const found = new Set<number>()
  const keep = (time: number) => time <= latest && !excluded.some((one) => matches(one, local(time, offset)))
  for (const { every, phase } of intervals) {
    let time = Math.floor((earliest - phase) / every + 1) * every + phase
    for (let kept = 0, tried = 0; kept < count && tried < 10_000 && time <= latest; time += every, tried++) {
      if (keep(time)) kept += found.add(time) ? 1 : 0
    }
  }
  for (const calendar of calendars) {
    let kept = 0
    for (const time of calendarTimes(calendar, earliest, offset)) {
      if (time > latest || kept >= count) break
      if (!keep(time)) continue
      found.add(time)
      kept += 1
    }
  }
  return [...found].sort((a, b) => a - b).slice(0, count)
}

/** Times of a calendar after `from`, in order: day by day, in the zone's own days. */
function* calendarTimes(fields: Fields, from: number, offset: (time: number) => number): Generator<number> {
  const day = new Date(from + offset(from))
  let at = Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate())
  for (let i = 0; i < MOST_DAYS; i++, at += 86_400_000) {
    if (!matchesDay(fields, new Date(at))) continue
    for (const hour of fields.hour) {
      for (const minute of fields.minute) {
        for (const second of fields.second) {
          const wall = at + ((hour * 60 + minute) * 60 + second) * 1000
          const time = instant(wall, offset)
          if (time !== undefined && time > from) yield time
        }
      }
    }
  }
}

/** The instant at which clocks of the zone show this; none in the hour that a change to summer time leaves out. */
function instant(wall: number, offset: (time: number) => number): number | undefined {
  for (const guess of [wall - offset(wall - 86_400_000), wall - offset(wall + 86_400_000), wall - offset(wall)]) {
    if (guess + offset(guess) === wall) return guess
  }
  return undefined
}

const local = (time: number, offset: (time: number) => number) => new Date(time + offset(time))

function matchesDay(fields: Fields, day: Date): boolean {
  return fields.dayOfMonth.has(day.getUTCDate()) && fields.month.has(day.getUTCMonth() + 1) && fields.dayOfWeek.has(day.getUTCDay())
    && (!fields.year || fields.year.has(day.getUTCFullYear()))
}

const matches = (fields: Fields, at: Date) =>
  matchesDay(fields, at) && fields.hour.includes(at.getUTCHours()) && fields.minute.includes(at.getUTCMinutes())
  && fields.second.includes(at.getUTCSeconds())

function fieldsOf(calendar: StructuredCalendar): Fields {
  const years = numbers(calendar.year, 2000, 2200)
  return {
    second: numbers(calendar.second, 0, 59) ?? [0],
    minute: numbers(calendar.minute, 0, 59) ?? [0],
    hour: numbers(calendar.hour, 0, 23) ?? [0],
    dayOfMonth: new Set(numbers(calendar.dayOfMonth, 1, 31) ?? span(1, 31)),
    month: new Set(numbers(calendar.month, 1, 12) ?? span(1, 12)),
    dayOfWeek: new Set((numbers(calendar.dayOfWeek, 0, 7) ?? span(0, 6)).map((day) => day % 7)),
    year: years && new Set(years),
  }
}

const span = (first: number, last: number, step = 1) => Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step)

function numbers(ranges: Range[] | undefined, least: number, most: number): number[] | undefined {
  if (!ranges?.length) return undefined
  const all = ranges.flatMap((range) => {
    const start = range.start ?? 0
    return span(Math.max(start, least), Math.min(Math.max(range.end ?? 0, start), most), range.step || 1)
  })
  return [...new Set(all)].sort((a, b) => a - b)
}

/** Five fields, six with a year, seven with seconds first. */
function cronFields(text: string): Fields {
  const [, zone] = /^(?:CRON_TZ|TZ)=(\S+)\s/.exec(text) ?? []
  if (zone) throw new BadSpec('write the time zone into its own field')
  const plain = text.replace(/#.*$/, '').trim()
  const parts = (MACROS[plain.toLowerCase()] ?? plain).split(/\s+/)
  if (parts.length < 5 || parts.length > 7) throw new BadSpec(`a cron string has five fields: minute hour day month weekday; "${plain}" has ${plain ? parts.length : 0}`)
  const withSeconds = parts.length === 7
  const [second, minute, hour, day, month, weekday, year] = withSeconds ? parts : ['0', ...parts]
  return {
    second: cronField(second!, 0, 59),
    minute: cronField(minute!, 0, 59),
    hour: cronField(hour!, 0, 23),
    dayOfMonth: new Set(cronField(day!, 1, 31)),
    month: new Set(cronField(month!, 1, 12, MONTHS, 1)),
    dayOfWeek: new Set(cronField(weekday!, 0, 7, DAYS, 0).map((one) => one % 7)),
    year: year && year !== '*' ? new Set(cronField(year, 2000, 2200)) : undefined,
  }
}

function cronField(text: string, least: number, most: number, names: string[] = [], first = 0): number[] {
  const value = (word: string) => {
    const named = names.indexOf(word.toLowerCase().slice(0, 3))
    const number = named >= 0 ? named + first : Number(word)
    if (!/^\d+$/.test(word) && named < 0) throw new BadSpec(`"${word}" is no number`)
    if (number < least || number > most) throw new BadSpec(`${word} is not between ${least} and ${most}`)
    return number
  }
  const all = text.split(',').flatMap((part) => {
    const [range = '', step] = part.split('/')
    const every = step === undefined ? 1 : Number(step)
    if (!(every >= 1)) throw new BadSpec(`"${part}" has no step`)
    const full = range === '*' || range === '?'
    const [from, to] = full ? [least, names === DAYS ? 6 : most] : range.split('-').map(value)
    return span(from!, to ?? (step === undefined ? from! : most), every)
  })
  return [...new Set(all)].sort((a, b) => a - b)
}

/** How far a zone's clocks are ahead of UTC at an instant, in milliseconds. */
function zoneOffset(zone: string): (time: number) => number {
  if (zone === 'UTC') return () => 0
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    })
  } catch {
    throw new BadSpec(`there is no time zone "${zone}"`)
  }
  return (time) => {
    const part = Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, Number(value)])) as Record<string, number>
    const wall = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!)
    return wall - Math.floor(time / 1000) * 1000
  }
}
