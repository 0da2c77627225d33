import { expect, test } from 'vitest'
import { nextTimes } from './preview'

const FROM = Date.parse('2026-11-30T12:00:00Z') // a Monday

const times = (spec: Parameters<typeof nextTimes>[0], count = 3, from = FROM) =>
  nextTimes(spec, from, count).map((time) => new Date(time).toISOString().replace(/:00\.000Z$/, 'Z').replace(/\.000Z$/, 'Z'))

test.each([
  ['30 2 * * MON-FRI', ['2026-12-01T02:30Z', '2026-12-02T02:30Z', '2026-12-03T02:30Z']],
  ['*/20 12 * * *', ['2026-11-30T12:20Z', '2026-11-30T12:40Z', '2026-12-01T12:00Z']],
  ['0 0 29 2 *', ['2028-02-29T00:00Z']],
  ['@hourly', ['2026-11-30T13:00Z', '2026-11-30T14:00Z', '2026-11-30T15:00Z']],
  ['0 9 * * 7', ['2026-12-06T09:00Z', '2026-12-13T09:00Z', '2026-12-20T09:00Z']],
  ['0 0 1 jan,jul *', ['2027-01-01T00:00Z', '2027-07-01T00:00Z', '2028-01-01T00:00Z']],
])('%s', (cron, expected) => expect(times({ cronString: [cron] })).toEqual(expected))

test('an interval counts from the epoch', () =>
  expect(times({ interval: [{ interval: '3600s', phase: '600s' }] })).toEqual(['2026-11-30T12:10Z', '2026-11-30T13:10Z', '2026-11-30T14:10Z']))

test('a calendar in a zone, over a change of its clocks', () =>
  expect(times({ structuredCalendar: [{ hour: [{ start: 2, end: 2 }], minute: [{ start: 30 }] }], timezoneName: 'Europe/Berlin' }, 3,
    Date.parse('2026-03-27T12:00:00Z'))).toEqual(['2026-03-28T01:30Z', '2026-03-30T00:30Z', '2026-03-31T00:30Z']))

test('what is excluded is left out, and the end ends it', () =>
  expect(times({
    cronString: ['0 0 * * *'], excludeStructuredCalendar: [{ dayOfWeek: [{ start: 3 }] }], endTime: '2026-12-03T12:00:00Z',
  })).toEqual(['2026-12-01T00:00Z', '2026-12-03T00:00Z']))

test.each([['* * *', 'five fields'], ['61 * * * *', 'between 0 and 59'], ['x * * * *', 'no number'], ['*/0 * * * *', 'no step']])(
  '%s is refused', (cron, words) => expect(() => times({ cronString: [cron] })).toThrow(words))

test('a zone that is none is refused', () => expect(() => times({ cronString: ['@daily'], timezoneName: 'Mars/Olympus' })).toThrow('Mars/Olympus'))
