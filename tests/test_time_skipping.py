"""Tests of workflows that skip time: the TestService by raw calls, and the SDK's time-skipping environment on top."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
import pytest_asyncio
from google.protobuf.empty_pb2 import Empty
from temporalio import activity as activities
from temporalio import workflow
from temporalio.api.testservice.v1 import request_response_pb2 as t
from temporalio.api.testservice.v1 import service_pb2_grpc as testservice
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness.cluster import BINARY, ROOT, Process
from harness.commands import request
from harness.hand import Hand, activity, complete_workflow, start_timer
from harness.ports import free_ports
from harness.rpc import Api, name_of, names, seconds, unique

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster]

DAY = 24 * 3600


class Skipping(Api):
    """A server that skips time, and its TestService."""

    def __init__(self, address: str):
        super().__init__(address)
        self.test = testservice.TestServiceStub(self.channel)

    async def now(self) -> float:
        found = (await self.test.GetCurrentTime(Empty(), timeout=5)).time
        return found.seconds + found.nanos / 1e9

    async def lock(self):
        await self.test.LockTimeSkipping(t.LockTimeSkippingRequest(), timeout=5)

    async def unlock(self):
        await self.test.UnlockTimeSkipping(t.UnlockTimeSkippingRequest(), timeout=5)

    async def sleep(self, duration: float, timeout: float = 10):
        await self.test.Sleep(t.SleepRequest(duration=seconds(duration)), timeout=timeout)

    async def skip(self, duration: float, timeout: float = 10):
        await self.test.UnlockTimeSkippingWithSleep(t.SleepRequest(duration=seconds(duration)), timeout=timeout)


@asynccontextmanager
async def running(directory, *options):
    port, http = free_ports(2)
    process = Process([BINARY, "server", "start-dev", "--time-skipping", *options, "--port", port,
                       "--peer-port", "0", "--http-port", http], directory / f"skipping-{port}.log")
    process.start()
    api = Skipping(f"127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                await api.call("DescribeNamespace", w.DescribeNamespaceRequest(namespace="default"), timeout=2)
                break
            except grpc.aio.AioRpcError:
                assert process.running and time.monotonic() < deadline, process.tail()
                await asyncio.sleep(0.05)
        yield api
    finally:
        await api.close()
        process.stop()


@pytest_asyncio.fixture
async def api(directory):
    async with running(directory) as api:
        yield api


@pytest.fixture
def worker(api) -> Hand:
    return Hand([api])


async def test_time_keeps_its_pace_while_it_is_locked(api, worker):
    began = await api.now()
    assert abs(began - time.time()) < 2
    await worker.start()
    await worker.step(start_timer("t", DAY))
    await asyncio.sleep(0.5)
    assert await api.now() - began < 5


async def test_a_timer_fires_at_once_when_time_is_unlocked(api, worker):
    await worker.start()
    await worker.step(start_timer("t", 30 * DAY))
    began = await api.now()
    await api.unlock()
    task = await worker.poll()
    assert 30 * DAY - 1 < await api.now() - began < 30 * DAY + 5
    await worker.complete(task, complete_workflow())
    events = await worker.events()
    started, fired = (next(e for e in events if name_of(e) == name) for name in ("TimerStarted", "TimerFired"))
    passed = (fired.event_time.ToNanoseconds() - started.event_time.ToNanoseconds()) / 1e9
    assert 30 * DAY <= passed < 30 * DAY + 1, "a timer never fires early"


async def test_locks_are_counted(api, worker):
    await worker.start()
    await worker.step(start_timer("t", DAY))
    began = await api.now()
    await api.lock()
    await api.unlock()
    await asyncio.sleep(0.3)
    assert await api.now() - began < 5, "one lock is left"
    await api.unlock()
    await worker.poll()
    assert await api.now() - began > DAY - 5
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await api.unlock()
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await api.skip(1)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_sleeping_skips_just_so_far(api, worker):
    await worker.start()
    await worker.step(start_timer("t", 10 * DAY))
    began = await api.now()
    await api.skip(DAY)
    assert DAY <= await api.now() - began < DAY + 5
    assert "TimerFired" not in names(await worker.events())
    # On its way it meets what is due earlier, and lets it be done.
    skipping = asyncio.create_task(api.skip(20 * DAY))
    task = await worker.poll()
    assert 10 * DAY - 1 < await api.now() - began < 10 * DAY + 5, "the task holds the time"
    await worker.complete(task, complete_workflow())
    await skipping
    assert 21 * DAY <= await api.now() - began < 21 * DAY + 5
    await asyncio.sleep(0.2)
    assert await api.now() - began < 21 * DAY + 5, "it is locked again"


async def test_sleep_without_unlocking_takes_its_time(api):
    began = time.monotonic()
    await api.sleep(0.5)
    assert 0.45 < time.monotonic() - began < 3
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await api.sleep(60, timeout=0.3)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    request = t.SleepUntilRequest()
    request.timestamp.FromSeconds(int(await api.now()) - 100)
    await api.test.SleepUntil(request, timeout=1)
    await api.unlock()
    request.timestamp.FromSeconds(int(await api.now()) + DAY)
    await api.test.SleepUntil(request, timeout=5)
    assert await api.now() >= request.timestamp.seconds


async def test_a_running_activity_holds_the_time(api, worker):
    await worker.start()
    await worker.step(start_timer("t", DAY), activity("a", worker.queue, start_to_close=3600))
    task = await worker.poll_activity()
    began = await api.now()
    await api.unlock()
    await asyncio.sleep(0.5)
    assert await api.now() - began < 5
    # Nor does a workflow task that waits for its worker.
    await worker.complete_activity(task)
    await asyncio.sleep(0.5)
    assert await api.now() - began < 10
    await worker.step()
    await worker.poll()
    assert await api.now() - began > DAY - 10


async def test_retry_back_offs_and_time_outs_are_skipped(api, worker):
    await worker.start()
    await worker.step(activity("a", worker.queue, attempts=2, backoff_s=3600, start_to_close=60))
    await api.unlock()
    began = await api.now()
    await worker.fail_activity(await worker.poll_activity())
    task = await worker.poll_activity()
    assert task.attempt == 2
    assert 3600 <= await api.now() - began < 3610
    await worker.fail_activity(task)
    await worker.complete(await worker.poll(), complete_workflow())
    assert names(await worker.events())[-1] == "WorkflowExecutionCompleted"


async def test_an_activity_without_a_workflow_holds_the_time_while_a_worker_has_it(api, worker):
    def start(name: str, **fields):
        return request("StartActivityExecution", namespace="default", activity_id=name, activity_type={"name": "A"},
                       task_queue={"name": worker.queue}, start_to_close_timeout=seconds(3600), request_id=name, **fields)

    await api.call("StartActivityExecution", start("delayed", start_delay=seconds(DAY)))
    await api.call("StartActivityExecution", start("now", retry_policy={"initial_interval": seconds(600)}))
    task = await worker.poll_activity()
    began = await api.now()
    await api.unlock()
    await asyncio.sleep(0.5)
    assert await api.now() - began < 5
    await worker.fail_activity(task)
    again = await worker.poll_activity()
    assert (again.activity_id, again.attempt) == ("now", 2)
    assert 600 <= await api.now() - began < 620
    await worker.complete_activity(again)
    assert (await worker.poll_activity()).activity_id == "delayed"
    assert DAY - 10 < await api.now() - began < DAY + 10


async def test_a_run_times_out_at_once(api, worker):
    await worker.start(workflow_run_timeout=seconds(7 * DAY))
    await worker.step()
    await api.unlock()
    ended = await worker.events()
    for _ in range(50):
        if names(ended)[-1] == "WorkflowExecutionTimedOut":
            break
        await asyncio.sleep(0.1)
        ended = await worker.events()
    assert names(ended)[-1] == "WorkflowExecutionTimedOut"


async def test_time_begins_unlocked_where_that_is_asked_for(directory):
    async with running(directory, "--time-skipping=unlocked") as api:
        worker = Hand([api])
        await worker.start(workflow_start_delay=seconds(DAY))
        began = time.time()
        await worker.poll()
        assert await api.now() - began > DAY - 5


async def test_without_time_skipping_there_is_no_test_service(cluster):
    async with grpc.aio.insecure_channel(cluster.addresses[0]) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await testservice.TestServiceStub(channel).GetCurrentTime(Empty(), timeout=5)
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


@activities.defn
async def flaky() -> str:
    if activities.info().attempt < 4:
        raise ApplicationError("not yet")
    return "done"


@workflow.defn
class Patient:
    """Waits for a month, then retries for hours."""

    @workflow.run
    async def run(self) -> list[str]:
        began = workflow.now()
        await workflow.sleep(timedelta(days=30))
        told = await workflow.execute_activity(
            flaky, start_to_close_timeout=timedelta(minutes=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(hours=1), backoff_coefficient=2))
        return [told, str(round((workflow.now() - began).total_seconds() / 3600))]


@workflow.defn
class Reminder:
    def __init__(self) -> None:
        self.paid = False
        self.reminders = 0

    @workflow.run
    async def run(self) -> int:
        while not self.paid:
            try:
                await workflow.wait_condition(lambda: self.paid, timeout=timedelta(days=7))
            except asyncio.TimeoutError:
                self.reminders += 1
        return self.reminders

    @workflow.signal
    def pay(self) -> None:
        self.paid = True

    @workflow.query
    def sent(self) -> int:
        return self.reminders


@pytest_asyncio.fixture
async def environment(monkeypatch):
    monkeypatch.setenv("TENURE_BIN", str(BINARY))
    async with await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=str(ROOT / "scripts" / "test-server")) as environment:
        yield environment


async def test_the_sdk_runs_a_month_in_seconds(environment):
    queue = unique("queue")
    async with Worker(environment.client, task_queue=queue, workflows=[Patient], activities=[flaky],
                      workflow_runner=UnsandboxedWorkflowRunner()):
        began = time.monotonic()
        told, hours = await environment.client.execute_workflow(Patient.run, id=unique("patient"), task_queue=queue)
    assert (told, hours) == ("done", str(30 * 24 + 7))
    assert time.monotonic() - began < 20


async def test_the_sdk_sleeps_between_signals(environment):
    queue = unique("queue")
    async with Worker(environment.client, task_queue=queue, workflows=[Reminder],
                      workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await environment.client.start_workflow(Reminder.run, id=unique("reminder"), task_queue=queue)
        began = await environment.get_current_time()
        await environment.sleep(timedelta(days=22))
        assert timedelta(days=22) <= await environment.get_current_time() - began < timedelta(days=22, seconds=20)
        assert await handle.query(Reminder.sent) == 3
        await handle.signal(Reminder.pay)
        assert await handle.result() == 3
