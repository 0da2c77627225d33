"""What waits is done: packets get lost in one direction only, nodes with polls die, leaders move under queries.

An activity has one attempt and hours of time wherever nothing may cost it that attempt: one that got lost would never end.
"""

import asyncio
import random
import time

import grpc
import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster, wait_until
from harness.hand import Hand, activity, complete_workflow, query_result
from harness.rpc import Api, execution, history, names, start_request, unique

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster]

SWEEP_OFTEN = '[runtime]\nsweep_interval = "1s"\n'
OVER = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


@pytest.fixture
def seed(request, say) -> int:
    seed = request.config.getoption("--seed")
    seed = random.randrange(1 << 32) if seed is None else seed
    say(f"seed {seed}")
    return seed


@pytest.fixture
def own(tmp_path, request):
    """Three nodes to be hurt, which sweep once a second."""
    with Cluster(tmp_path / "cluster", settings=SWEEP_OFTEN) as cluster:
        request.node.servers = cluster
        yield cluster


class Crowd:
    """Workflows of one activity each on queues of all homes, and workers at every address that go on whatever fails."""

    QUEUES, EACH = 12, 3

    def __init__(self, cluster: Cluster, seed: int, **of_activity):
        self.random = random.Random(seed)
        self.apis = [Api(address) for address in cluster.addresses]
        self.queues = [unique("q") for _ in range(self.QUEUES)]
        self.of_activity = of_activity
        self.ids: list[str] = []
        self.workers: list[asyncio.Task] = []

    async def __aenter__(self) -> "Crowd":
        for queue in self.queues:
            for api in self.apis:
                self.workers += [asyncio.create_task(self.work(api, queue)), asyncio.create_task(self.act(api, queue))]
        return self

    async def __aexit__(self, *_) -> None:
        for worker in self.workers:
            worker.cancel()
        await asyncio.gather(*self.workers, return_exceptions=True)
        for api in self.apis:
            await api.close()

    async def start(self) -> None:
        """Some more workflows on every queue."""
        requests = [start_request(unique("wf"), queue) for queue in self.queues for _ in range(self.EACH)]
        self.ids += [request.workflow_id for request in requests]
        await asyncio.gather(*[self.insist("StartWorkflowExecution", request) for request in requests])

    async def insist(self, method: str, request):
        """Asks one node after the other until one has answered; None if there is no such thing any more."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                return await self.random.choice(self.apis).call(method, request, 5)
            except grpc.RpcError as error:
                if error.code() in OVER:
                    return None
                await asyncio.sleep(0.1)
        raise TimeoutError(method)

    async def is_done(self, id: str) -> bool:
        request = w.DescribeWorkflowExecutionRequest(namespace="default", execution=execution(id))
        found = await self.insist("DescribeWorkflowExecution", request)
        return found.workflow_execution_info.status == WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED

    async def poll(self, api: Api, method: str, request):
        try:
            task = await api.call(method, request, 10)
        except grpc.RpcError:
            await asyncio.sleep(0.2)
            return None
        return task if task.task_token else None

    async def work(self, api: Api, queue: str) -> None:
        polled = w.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name=queue), identity="crowd")
        while True:
            task = await self.poll(api, "PollWorkflowTaskQueue", polled)
            if task is None:
                continue
            done = "ActivityTaskCompleted" in names(task.history.events)
            command = complete_workflow() if done else activity("a", queue, **self.of_activity)
            await self.insist("RespondWorkflowTaskCompleted", w.RespondWorkflowTaskCompletedRequest(
                namespace="default", task_token=task.task_token, commands=[command], identity="crowd"))

    async def act(self, api: Api, queue: str) -> None:
        polled = w.PollActivityTaskQueueRequest(namespace="default", task_queue=TaskQueue(name=queue), identity="crowd")
        while True:
            task = await self.poll(api, "PollActivityTaskQueue", polled)
            if task is not None:
                await self.insist("RespondActivityTaskCompleted", w.RespondActivityTaskCompletedRequest(
                    namespace="default", task_token=task.task_token, identity="crowd"))

    async def all_done(self, seconds: float) -> None:
        """Waits until all workflows have completed."""
        deadline, left = time.monotonic() + seconds, list(self.ids)
        while left:
            done = await asyncio.gather(*[self.is_done(id) for id in left])
            left = [id for id, is_done in zip(left, done) if not is_done]
            if time.monotonic() > deadline:
                stuck = {id: names(await history(self.apis[0], id)) for id in left[:5]}
                raise AssertionError(f"{len(left)} workflows of {len(self.ids)} not done in {seconds} s: {stuck}")
            await asyncio.sleep(0.2)


# Longer than starts that nobody confirms are asked after often.
LONG_CUT = 36


@pytest.mark.timeout(240)
async def test_f14_f20_what_got_lost_on_a_one_way_is_done_when_it_is_open_again(own, tmp_path, seed, say):
    """Between two nodes, each of which leads owners and homes: first in one direction, then in the other. In one cluster the
    first cut is the long one, in the other the second, at the same time: most of it is waiting."""
    with Cluster(tmp_path / "second", settings=SWEEP_OFTEN) as second:
        await asyncio.gather(cut_both_ways(own, seed, say, long=0), cut_both_ways(second, seed, say, long=1))


async def cut_both_ways(own, seed, say, long: int) -> None:
    async with Crowd(own, seed, start_to_close=3600) as crowd:
        one, other = crowd.random.sample(own.nodes, 2)
        await crowd.start()
        for turn, (mute, deaf) in enumerate([(one, other), (other, one)]):
            lasts = LONG_CUT if turn == long else 4
            say(f"{'first' if long == 0 else 'second'} cut long: node {mute.number} is not heard by node {deaf.number} for {lasts} s")
            await asyncio.to_thread(own.cut_one_way, mute, deaf)
            opens = time.monotonic() + lasts
            await crowd.start()
            await asyncio.sleep(opens - time.monotonic())
            await asyncio.to_thread(own.heal, mute)
        began = time.monotonic()
        await crowd.all_done(60)
        found = {key: value for node in own.nodes for key, value in node.metrics().items() if "sweep" in key and value}
        say(f"{len(crowd.ids)} workflows done {time.monotonic() - began:.1f} s after it was open; {found}")
        for id in crowd.ids:
            happened = names(await history(crowd.apis[0], id))
            assert happened.count("ActivityTaskStarted") == 1, happened


@pytest.mark.timeout(180)
async def test_f20_a_node_with_polls_that_dies_keeps_no_task(own, seed, say):
    """Its workers were handed some activities perhaps, so these have more than one attempt."""
    async with Crowd(own, seed, start_to_close=5, attempts=0) as crowd:
        for round in (1, 2):
            node = crowd.random.choice(own.nodes)
            await crowd.start()
            node.kill()
            say(f"round {round}: node {node.number} killed")
            await crowd.start()
            await asyncio.to_thread(node.start)
            await asyncio.to_thread(node.wait_ready)
            await crowd.all_done(60)


@pytest_asyncio.fixture
async def asked(own):
    """A workflow whose first task is done."""
    hand = Hand([Api(address) for address in own.addresses])
    await hand.start()
    await hand.step()
    return hand


@pytest.mark.timeout(180)
async def test_f20_queries_are_answered_when_the_leader_moves_under_them(own, asked, seed, say):
    chance = random.Random(seed)
    for round in range(6):
        await asked.signal("s")
        queries = [asyncio.create_task(asked.query(f"q{n}", timeout=25)) for n in range(3)]
        await asyncio.sleep(chance.random() * 0.2)
        await move(own, asked, chance, say)
        task = await asked.poll()
        attached = len(task.queries)
        await move(own, asked, chance, say)
        await finish(asked, task)
        alone = await answer_all(asked, queries)
        say(f"round {round}: {attached} queries came with the task, {alone} on their own")
        for n, query in enumerate(queries):
            assert (await query).query_result.payloads[0].data == f"q{n}".encode()


async def move(cluster: Cluster, hand: Hand, chance: random.Random, say) -> None:
    """Another node leads the workflow's shard."""
    found = await asyncio.to_thread(cluster.locate, hand.id)
    to = chance.choice([node for node in cluster.nodes if node.number != found["leader"]])
    say(f"shard {found['shard']} from node {found['leader']} to node {to.number}")
    await asyncio.to_thread(wait_until, lambda: cluster.transfer_leader(found["shard"], to), 20, "the leader moves", 0.2)


async def finish(hand: Hand, task) -> None:
    results = {id: query_result(query.query_type) for id, query in task.queries.items()}
    await hand.complete(task, query_results=results)


async def answer_all(hand: Hand, queries) -> int:
    """Works until all queries are answered; how many came on their own."""
    alone, deadline = 0, time.monotonic() + 25
    while not all(query.done() for query in queries):
        assert time.monotonic() < deadline, "queries are not answered"
        try:
            task = await hand.poll(timeout=2)
        except grpc.RpcError:
            continue
        if not task.task_token:
            continue
        if task.query.query_type:
            alone += 1
            await hand.answer_query(task, task.query.query_type)
        else:
            await finish(hand, task)
    return alone
