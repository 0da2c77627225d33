//! What is wrong with a cluster, in words: what somebody who was woken up should read first.

import type { ClusterDescription, ClusterNode } from '../api/types'
import { formatBytes } from '../payload'

export interface Finding {
  severe: boolean
  text: string
}

/** A node is slow where its syncs take so many times as long as those of the middle node, and this long at least. */
const SLOW_TIMES = 4
const SLOW_MS = 20
const LITTLE_DISK = 2 ** 30
const MUCH_LAG = 1000
const CLOCK_MS = 500

export function judge({ nodes = [], shards = [] }: ClusterDescription): Finding[] {
  const findings: Finding[] = []
  const say = (severe: boolean, text: string) => findings.push({ severe, text })
  const dead = nodes.filter((node) => !node.reachable)
  for (const node of dead) say(true, `Node ${node.id} does not answer${node.reason ? `: ${node.reason}` : ''}.`)
  if (dead.length * 2 > nodes.length) say(true, 'Most nodes are away: nothing can be written until they are back.')
  for (const node of nodes) {
    if (node.reachable && node.ready === false) say(true, `Node ${node.id} is not ready${node.readyReason ? `: ${node.readyReason}` : ''}.`)
    if (node.reachable && node.diskFreeBytes !== undefined && Number(node.diskFreeBytes) < LITTLE_DISK) say(true, `Node ${node.id} has ${formatBytes(node.diskFreeBytes)} of disk left.`)
    if (Math.abs(node.clockOffsetMs ?? 0) > CLOCK_MS) say(false, `The clock of node ${node.id} is off by ${Math.round(node.clockOffsetMs!)} ms.`)
  }
  const slow = slowest(nodes)
  if (slow) say(false, slow)
  const leaderless = shards.filter((shard) => !Number(shard.leader ?? 0))
  if (leaderless.length) say(true, `${leaderless.length === 1 ? 'Shard' : 'Shards'} ${leaderless.map((shard) => shard.id).join(', ')} ${leaderless.length === 1 ? 'has' : 'have'} no leader.`)
  const alive = new Set(nodes.filter((node) => node.reachable).map((node) => String(node.id)))
  const behind = shards.flatMap((shard) => (shard.replicas ?? []).filter((one) => alive.has(String(one.node)) && Number(one.lag ?? 0) > MUCH_LAG).map((one) => ({ shard, one })))
  for (const { shard, one } of behind) say(false, `Node ${one.node} is ${Number(one.lag).toLocaleString('en')} entries behind in shard ${shard.id}.`)
  return findings.sort((a, b) => Number(b.severe) - Number(a.severe))
}

/** Which node is slow, and what its disk and its processor say to that. */
function slowest(nodes: ClusterNode[]): string | undefined {
  const known = nodes.filter((node) => node.reachable && node.syncP99Ms !== undefined).sort((a, b) => a.syncP99Ms! - b.syncP99Ms!)
  const worst = known.at(-1)
  const middle = known[Math.floor((known.length - 1) / 2)]
  if (!worst || !middle || worst === middle || worst.syncP99Ms! < SLOW_MS || worst.syncP99Ms! < SLOW_TIMES * middle.syncP99Ms!) return undefined
  const why = (worst.cpuShare ?? 0) > 0.9 ? 'its processor is busy' : 'its disk is slow'
  return `Node ${worst.id} is slow: its log takes ${Math.round(worst.syncP99Ms!)} ms to sync (p99), the others' ${Math.round(middle.syncP99Ms!)} ms; ${why}.`
}
