"""Activities without a workflow on three nodes: what the official CLI and SDK do with them, and that they go on whatever is
lost."""

import asyncio
import json
import subprocess
import time
from datetime import timedelta

import grpc
import pytest
from temporalio import activity
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from harness.cluster import TEMPORAL, Cluster, wait_until
from harness.commands import request
from harness.rpc import Api, payloads, seconds, unique

DEADLINE_S = 60


def temporal(address: str, *arguments: str, fails: bool = False) -> dict | list | str:
    command = [TEMPORAL, "activity", *arguments, "--address", address, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    if fails:
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else {}


@activity.defn(name="greet")
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn(name="fails")
async def fails() -> None:
    raise ApplicationError("no", non_retryable=True)


@activity.defn(name="third_time")
async def third_time() -> int:
    attempt = activity.info().attempt
    if attempt < 3:
        raise ApplicationError(f"attempt {attempt}")
    return attempt


@activity.defn(name="until_cancelled")
async def until_cancelled() -> None:
    while True:
        activity.heartbeat("working")
        await asyncio.sleep(0.1)


def arguments(activity_id: str, queue: str, kind: str) -> list[str]:
    return ["--activity-id", activity_id, "--type", kind, "--task-queue", queue, "--start-to-close-timeout", "30s"]


@pytest.mark.tenure
async def test_the_official_cli_does_all_that_it_can(cluster, clients: list[Client]):
    queue, ids = unique("q"), {name: unique(name) for name in ("run", "wait", "hold", "batch", "late")}
    first, second = cluster.addresses[:2]

    def status(activity_id: str) -> str:
        return temporal(second, "describe", "--activity-id", activity_id)["info"]["status"]

    def cli() -> None:
        told = temporal(first, "execute", *arguments(ids["run"], queue, "greet"), "-i", '"CLI"')
        assert told["result"] == "Hello, CLI!", told
        started = temporal(first, "start", *arguments(ids["wait"], queue, "until_cancelled"), "--heartbeat-timeout", "5s")
        assert started["runId"], started
        wait_until(lambda: temporal(second, "describe", "--activity-id", ids["wait"])["info"].get("totalHeartbeatCount"),
                   DEADLINE_S, "a heartbeat")
        temporal(second, "cancel", "--activity-id", ids["wait"], "--reason", "enough")
        assert "ancel" in temporal(first, "result", "--activity-id", ids["wait"], fails=True)
        assert status(ids["wait"]) == "ACTIVITY_EXECUTION_STATUS_CANCELED"

        nobody = unique("nobody")
        held = arguments(ids["hold"], nobody, "greet")
        temporal(first, "start", *held)
        temporal(first, "pause", "--activity-id", ids["hold"], "--reason", "why")
        assert status(ids["hold"]) == "ACTIVITY_EXECUTION_STATUS_PAUSED"
        temporal(second, "unpause", "--activity-id", ids["hold"])
        temporal(second, "update-options", "--activity-id", ids["hold"], "--start-to-close-timeout", "77s")
        assert temporal(first, "describe", "--activity-id", ids["hold"])["info"]["startToCloseTimeout"] == "77s"
        temporal(first, "reset", "--activity-id", ids["hold"])
        temporal(second, "complete", "--activity-id", ids["hold"], "--result", '"by hand"')
        assert temporal(first, "result", "--activity-id", ids["hold"])["result"] == "by hand"
        temporal(first, "start", *held)
        temporal(second, "terminate", "--activity-id", ids["hold"], "--reason", "enough")
        assert status(ids["hold"]) == "ACTIVITY_EXECUTION_STATUS_TERMINATED"
        temporal(first, "start", *arguments(ids["late"], nobody, "greet"), "--start-delay", "1h")
        assert "not found" in temporal(second, "fail", "--activity-id", ids["late"], fails=True), "no worker has it"

        of_queue = f"TaskQueue = '{nobody}'"
        assert temporal(second, "count", "--query", of_queue)["count"] in (3, "3")
        listed = temporal(second, "list", "--query", of_queue)
        assert {each["activityId"] for each in listed} == {ids["hold"], ids["late"]}, listed
        temporal(first, "delete", "--activity-id", ids["hold"], "--yes")
        temporal(first, "delete", "--query", f"ActivityId = '{ids['hold']}'", "--yes", "--reason", "test")
        temporal(first, "cancel", "--query", f"ActivityId = '{ids['late']}'", "--yes", "--reason", "test")
        wait_until(lambda: status(ids["late"]) == "ACTIVITY_EXECUTION_STATUS_CANCELED", DEADLINE_S, "the batch's end")
        wait_until(lambda: temporal(second, "count", "--query", of_queue).get("count", 0) in (1, "1"), DEADLINE_S,
                   "the end of what was deleted")
        assert "not found" in temporal(second, "describe", "--activity-id", ids["hold"], fails=True)

    async with Worker(clients[2], task_queue=queue, activities=[greet, until_cancelled]):
        await asyncio.to_thread(cli)


async def test_the_python_sdk_runs_and_follows_activities(clients: list[Client]):
    queue = unique("q")
    options = {"task_queue": queue, "start_to_close_timeout": timedelta(seconds=30)}
    soon = RetryPolicy(initial_interval=timedelta(milliseconds=50), backoff_coefficient=1)
    async with Worker(clients[1], task_queue=queue, activities=[greet, fails, third_time, until_cancelled]):
        assert await clients[0].execute_activity(greet, "SDK", id=unique("a"), **options) == "Hello, SDK!"
        handle = await clients[0].start_activity(third_time, id=unique("a"), retry_policy=soon, **options)
        assert await handle.result() == 3
        with pytest.raises(ActivityFailureError) as raised:
            await clients[2].execute_activity(fails, id=unique("a"), **options)
        assert isinstance(raised.value.cause, ApplicationError) and raised.value.cause.message == "no"
        handle = await clients[0].start_activity(
            until_cancelled, id=unique("a"), heartbeat_timeout=timedelta(seconds=5), **options)
        deadline = time.monotonic() + DEADLINE_S
        while not (await handle.describe()).total_heartbeat_count:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        await handle.cancel(reason="enough")
        with pytest.raises(ActivityFailureError):
            await handle.result()
        query = f"TaskQueue = '{queue}' AND ExecutionStatus = 'Completed'"
        assert len([each async for each in clients[1].list_activities(query)]) == 2
        assert (await clients[1].count_activities(query)).count == 2


@pytest.fixture
def own(tmp_path, request):
    """Three nodes to be hurt."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        yield cluster


async def asked(apis: list[Api], method: str, asks, timeout: float = 5):
    """The answer of the first node that gives one."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        for api in apis:
            try:
                return await api.call(method, asks, timeout)
            except grpc.RpcError as error:
                if time.monotonic() > deadline:
                    raise
                last = error
        assert last.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), last
        await asyncio.sleep(0.1)


