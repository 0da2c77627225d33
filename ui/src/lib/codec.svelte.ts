//! Payloads that only their owner can read go through the codec server that the configuration names, as in the official UI:
//! `POST {endpoint}/decode`. The page may ask no other host: its Content-Security-Policy names this one.

import { server } from './settings.svelte'
import type { Payload } from './api/types'
import { decode, needsCodec } from './payload'

export const codec = {
  get endpoint(): string {
    return server.settings.codec?.endpoint?.replace(/\/+$/, '') ?? ''
  },
}

export const decodeRemotely = (namespace: string, payloads: Payload[]) => convert('decode', namespace, payloads)

/** What is sent to a workflow whose payloads are encoded. */
export const encodeRemotely = (namespace: string, payloads: Payload[]) => convert('encode', namespace, payloads)

/** What a failure's encoded attributes say: its message and its stack trace. */
export async function readAttributes(namespace: string, payload: Payload): Promise<{ message?: unknown; stack_trace?: unknown }> {
  const [plain] = codec.endpoint && needsCodec(payload) ? await decodeRemotely(namespace, [payload]) : [payload]
  const read: unknown = JSON.parse(decode(plain ?? payload).text)
  return typeof read === 'object' && read !== null ? read : {}
}

async function convert(verb: string, namespace: string, payloads: Payload[]): Promise<Payload[]> {
  const response = await fetch(`${codec.endpoint}/${verb}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Namespace': namespace },
    credentials: server.settings.codec?.includeCredentials ? 'include' : 'omit',
    body: JSON.stringify({ payloads }),
  })
  if (!response.ok) throw new Error(`the codec server answers ${response.status}`)
  const answer = (await response.json()) as { payloads?: Payload[] }
  return answer.payloads ?? []
}
