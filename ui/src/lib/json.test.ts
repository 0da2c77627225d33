import { expect, test } from 'vitest'
import { layOut } from './json'

test.each([
  ['{}', '{}'],
  ['[ ]', '[]'],
  ['12345678901234567890', '12345678901234567890'],
  ['{"a":9007199254740993,"b":[1,{"c":null}]}', '{\n  "a": 9007199254740993,\n  "b": [\n    1,\n    {\n      "c": null\n    }\n  ]\n}'],
  ['"a \\" , { b"', '"a \\" , { b"'],
  ['{ "a" : "x:y" }', '{\n  "a": "x:y"\n}'],
])('%s is laid out', (text, expected) => expect(layOut(text)).toBe(expected))

test('what is no JSON stays as it is', () => expect(layOut('{a: 1}')).toBe('{a: 1}'))

test('what is laid out means the same', () => {
  const value = { a: [[], {}, [1.5e-7, true]], 'k"': 'ü\n', nested: { deep: [{ x: [] }] } }
  expect(JSON.parse(layOut(JSON.stringify(value)))).toEqual(value)
})

test('two megabytes take no second', () => {
  const text = JSON.stringify(Array.from({ length: 60_000 }, (_, i) => ({ id: i, name: `order ${i}` })))
  expect(text.length).toBeGreaterThan(2_000_000)
  const started = performance.now()
  layOut(text)
  expect(performance.now() - started).toBeLessThan(1000)
})
