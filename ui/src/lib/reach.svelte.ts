//! Whether the node that this page came from answers; and where else the page could be had, should it not.

import { describeCluster } from './api/calls'
import { onReach } from './api/client'

class Reach {
  reached = $state(true)
  /** Addresses of other nodes, as the cluster told them while it could be asked. */
  others = $state.raw<string[]>([])

  constructor() {
    onReach.tell = (reached) => (this.reached = reached)
  }

  async learnOthers(): Promise<void> {
    try {
      const { nodes = [] } = await describeCluster()
      this.others = nodes.map((node) => node.httpAddress ?? '').filter((address) => address && address !== location.host)
    } catch {
      // A server without this call has no other nodes to name.
    }
  }
}

export const reach = new Reach()
