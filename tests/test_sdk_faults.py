"""Rust workers and clients when processes die: their own, and the servers'."""

import asyncio
import re
from datetime import datetime

import pytest
import pytest_asyncio
from temporalio.client import Client

from harness import rust
from harness.cluster import Cluster
from harness.rpc import names, unique
from harness.stage import eventually
from orders import Order


class Pair:
    """Two Rust workers on one queue, and a client in Python that looks at what they do."""

    def __init__(self, addresses: list[str], directory, *options):
        self.queue = unique("pair")
        self.addresses = addresses
        self.workers = [
            rust.Program("worker", "--task-queue", self.queue, *options, addresses=addresses,
                         log=directory / f"{self.queue}-{n}.log")
            for n in (1, 2)
        ]

    async def __aenter__(self) -> "Pair":
        for worker in self.workers:
            worker.start()
        self.client = await Client.connect(self.addresses[0])
        return self

    async def __aexit__(self, *_) -> None:
        for worker in self.workers:
            worker.kill()

    async def start(self, workflow: str, argument):
        return await self.client.start_workflow(workflow, argument, id=unique(workflow), task_queue=self.queue)

    def by_identity(self, identity: str) -> rust.Program:
        return next(worker for worker in self.workers if identity.startswith(f"{worker.pid}@"))

    async def holder(self, handle) -> rust.Program:
        """The worker that has the workflow in its cache."""
        events = (await handle.fetch_history()).events
        completed = [e.workflow_task_completed_event_attributes.identity for e in events
                     if e.HasField("workflow_task_completed_event_attributes")]
        return self.by_identity(completed[-1])

    async def copying(self, handle) -> rust.Program:
        """The worker that runs the workflow's activity, once its progress is known to the server."""

        async def identity():
            for pending in (await handle.describe()).raw_description.pending_activities:
                if pending.HasField("heartbeat_details"):
                    return pending.last_worker_identity

        return self.by_identity(await eventually(identity))


async def status(handle, wanted: str) -> None:
    async def reached():
        return await handle.query("getStatus") == wanted

    await eventually(reached)


async def local_state_survives_the_worker_that_held_it(addresses, directory):
    async with Pair(addresses, directory) as pair:
        order = await pair.start("Order", Order("pizza", "Pizza", pickup_within_s=600, linger_s=0.2))
        await status(order, "Paid")
        await order.signal("pickedUp")
        await status(order, "Picked up")

        async def told():
            return names((await order.fetch_history()).events).count("ActivityTaskCompleted") == 2

        await eventually(told)
        dead = await pair.holder(order)
        dead.kill()
        await order.signal("delivered")
        receipt = await order.result()
        assert receipt["notifications"] == ["Pizza: picked up", "Pizza: delivered", "Pizza: how was it?"]
        assert await pair.holder(order) is not dead
        events = (await order.fetch_history()).events
        scheduled = [e.activity_task_scheduled_event_attributes.activity_type.name for e in events
                     if e.HasField("activity_task_scheduled_event_attributes")]
        assert scheduled == ["chargeCustomer"] + ["sendPushNotification"] * 3
        assert names(events).count("ActivityTaskCompleted") == 4


async def an_activity_goes_on_where_its_dead_worker_stood(addresses, directory):
    async with Pair(addresses, directory) as pair:
        backup = await pair.start("backup", {"parts": 30, "ms_for_a_part": 50})
        (await pair.copying(backup)).kill()
        copied = await backup.result()
        assert copied.keys() == {"1", "2"} and sum(copied.values()) == 30


async def a_worker_that_is_asked_to_stop_lets_its_activities_finish(addresses, directory):
    async with Pair(addresses, directory, "--grace", 20) as pair:
        backup = await pair.start("backup", {"parts": 30, "ms_for_a_part": 50})
        worker = await pair.copying(backup)
        worker.ask_to_stop()
        assert await backup.result() == {"1": 30}
        assert await asyncio.to_thread(worker.stop) == 0, worker.tail()
        assert "stopped" in worker.tail(1)


