//! Asks the server: its JSON API below /api/v1, and its own below /tenure/api/v1. Payloads always come and go in their long
//! form ({metadata, data} in base64), so that no digit of a number is lost on the way.

const SHORTHAND_OFF = 'application/json+no-payload-shorthand'

/** An answer that is not what was asked for; `code` is that of gRPC. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: number,
    readonly status: number,
    readonly details: unknown[] = [],
  ) {
    super(message)
  }

  /** The server has no such thing, or does not know the call (an older version, the reference server). */
  get notFound(): boolean {
    return this.code === 5 || this.status === 404
  }

  get absent(): boolean {
    return this.code === 12 || this.status === 501 || (this.status === 404 && this.code !== 5) || this.status === 405
  }
}

/** No answer at all: the node is gone, or the way to it. */
export class Unreachable extends Error {}

export type Query = Record<string, string | number | boolean | undefined>

/** Told after each call: whether the server answers. */
export const onReach: { tell: (reached: boolean) => void } = { tell: () => {} }

export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return call<T>('GET', path, query, undefined, signal)
}

export function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return call<T>('POST', path, {}, body, signal)
}

export function remove<T>(path: string, query: Query = {}): Promise<T> {
  return call<T>('DELETE', path, query)
}

/** One segment of a path; an id may have a slash in it. */
export const segment = encodeURIComponent

async function call<T>(method: string, path: string, query: Query, body?: unknown, signal?: AbortSignal): Promise<T> {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') search.set(name, String(value))
  }
  const url = search.size ? `${path}?${search}` : path
  let response: Response
  try {
    response = await fetch(url, {
      method,
      signal,
      headers: { Accept: SHORTHAND_OFF, ...(body === undefined ? {} : { 'Content-Type': SHORTHAND_OFF }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
  } catch (error) {
    if (signal?.aborted) throw error
    onReach.tell(false)
    throw new Unreachable('The server does not answer.')
  }
  const text = await response.text()
  // A proxy in front of a node that is gone answers so, and not in JSON.
  onReach.tell(!(response.status === 502 || response.status === 504) || text.startsWith('{'))
  if (!response.ok) throw failure(response.status, text)
  try {
    return (text ? JSON.parse(text) : {}) as T
  } catch {
    throw new ApiError('The answer is no JSON: is this address a Tenure server?', 12, 404)
  }
}

function failure(status: number, text: string): ApiError {
  try {
    const { message, code, details } = JSON.parse(text)
    return new ApiError(message || `HTTP ${status}`, code ?? 2, status, details)
  } catch {
    return new ApiError(text.slice(0, 200) || `HTTP ${status}`, 2, status)
  }
}

/** What a person is told of an error. */
export function explain(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A random id; `crypto.randomUUID` is only there on HTTPS and on this machine. */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
