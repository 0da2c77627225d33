"""The servers that scenarios are played on, with the same limits, and the mover of leaders."""

import asyncio
import random
from pathlib import Path

from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster, Oracle
from harness.rpc import Api

# Of ours, and the reference's dynamic configuration that means the same: small enough for a scenario to reach.
SETTINGS = ""
REFERENCE: dict[str, str] = {
    "frontend.enableCancelWorkerPollsOnShutdown": "true",
    "frontend.WorkflowPauseEnabled": "true",
}


def reference(directory: Path) -> Oracle:
    return Oracle(directory / "reference", configuration=REFERENCE)


def version_of(server: Oracle) -> str:
    async def ask() -> str:
        api = Api(server.addresses[0])
        try:
            return (await api.call("GetSystemInfo", w.GetSystemInfoRequest())).server_version
        finally:
            await api.close()

    return asyncio.run(ask())


class Shake:
    """Hands a random shard to a random node, again and again."""

    PAUSE_S = (0.5, 2.5)

    def __init__(self, cluster: Cluster, seed: int):
        self.cluster = cluster
        self.random = random.Random(seed)
        self.moved = 0

    async def __aenter__(self) -> "Shake":
        self.task = asyncio.create_task(self.move())
        return self

    async def __aexit__(self, *_) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def move(self) -> None:
        shards = sorted(await asyncio.to_thread(self.cluster.leaders))
        while True:
            await asyncio.sleep(self.random.uniform(*self.PAUSE_S))
            shard, node = self.random.choice(shards), self.random.choice(self.cluster.nodes)
            if await asyncio.to_thread(self.cluster.transfer_leader, shard, node):
                self.moved += 1
