"""Writes that go on while something happens to the nodes, and what became of them."""

import asyncio
import time
from dataclasses import dataclass, field

import grpc

from .rpc import Api, describe, start_request, unique


@dataclass
class Written:
    """What one address was asked."""

    acknowledged: list[str] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    slowest: float = 0.0
    last: float = field(default_factory=time.monotonic)
    longest_gap: float = 0.0

    def note(self, begin: float) -> None:
        now = time.monotonic()
        self.slowest = max(self.slowest, now - begin)
        self.longest_gap = max(self.longest_gap, now - self.last)
        self.last = now


class Writes:
    """Starts workflows through each address, one after the other, `writers` at a time, until it is left."""

    def __init__(self, addresses: list[str], writers: int = 2, timeout: float = 10, pause: float = 0.005):
        self.apis = [Api(address) for address in addresses]
        self.of = {address: Written() for address in addresses}
        self.writers, self.timeout, self.pause = writers, timeout, pause
        self.tasks: list[asyncio.Task] = []

    async def __aenter__(self) -> "Writes":
        self.tasks = [asyncio.create_task(self.write(api)) for api in self.apis for _ in range(self.writers)]
        return self

    async def __aexit__(self, *_) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for api in self.apis:
            await api.close()

    async def write(self, api: Api) -> None:
        told = self.of[api.address]
        while True:
            workflow_id, begin = unique("written"), time.monotonic()
            try:
                await api.call("StartWorkflowExecution", start_request(workflow_id, "nobody"), timeout=self.timeout)
                told.acknowledged.append(workflow_id)
                told.note(begin)
            except grpc.RpcError as error:
                told.failures.append((time.monotonic(), f"{error.code()} {error.details()}"))
                await asyncio.sleep(0.05)
            await asyncio.sleep(self.pause)

    def reset(self) -> None:
        """Forgets how long things took, not what was acknowledged."""
        for told in self.of.values():
            told.failures, told.slowest, told.longest_gap, told.last = [], 0.0, 0.0, time.monotonic()

    @property
    def acknowledged(self) -> list[str]:
        return [workflow_id for told in self.of.values() for workflow_id in told.acknowledged]


async def assert_there(address: str, workflow_ids: list[str]) -> None:
    """All that was acknowledged is there."""
    api = Api(address)
    try:
        for at in range(0, len(workflow_ids), 50):
            await asyncio.gather(*(describe(api, workflow_id) for workflow_id in workflow_ids[at : at + 50]))
    finally:
        await api.close()