async def an_activity_that_outlasts_the_grace_time_goes_on_elsewhere(addresses, directory):
    async with Pair(addresses, directory, "--grace", 0.2) as pair:
        backup = await pair.start("backup", {"parts": 40, "ms_for_a_part": 50})
        worker = await pair.copying(backup)
        assert await asyncio.to_thread(worker.stop) == 0, worker.tail()
        copied = await backup.result()
        assert copied.keys() == {"1", "2"} and sum(copied.values()) == 40
        events = (await backup.fetch_history()).events
        started = next(e.activity_task_started_event_attributes for e in events
                       if e.HasField("activity_task_started_event_attributes"))
        why = started.last_failure.application_failure_info.type
        assert why == "WorkerStopped", "it was cancelled, not timed out"


SCENARIOS = [local_state_survives_the_worker_that_held_it, an_activity_goes_on_where_its_dead_worker_stood,
             a_worker_that_is_asked_to_stop_lets_its_activities_finish,
             an_activity_that_outlasts_the_grace_time_goes_on_elsewhere]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(server, directory):
    """All at the same time: they mostly wait for timeouts."""
    tasks = {scenario: asyncio.create_task(scenario(server.addresses, directory)) for scenario in SCENARIOS}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_workers(running, scenario):
    await running[scenario]


ORDERS = 24


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_orders_go_on_when_a_leader_is_lost(tmp_path, request):
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        async with Pair(cluster.addresses, tmp_path) as pair:
            options = ["--task-queue", pair.queue, "--orders", ORDERS, "--pause", 50]
            log = tmp_path / "rush.log"
            logged = "warn,tenure_client=debug"
            with rust.Program("rush", *options, addresses=cluster.addresses, log=log, RUST_LOG=logged) as rush:
                await asyncio.to_thread(rush.says, f"-{ORDERS // 2} placed")
                leader = cluster.busiest()
                leader.kill()
                # Longer than the server holds any call: what it says of one that it cannot answer is in the log.
                assert await asyncio.to_thread(rush.child.wait, 90) == 0, rush.tail()
            assert rush.lines()[-1].startswith(f"{ORDERS} orders delivered"), rush.tail()
            survivor = next(node for node in cluster.nodes if node.running)
            client = await Client.connect(survivor.address)
            ids = re.findall(r"^(rush-\S+) placed$", "\n".join(rush.lines()), re.MULTILINE)
            assert len(set(ids)) == ORDERS
            for id in ids:
                happened = names((await client.get_workflow_handle(id).fetch_history()).events)
                assert happened.count("ActivityTaskScheduled") == happened.count("ActivityTaskCompleted") == 4, happened
                assert happened.count("WorkflowExecutionSignaled") == 2, happened
                assert happened[-1] == "WorkflowExecutionCompleted"


COMPLAINT = "no server answers, trying on"


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_a_worker_without_a_server_says_so_once_per_interval_and_goes_on_when_it_is_back(tmp_path, request):
    with Cluster(tmp_path / "cluster", count=1) as cluster:
        request.node.servers = cluster
        async with Pair(cluster.addresses, tmp_path) as pair:
            order = await pair.start("Order", Order("pizza", pickup_within_s=600, linger_s=0.2))
            await status(order, "Paid")
            node = cluster.node(1)
            node.kill()
            worker = pair.workers[0]

            async def complaints():
                return (found := [line for line in worker.lines() if COMPLAINT in line])[1:] and found

            first, second = (datetime.fromisoformat(line.split()[0]) for line in await eventually(complaints, 30))
            assert (second - first).total_seconds() > 9.9
            node.start()
            await asyncio.to_thread(node.wait_ready)
            await eventually(lambda: delivered(order), 30)
            assert (await order.result())["status"] == "Completed"
            assert all(worker.running for worker in pair.workers)


async def delivered(order) -> bool:
    """Sends both signals; the client of the test has no other address to try meanwhile."""
    await order.signal("pickedUp")
    await order.signal("delivered")
    return True
