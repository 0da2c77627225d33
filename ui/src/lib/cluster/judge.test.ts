import { expect, test } from 'vitest'
import { judge } from './judge'

const node = (id: number, more = {}) => ({ id, reachable: true, ready: true, syncP99Ms: 3, diskFreeBytes: '99999999999', ...more })
const shard = (id: number, leader: number, lag = '0') => ({ id, leader, replicas: [1, 2, 3].map((one) => ({ node: one, lag: one === 3 ? lag : '0' })) })

test('nothing is wrong', () => expect(judge({ nodes: [node(1), node(2), node(3)], shards: [shard(0, 1), shard(1, 2)] })).toEqual([]))

test.each([
  [{ nodes: [node(1), node(2), node(3, { reachable: false, reason: 'connection refused' })] }, 'Node 3 does not answer: connection refused.'],
  [{ nodes: [node(1), node(2, { ready: false, readyReason: 'no leader' }), node(3)] }, 'Node 2 is not ready: no leader.'],
  [{ nodes: [node(1), node(2), node(3, { syncP99Ms: 80 })] }, "Node 3 is slow: its log takes 80 ms to sync (p99), the others' 3 ms; its disk is slow."],
  [{ nodes: [node(1), node(2), node(3, { syncP99Ms: 80, cpuShare: 0.99 })] }, "Node 3 is slow: its log takes 80 ms to sync (p99), the others' 3 ms; its processor is busy."],
  [{ nodes: [node(1, { diskFreeBytes: '1048576' }), node(2), node(3)] }, 'Node 1 has 1.0 MiB of disk left.'],
  [{ nodes: [node(1), node(2), node(3)], shards: [shard(4, 0)] }, 'Shard 4 has no leader.'],
  [{ nodes: [node(1), node(2), node(3)], shards: [shard(4, 1, '2500')] }, 'Node 3 is 2,500 entries behind in shard 4.'],
  [{ nodes: [node(1), node(2, { clockOffsetMs: -900 }), node(3)] }, 'The clock of node 2 is off by -900 ms.'],
])('%#', (cluster, text) => expect(judge(cluster).map((finding) => finding.text)).toEqual([text]))