def start(activity_id: str, **fields) -> w.StartActivityExecutionRequest:
    plain = {"namespace": "default", "activity_id": activity_id, "activity_type": {"name": "A"},
             "task_queue": {"name": activity_id}, "start_to_close_timeout": seconds(600), "request_id": "start"}
    return request("StartActivityExecution", **plain | fields)


async def poll(apis: list[Api], queue: str) -> w.PollActivityTaskQueueResponse:
    asks = request("PollActivityTaskQueue", namespace="default", task_queue={"name": queue}, identity="hand")
    deadline = time.monotonic() + DEADLINE_S
    while not (task := await asked(apis, "PollActivityTaskQueue", asks, 10)).task_token:
        assert time.monotonic() < deadline, "no task"
    return task


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_activities_go_on_through_the_loss_of_their_leader_and_of_everything(own):
    """One waits for its worker, one has one, one backs off, and somebody waits for the end of each."""
    apis = [Api(address) for address in own.addresses]
    waits = unique("activity")
    leader = own.node(own.locate(waits)["leader"])

    def beside(name: str) -> str:
        """An id that the same node leads."""
        while True:
            candidate = unique(name)
            if own.locate(candidate)["leader"] == own.locate(waits)["leader"]:
                return candidate

    held, retried = beside("held"), beside("retried")
    soon = {"initial_interval": seconds(3), "backoff_coefficient": 1}
    for name in waits, held, retried:
        await asked(apis, "StartActivityExecution", start(name, retry_policy=soon))
    task = await poll(apis, held)
    failing = await poll(apis, retried)
    failed = request("RespondActivityTaskFailed", namespace="default", task_token=failing.task_token)
    failed.failure.application_failure_info.type = "E"
    await asked(apis, "RespondActivityTaskFailed", failed)
    survivors = [api for api, node in zip(apis, own.nodes) if node is not leader]

    async def outcome(name: str) -> bytes:
        asks = request("PollActivityExecution", namespace="default", activity_id=name)
        deadline = time.monotonic() + DEADLINE_S
        while not (found := await asked(survivors, "PollActivityExecution", asks, 20)).HasField("outcome"):
            assert time.monotonic() < deadline, "no outcome"
        return found.outcome.result.payloads[0].data

    outcomes = {name: asyncio.create_task(outcome(name)) for name in (waits, held, retried)}
    leader.kill()

    async def complete(token: bytes, result: str) -> None:
        await asked(survivors, "RespondActivityTaskCompleted", request(
            "RespondActivityTaskCompleted", namespace="default", task_token=token, result=payloads(result)))

    await complete(task.task_token, "held")
    again = await poll(survivors, retried)
    assert again.attempt == 2
    await complete(again.task_token, "retried")
    first = await poll(survivors, waits)
    assert first.attempt == 1
    await complete(first.task_token, "waits")
    assert [await outcomes[name] for name in (waits, held, retried)] == [b"waits", b"held", b"retried"]
    leader.start()
    await asyncio.to_thread(leader.wait_ready)

    late = unique("late")
    await asked(apis, "StartActivityExecution", start(late, start_delay=seconds(2)))
    for node in own.nodes:
        node.kill()
    for node in own.nodes:
        node.start()
    for node in own.nodes:
        await asyncio.to_thread(node.wait_ready)
    await complete((await poll(apis, late)).task_token, "late")
    for name in waits, held, retried, late:
        asks = request("DescribeActivityExecution", namespace="default", activity_id=name, include_outcome=True)
        told = await asked(apis, "DescribeActivityExecution", asks)
        assert told.info.status == 2, told
    count = request("CountActivityExecutions", namespace="default", query="ExecutionStatus = 'Completed'")
    assert (await asked(apis, "CountActivityExecutions", count)).count == 4


@pytest.mark.tenure
async def test_the_activities_of_a_namespace_go_with_it(cluster, apis):
    namespace, api = unique("activities"), apis[0]
    await api.call("RegisterNamespace", request(
        "RegisterNamespace", namespace=namespace, workflow_execution_retention_period=seconds(86_400)))
    for name in "a", "b", "c":
        await api.call("StartActivityExecution", start(name, namespace=namespace))
    await api.call("TerminateActivityExecution", request(
        "TerminateActivityExecution", namespace=namespace, activity_id="a", request_id="t"))
    deleted = await api.call("DeleteNamespace", request("DeleteNamespace", namespace=namespace))
    describe = request("DescribeNamespace", namespace=deleted.deleted_namespace)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            await api.call("DescribeNamespace", describe)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
            break
        assert time.monotonic() < deadline, "the namespace stays"
        await asyncio.sleep(0.2)
