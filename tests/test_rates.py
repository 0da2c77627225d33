"""Rate limits of task queues (F74): they hold over the polls of all nodes, and when the queue's home moves."""

import asyncio
import itertools
import time

import grpc
import pytest
from google.protobuf.wrappers_pb2 import DoubleValue
from temporalio.api.enums.v1 import EventType, RateLimitSource, TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit, TaskQueue, TaskQueueMetadata
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster
from harness.hand import Hand, activity
from harness.rpc import Api

RATE = 10
TASKS = 60
DEADLINE_S = 60


@pytest.fixture
def own(tmp_path, request):
    """Three nodes to be hurt."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        yield cluster


class Workers:
    """Polls at every node, and answers at once what they get."""

    def __init__(self, apis: list[Api], hand: Hand, wanted: float):
        self.hand = hand
        metadata = TaskQueueMetadata(max_tasks_per_second=DoubleValue(value=wanted))
        self.request = w.PollActivityTaskQueueRequest(
            namespace=hand.namespace, task_queue=TaskQueue(name=hand.queue), identity="worker",
            task_queue_metadata=metadata,
        )
        self.loops = [asyncio.create_task(self.work(api)) for api in apis for _ in range(3)]

    async def work(self, api: Api) -> None:
        hand = Hand([api])
        while True:
            try:
                task = await api.call("PollActivityTaskQueue", self.request, 10)
                if task.task_token:
                    await hand.complete_activity(task)
            except grpc.RpcError:
                await asyncio.sleep(0.1)  # Its node is down.

    async def until(self, wanted: int) -> None:
        """Counts in the history: the answer to a completion may get lost with its node."""
        deadline = time.monotonic() + DEADLINE_S
        while (done := await self.done()) < wanted:
            assert time.monotonic() < deadline, f"{done} of {wanted} activities"
            await asyncio.sleep(0.05)

    async def done(self) -> int:
        try:
            events = await self.hand.events()
        except grpc.RpcError:
            return 0  # Its node is down.
        return sum(event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED for event in events)

    async def stop(self) -> None:
        for loop in self.loops:
            loop.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)


def started_at(events) -> list[float]:
    started = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    return sorted(e.event_time.ToNanoseconds() / 1e9 for e in events if e.event_type == started)


def check_rate(at: list[float]) -> None:
    """No stretch of time holds more starts than the rate, what a second saves up, and one.

    The new home begins with nothing saved up, and so the sum holds across its beginning, too. Starts are stamped by the
    clocks of several leaders of one machine when the home's decision has reached them: half a second is allowed for
    decisions that were held up and then overtaken."""
    for first, begin in enumerate(at):
        for last in range(first, len(at)):
            most = RATE * (at[last] - begin + 1.5) + 1
            assert last - first + 1 <= most, f"{last - first + 1} starts in {at[last] - begin:.2f} s: {at}"


@pytest.mark.tenure
@pytest.mark.own_cluster
@pytest.mark.parametrize("source", ["worker", "operator"])
async def test_limit_holds_over_all_nodes_and_through_the_loss_of_the_home(own, source):
    apis = [Api(address) for address in own.addresses]
    hand = Hand(apis)
    if source == "operator":
        update = w.UpdateTaskQueueConfigRequest.RateLimitUpdate(rate_limit=RateLimit(requests_per_second=RATE))
        await apis[0].call("UpdateTaskQueueConfig", w.UpdateTaskQueueConfigRequest(
            namespace=hand.namespace, task_queue=hand.queue, identity="operator",
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, update_queue_rate_limit=update,
        ))
    home = own.node(own.locate(hand.queue)["leader"])
    workers = Workers(apis, hand, RATE if source == "worker" else 1000)
    try:
        await hand.start()
        options = {"attempts": 5, "start_to_close": 10}
        await hand.step(*[activity(f"a{n}", hand.queue, **options) for n in range(TASKS)])
        await workers.until(TASKS // 3)
        home.kill()
        await workers.until(TASKS)
    finally:
        await workers.stop()
    hand.apis = itertools.cycle(api for api, node in zip(apis, own.nodes) if node is not home)
    check_rate(started_at(await hand.events()))
    described = await hand.api.call("DescribeTaskQueue", w.DescribeTaskQueueRequest(
        namespace=hand.namespace, task_queue=TaskQueue(name=hand.queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, report_config=True,
    ))
    by = {"worker": RateLimitSource.RATE_LIMIT_SOURCE_WORKER, "operator": RateLimitSource.RATE_LIMIT_SOURCE_API}
    assert described.effective_rate_limit.rate_limit_source == by[source]
    assert described.effective_rate_limit.requests_per_second == RATE
    assert described.HasField("config") == (source == "operator")
