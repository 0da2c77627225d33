import { expect, test } from 'vitest'
import { base64, brief, decode, encodeJson, needsCodec } from './payload'

const payload = (encoding: string, data: string | number[]) => ({
  metadata: encoding ? { encoding: btoa(encoding) } : undefined,
  data: base64(typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data)),
})

test.each([
  ['json/plain', '{"id":9007199254740993}', '{\n  "id": 9007199254740993\n}', true],
  ['json/plain', '"<script>alert(1)</script>"', '"<script>alert(1)</script>"', true],
  ['json/plain', '{"broken', '{"broken', true],
  ['binary/null', '', 'null', true],
  ['', 'plain words', 'plain words', true],
  ['binary/plain', 'words', 'words', false],
])('%s %s', (encoding, data, text, readable) => expect(decode(payload(encoding, data))).toMatchObject({ text, readable }))

test('bytes that are no UTF-8 are shown as such', () => {
  const shown = decode(payload('json/plain', [0xff, 0xfe, 0x41]))
  expect(shown.readable).toBe(false)
  expect(shown.text).toMatch(/^000000  ff fe 41 +  \.\.A$/)
})

test('what is long is short in a table', () => {
  expect(brief(payload('json/plain', '"abc"'))).toBe('abc')
  expect(brief(payload('json/plain', `"${'x'.repeat(500)}"`)).length).toBeLessThan(130)
  expect(brief(payload('binary/encrypted', [1, 2, 3]))).toBe('binary/encrypted, 3 B')
})

test('a codec is needed for what is not of the usual encodings', () => {
  expect(needsCodec(payload('binary/encrypted', ''))).toBe(true)
  expect(needsCodec(payload('json/plain', ''))).toBe(false)
})

test('what is typed goes as it was typed', () => {
  expect(encodeJson('  ')).toBeUndefined()
  expect(() => encodeJson('{a}')).toThrow()
  expect(decode(encodeJson('12345678901234567890')!.payloads![0]!).text).toBe('12345678901234567890')
})
