//! What somebody typed, as payloads on their way to a workflow.

import type { Payloads } from './api/types'
import { codec, encodeRemotely } from './codec.svelte'
import { encodeJson } from './payload'

export async function toPayloads(namespace: string, text: string): Promise<Payloads | undefined> {
  const plain = encodeJson(text)
  if (!plain || !codec.endpoint) return plain
  return { payloads: await encodeRemotely(namespace, plain.payloads!) }
}
