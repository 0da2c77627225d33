"""What workers say of themselves, as the official SDK and CLI see it; and what becomes of it when leaders move and when it
is garbage. Our own command has its tests in `test_commands.py`, the SDK for Rust in its crate."""

import asyncio
import time
from datetime import timedelta

import grpc
import pytest
from temporalio import activity, workflow
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness.cli import Cli
from harness.rpc import unique

INTERVAL_S = 1


@activity.defn
async def shout(text: str) -> str:
    return text.upper()


@workflow.defn
class Shouting:
    @workflow.run
    async def run(self, text: str) -> str:
        return await workflow.execute_activity(shout, text, start_to_close_timeout=timedelta(seconds=20))


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return Runtime(telemetry=TelemetryConfig(), worker_heartbeat_interval=timedelta(seconds=INTERVAL_S))


async def eventually(look, seconds: float = 30):
    """The first value that is something."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.1)
    return found


async def listed(api, queue: str, namespace: str = "default") -> list:
    request = w.ListWorkersRequest(namespace=namespace, query=f"TaskQueue = '{queue}'")
    return list((await api.call("ListWorkers", request)).workers)


async def say(api, *workers: WorkerHeartbeat, namespace: str = "default", timeout: float = 10):
    request = w.RecordWorkerHeartbeatRequest(namespace=namespace, worker_heartbeat=workers)
    await api.call("RecordWorkerHeartbeat", request, timeout)


async def test_the_official_cli_shows_workers_of_the_official_sdk(cluster, apis, runtime):
    queue, cli = unique("workers"), Cli(cluster.addresses)
    client = await Client.connect(cluster.addresses[0], runtime=runtime, identity="somebody")
    worker = Worker(client, task_queue=queue, workflows=[Shouting], activities=[shout], max_concurrent_activities=7,
                    workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        done = await client.execute_workflow(Shouting.run, "a", id=unique("shouting"), task_queue=queue)
        assert done == "A"

        async def described():
            found = await cli("worker", "list", "--query", f"TaskQueue = '{queue}'")
            if not found:
                return None
            [key] = [each["workerHeartbeat"]["workerInstanceKey"] for each in found]
            shown = await cli("worker", "describe", "--worker-instance-key", key)
            beat = shown["workerHeartbeat"]
            return beat if beat["activityTaskSlotsInfo"].get("totalProcessedTasks") == 1 else None

        beat = await eventually(described)
        assert beat["workerIdentity"] == "somebody" and beat["sdkName"] == "temporal-python", beat
        assert beat["status"] == "WORKER_STATUS_RUNNING" and beat["taskQueue"] == queue, beat
        assert beat["activityTaskSlotsInfo"]["currentAvailableSlots"] == 7, beat
        for api in apis:
            assert [found.worker_instance_key for found in await listed(api, queue)] == [beat["workerInstanceKey"]]
    [gone] = await listed(apis[0], queue)
    assert gone.status == 2, "it said that it shuts down"


@pytest.mark.tenure
async def test_a_worker_is_known_again_after_its_queue_moved(cluster, apis, runtime):
    queue = unique("moved")
    client = await Client.connect(cluster.addresses[0], runtime=runtime)
    async with Worker(client, task_queue=queue, activities=[shout]):
        before = await eventually(lambda: listed(apis[0], queue))
        for turn in (1, 2):
            for shard, leader in cluster.leaders().items():
                other = cluster.node(leader % 3 + 1)
                assert cluster.transfer_leader(shard, other), f"shard {shard} to {other.number}"
            for api in apis:
                after = await eventually(lambda api=api: listed(api, queue), 10 + INTERVAL_S)
                assert [it.worker_instance_key for it in after] == [before[0].worker_instance_key], turn


def heartbeat(key: str, queue: str, **fields) -> WorkerHeartbeat:
    return WorkerHeartbeat(worker_instance_key=key, task_queue=queue, **fields)


@pytest.mark.tenure
async def test_garbage_is_refused_with_its_cause_and_harms_nobody(cluster, apis):
    queue, api = unique("garbage"), apis[0]
    for workers, cause in [
        ([heartbeat("", queue)], "WorkerInstanceKey is not set"),
        ([heartbeat("fine", queue), WorkerHeartbeat()], "WorkerInstanceKey is not set"),
        ([heartbeat("k" * 1001, queue)], "WorkerInstanceKey length exceeds limit"),
        ([heartbeat("k", "q" * 1001)], "TaskQueue length exceeds limit"),
        ([heartbeat("k", queue, worker_identity="x" * 70_000)], "is larger than 65536 bytes"),
        ([heartbeat("k", queue, sdk_name="x" * 10_000_000)], "larger than max"),
    ]:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await say(api, *workers, timeout=30)
        assert cause in refused.value.details(), refused.value
    assert await listed(api, queue) == [], "nothing of a request that was refused is kept"
    for query, cause in [
        ("Foo = 1", "invalid search attribute: Foo"),
        ("TaskQueue = 'q' ORDER BY StartTime", "'ORDER BY' clause"),
        ("(" * 10_000, "parentheses"),
        ("TaskQueue = '" + "x" * 1_000_000 + "'", "is longer than"),
        ("\0", "syntax error"),
    ]:
        for method in ("ListWorkers", "CountWorkers"):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await api.call(method, getattr(w, f"{method}Request")(namespace="default", query=query))
            assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT and cause in refused.value.details(), query
    for node in cluster.nodes:
        assert node.ready


@pytest.mark.tenure
async def test_a_thousand_workers_in_one_request_come_in_pages_from_any_node(cluster, apis):
    queue = unique("many")
    keys = [f"{queue}-{number:04}" for number in range(1000)]
    before = sum(node.total("tenure_worker_heartbeats_total") for node in cluster.nodes)
    await say(apis[0], *[heartbeat(key, queue, total_sticky_cache_hit=-1, status=99) for key in keys])
    found, token, pages = [], b"", 0
    while token or not pages:
        request = w.ListWorkersRequest(namespace="default", query=f"TaskQueue = '{queue}'", page_size=300,
                                       next_page_token=token)
        page = await apis[pages % 3].call("ListWorkers", request)
        found += [it.worker_instance_key for it in page.workers]
        token, pages = page.next_page_token, pages + 1
    assert found == keys and pages == 4
    count = await apis[1].call("CountWorkers", w.CountWorkersRequest(namespace="default", query=f"TaskQueue = '{queue}'"))
    assert count.count == 1000
    assert sum(node.total("tenure_worker_heartbeats_total") for node in cluster.nodes) - before >= 1000

    async def counted():
        return sum(node.total("tenure_workers_known") for node in cluster.nodes) >= 1000

    await eventually(counted)
