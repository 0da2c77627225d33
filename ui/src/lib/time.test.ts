import { expect, test } from 'vitest'
import { formatDuration, formatRelative, formatTime, parse, parseDuration } from './time'

test.each([
  [0, '0 ms'], [250, '250 ms'], [1500, '1.5s'], [2000, '2s'], [65_000, '1m 5s'], [3_600_000, '1h'], [3_605_000, '1h'],
  [90_061_000, '1d 1h'], [-1500, '-1.5s'], [59_900, '1m'],
])('%d ms', (value, expected) => expect(formatDuration(value)).toBe(expected))

test.each([['90', 90], ['1h30m', 5400], ['2 d', 172800], ['1.5h', 5400], ['', undefined], ['soon', undefined], ['5x', undefined]])(
  '%s', (text, expected) => expect(parseDuration(text)).toBe(expected))

test('times', () => {
  expect(formatTime(Date.UTC(2026, 0, 2, 3, 4, 5, 6), true, true)).toBe('2026-01-02 03:04:05.006')
  expect(formatRelative(10_000, 4_000)).toBe('in 6s')
  expect(formatRelative(10_000, 70_000)).toBe('1m ago')
  expect(parse('0001-01-01T00:00:00Z')).toBeUndefined()
})
