//! What stands in a payload, as text for people. A payload is a stranger's: it is text to us, whatever it says.

import { layOut } from './json'
import type { Payload, Payloads } from './api/types'

export interface Decoded {
  encoding: string
  /** What to show. */
  text: string
  /** Whether `text` is what the payload means, and not its bytes. */
  readable: boolean
  /** Of its data, in bytes. */
  size: number
}

export function bytes(base64: string | undefined): Uint8Array<ArrayBuffer> {
  const binary = atob((base64 ?? '').replaceAll('-', '+').replaceAll('_', '/'))
  const out = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i)
  return out
}

export function base64(data: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < data.length; at += 0x8000) binary += String.fromCharCode(...data.subarray(at, at + 0x8000))
  return btoa(binary)
}

/** The text that bytes are in UTF-8, or undefined. */
export function utf8(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data)
  } catch {
    return undefined
  }
}

export const encodingOf = (payload: Payload) => utf8(bytes(payload.metadata?.encoding)) ?? ''

/** Whether only a codec server can tell what it means. */
export const needsCodec = (payload: Payload) => !['json/plain', 'json/protobuf', 'binary/plain', 'binary/null', 'binary/protobuf', ''].includes(encodingOf(payload))

export function decode(payload: Payload): Decoded {
  const encoding = encodingOf(payload)
  const data = bytes(payload.data)
  const size = data.length
  if (encoding === 'binary/null') return { encoding, text: 'null', readable: true, size }
  const text = utf8(data)
  if (text !== undefined && encoding.startsWith('json/')) return { encoding, text: layOut(text), readable: true, size }
  if (text !== undefined && isPrintable(text)) return { encoding, text, readable: encoding === '', size }
  return { encoding, text: hex(data), readable: false, size }
}

/** One short line, for tables. */
export function brief(payload: Payload | undefined, limit = 120): string {
  if (!payload) return ''
  const { text, readable, encoding, size } = decode(payload)
  if (!readable) return `${encoding || 'bytes'}, ${formatBytes(size)}`
  const line = text.replace(/\s+/g, ' ')
  const plain = /^"(?:[^"\\])*"$/.test(line) ? line.slice(1, -1) : line
  return plain.length > limit ? `${plain.slice(0, limit)} …` : plain
}

export const briefly = (payloads: Payloads | undefined, limit = 120) => (payloads?.payloads ?? []).map((one) => brief(one, limit)).join(', ')

/** The value of a search attribute as a person would write it. */
export function attribute(payload: Payload): string {
  const { text, encoding } = decode(payload)
  if (encoding.startsWith('json/') && text.startsWith('[')) {
    const all: unknown = JSON.parse(text)
    if (Array.isArray(all) && all.every((one) => typeof one === 'string')) return all.join(', ')
  }
  return brief(payload, 200)
}

function isPrintable(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return !/[\x00-\x08\x0e-\x1f]/.test(text)
}

const HEX_ROWS = 256

/** Sixteen bytes a line, with their offset and what of them is ASCII. */
export function hex(data: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < data.length && lines.length < HEX_ROWS; at += 16) {
    const row = Array.from(data.subarray(at, at + 16))
    const digits = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const ascii = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(47)}  ${ascii}`)
  }
  if (data.length > HEX_ROWS * 16) lines.push(`… ${formatBytes(data.length)} in all`)
  return lines.join('\n')
}

/** A payload of what somebody typed: JSON, or nothing at all. */
export function encodeJson(text: string): Payloads | undefined {
  if (!text.trim()) return undefined
  JSON.parse(text)
  return { payloads: [{ metadata: { encoding: btoa('json/plain') }, data: base64(new TextEncoder().encode(text.trim())) }] }
}

export function formatBytes(size: number | string | undefined): string {
  let value = Number(size ?? 0)
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024 || unit === 'GiB') return `${unit === 'B' ? value : value.toFixed(value < 10 ? 1 : 0)} ${unit}`
    value /= 1024
  }
  return ''
}
