"""Many streams of what nobody can want (F6): a node's memory stays within bounds, it stays up, and others' calls get through."""

import asyncio
import contextlib
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor

import grpc
import pytest
import pytest_asyncio
from temporalio.api.common.v1.message_pb2 import Payload, Payloads
from temporalio.api.workflowservice.v1.request_response_pb2 import SignalWorkflowExecutionRequest

from harness.cluster import Cluster
from harness.hand import Hand
from harness.rpc import Api

pytestmark = [pytest.mark.tenure, pytest.mark.alone]

MIB = 1 << 20
STREAMS = 200
METHOD = "/temporal.api.workflowservice.v1.WorkflowService/SignalWorkflowExecution"
OWN_POOL = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1), ("grpc.enable_retries", 0)]
# Twice what a node takes; as a gzip stream it is a thousandth.
BOMB = bytes(8 * MIB)
# A field of a length that is not there.
GARBAGE = b"\x0a\xff\xff\xff\x7f" + os.urandom(MIB)
# Input of 1.5 million empty payloads, two bytes each, which take a hundred once they are decoded.
SWOLLEN = SignalWorkflowExecutionRequest(input=Payloads(payloads=[Payload()] * 1_500_000)).SerializeToString()
# What all requests in progress may take, and as much again for what allocators keep.
GROWTH = 200 * MIB
UNNOTICED = 1.0


@pytest.fixture(scope="module")
def stormed(directory):
    with Cluster(directory / "streams") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stormed_apis(stormed):
    apis = [Api(address) for address in stormed.addresses]
    yield apis
    for api in apis:
        await api.close()


async def bomb(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary(METHOD)(BOMB, timeout=30, compression=grpc.Compression.Gzip)


async def garbage(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary(METHOD)(GARBAGE, timeout=30)


async def unended(channel: grpc.aio.Channel) -> None:
    """A message, and then nothing: the stream stays open until the caller gives up."""

    async def messages():
        yield bytes(3 * MIB)
        await asyncio.sleep(60)

    await channel.stream_unary(METHOD)(messages(), timeout=2)


async def swollen(channel: grpc.aio.Channel) -> None:
    await channel.unary_unary(METHOD)(SWOLLEN, timeout=30)


async def storm(kind, address: str, connections: int) -> list[str]:
    """The codes that so many streams were answered with."""
    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OWN_POOL))
            for _ in range(connections)
        ]
        calls = [kind(channels[n % connections]) for n in range(STREAMS)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    return [answer.code().name for answer in answers]


def storm_elsewhere(*arguments) -> list[str]:
    """In a process of its own: who zips bombs has no time to measure anything beside."""
    return asyncio.run(storm(*arguments))


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def slow_syncs(cluster: Cluster) -> int:
    """Syncs of all nodes' logs that took longer than a quarter of a second. Storms write nothing: it is the disk that was slow."""
    syncs = 'tenure_log_sync_seconds_bucket{le="%s"}'
    samples = [node.metrics() for node in cluster.nodes]
    return int(sum(sample[syncs % "+Inf"] - sample[syncs % "0.25"] for sample in samples))


async def every(seconds: float, do):
    while True:
        await do()
        await asyncio.sleep(seconds)


@pytest.mark.parametrize("connections", [1, 50])
@pytest.mark.parametrize("kind", [bomb, garbage, unended, swollen], ids=lambda kind: kind.__name__)
async def test_memory_is_bounded_and_others_get_through(stormed, stormed_apis, kind, connections):
    node = stormed.nodes[0]
    before, leaders, slow = resident(node.pid), stormed.leaders(), slow_syncs(stormed)
    other = Hand(stormed_apis[:1])
    await other.start()
    took: list[float] = []
    sizes: list[int] = []

    async def signal():
        begin = time.monotonic()
        await other.signal("s")
        took.append(time.monotonic() - begin)

    async def look():
        sizes.append(resident(node.pid))

    beside = [asyncio.ensure_future(every(0.1, signal)), asyncio.ensure_future(every(0.02, look))]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
        loop = asyncio.get_running_loop()
        codes = await loop.run_in_executor(elsewhere, storm_elsewhere, kind, node.address, connections)
    for task in beside:
        task.cancel()
    failed = [r for r in await asyncio.gather(*beside, return_exceptions=True) if not isinstance(r, asyncio.CancelledError)]
    assert not failed, failed

    codes, slow = sorted(set(codes)), slow_syncs(stormed) - slow
    print(f"{STREAMS} streams of {kind.__name__} over {connections} connections: {codes}; "
          f"memory {before / MIB:.0f} MiB, at most {max(sizes) / MIB:.0f}; "
          f"{len(took)} signals beside, the slowest {max(took):.2f} s; {slow} slow syncs")
    # CANCELLED: the caller gave up while it was sending.
    assert set(codes) <= {"RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED", "CANCELLED"}
    assert node.running and stormed.leaders() == leaders
    assert max(sizes) - before < GROWTH
    # Two of three nodes have to sync a signal.
    assert sorted(took)[-1 - min(slow // 2, 3)] < UNNOTICED
