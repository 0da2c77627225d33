"""Batch operations, through raw calls and the official CLI. Those that do not speak of Tenure pass against the reference
server too."""

import asyncio
import collections
import json
import random
import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.batch.v1 import message_pb2 as b
from temporalio.api.common.v1 import Execution, ResetOptions
from temporalio.api.enums.v1 import BatchOperationState as State
from temporalio.api.enums.v1 import BatchOperationType as Type
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster
from harness.hand import Hand, activity, complete_workflow
from harness.rpc import Api, data, describe, execution, history, name_of, names, payloads, start_request, unique
from test_admin import error
from test_cli import Cli
from test_semantics import eventually

RUNNING, COMPLETED, FAILED = (State.Value(f"BATCH_OPERATION_STATE_{name}") for name in ("RUNNING", "COMPLETED", "FAILED"))
TERMINATE = b.BatchOperationTermination(identity="me")


def request(**fields) -> w.StartBatchOperationRequest:
    """One that says all it must, unless it is told otherwise."""
    fields = {"namespace": "default", "job_id": unique("job"), "reason": "why"} | fields
    return w.StartBatchOperationRequest(**{name: value for name, value in fields.items() if value is not None})


async def start(api: Api, **fields) -> str:
    """Starts a job, when there is room for it; gives its id."""
    asked = request(**fields)

    async def started():
        try:
            await api.call("StartBatchOperation", asked)
            return True
        except grpc.RpcError as refused:
            assert refused.details() == "Max concurrent batch operations is reached", refused
            return False

    await eventually(started, 60)
    return asked.job_id


async def job(api: Api, job_id: str):
    return await api.call("DescribeBatchOperation", w.DescribeBatchOperationRequest(namespace="default", job_id=job_id))


async def closed(api: Api, job_id: str, seconds: float = 60):
    async def done():
        found = await job(api, job_id)
        return found if found.state != RUNNING else None

    return await eventually(done, seconds)


async def run(apis, **fields):
    """Runs a job to its end, and describes it."""
    job_id = await start(random.choice(apis), **fields)
    return await closed(random.choice(apis), job_id)


def counts(found) -> tuple[int, int, int]:
    return found.total_operation_count, found.complete_operation_count, found.failure_operation_count


async def listed(api: Api, query: str, count: int) -> None:
    """Waits until so many runs fit a query: the reference server's lists lag, most of all behind deletions."""

    async def there():
        found = await api.call("CountWorkflowExecutions", w.CountWorkflowExecutionsRequest(namespace="default", query=query))
        return found.count == count

    await eventually(there, 60)


@pytest.fixture
async def kind(apis) -> str:
    """A workflow type with five open runs: `{kind}-0` and so on."""
    kind = unique("K")
    for number in range(5):
        await apis[number % 3].call("StartWorkflowExecution", start_request(f"{kind}-{number}", "q", type=kind))
    await listed(apis[0], f"WorkflowType = '{kind}'", 5)
    return kind


async def last(api: Api, workflow_id: str):
    return (await history(api, workflow_id))[-1]


REQUIRED = ("must provide required parameters: BatchType,Reason,Namespace, AND one of (Query OR Executions OR "
            "TargetExecutions)")
NO_TYPE = "Either activity type must be set, or match all should be set to true"
SOMETHING = {"visibility_query": "WorkflowType = 'none'"}
REFUSED = {
    "no namespace": ({**SOMETHING, "termination_operation": TERMINATE, "namespace": ""}, "Namespace is empty."),
    "no reason": ({**SOMETHING, "termination_operation": TERMINATE, "reason": ""}, REQUIRED),
    "no operation": (SOMETHING, REQUIRED),
    "no targets": ({"termination_operation": TERMINATE}, REQUIRED),
    "no job id": ({**SOMETHING, "termination_operation": TERMINATE, "job_id": ""}, "JobId is not set on request."),
    "a long job id": ({**SOMETHING, "termination_operation": TERMINATE, "job_id": "x" * 1001},
                      "WorkflowId exceeds length limit."),
    "two kinds of targets": ({**SOMETHING, "termination_operation": TERMINATE, "executions": [execution("w")]},
                             "visibility query, executions, and target executions are mutually exclusive"),
    "no signal": ({**SOMETHING, "signal_operation": b.BatchOperationSignal()}, "must provide signal name"),
    "no reset type": ({**SOMETHING, "reset_operation": b.BatchOperationReset()}, "unknown batch reset type Unspecified"),
    "a strange reset type": ({**SOMETHING, "reset_operation": b.BatchOperationReset(reset_type=9)},
                             "unknown batch reset type 9"),
    "no reset target": ({**SOMETHING, "reset_operation": b.BatchOperationReset(options=ResetOptions())},
                        "batch reset missing target"),
    "no options": ({**SOMETHING, "update_workflow_options_operation": b.BatchOperationUpdateWorkflowExecutionOptions()},
                   "must provide UpdateOptions"),
    "no mask": ({**SOMETHING, "update_workflow_options_operation": b.BatchOperationUpdateWorkflowExecutionOptions(
        workflow_execution_options=WorkflowExecutionOptions())}, "must provide UpdateMask"),
    "no activities": ({**SOMETHING, "unpause_activities_operation": b.BatchOperationUnpauseActivities()},
                      "activity filter must be set"),
    "no activity type": ({**SOMETHING, "unpause_activities_operation": b.BatchOperationUnpauseActivities(type="")}, NO_TYPE),
    "no activities to reset": ({**SOMETHING, "reset_activities_operation": b.BatchOperationResetActivities()},
                               "must provide ActivityType or MatchAll"),
    "no activity options": ({**SOMETHING, "update_activity_options_operation": b.BatchOperationUpdateActivityOptions()},
                            "Either activity type must be set, or restore original should be set to true"),
    "a target of another type": (
        {"target_executions": [Execution(type=2, business_id="a")], "termination_operation": TERMINATE},
        "target_executions[0] has type Activity, but operation "
        "*workflowservice.StartBatchOperationRequest_TerminationOperation requires Workflow"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_batch_operation_is_refused(apis, case):
    fields, message = REFUSED[case]
    assert await error(apis[0].call("StartBatchOperation", request(**fields))) == ("INVALID_ARGUMENT", message)


async def test_a_bad_query_is_refused(apis):
    code, message = await error(apis[0].call("StartBatchOperation", request(
        visibility_query="no query", termination_operation=TERMINATE)))
    assert code == "INVALID_ARGUMENT" and message.startswith("invalid visibility query: "), message


async def test_a_job_that_is_not_there_is_not_found(apis):
    not_found = ("NOT_FOUND", "workflow not found for ID: unknown")
    assert await error(job(apis[0], "unknown")) == not_found
    stop = w.StopBatchOperationRequest(namespace="default", job_id="unknown", reason="r")
    assert await error(apis[1].call("StopBatchOperation", stop)) == not_found
    stop = w.StopBatchOperationRequest(namespace="default", job_id="unknown")
    assert await error(apis[1].call("StopBatchOperation", stop)) == ("INVALID_ARGUMENT", "Reason is not set on request.")
    assert await error(job(apis[0], "")) == ("INVALID_ARGUMENT", "JobId is not set on request.")


async def test_termination_of_what_a_query_finds(apis, kind):
    query = f"WorkflowType = '{kind}'"
    found = await run(apis, visibility_query=query, termination_operation=TERMINATE)
    assert (found.state, counts(found)) == (COMPLETED, (5, 5, 0))
    assert found.operation_type == Type.BATCH_OPERATION_TYPE_TERMINATE_WORKFLOW
    assert (found.query, found.reason, found.identity) == (query, "why", "me")
    assert found.start_time.ToNanoseconds() <= found.close_time.ToNanoseconds()
    for number in range(5):
        event = await last(apis[0], f"{kind}-{number}")
        assert name_of(event) == "WorkflowExecutionTerminated"
        assert event.workflow_execution_terminated_event_attributes.reason == "why"
    await listed(apis[0], f"{query} AND ExecutionStatus = 'Terminated'", 5)
    found = await run(apis, visibility_query=query, termination_operation=TERMINATE)
    assert (found.state, counts(found)) == (COMPLETED, (0, 0, 0)), "none is open any more"


async def test_cancellation_and_signals_of_runs_by_their_ids(apis, kind):
    ids = [f"{kind}-{number}" for number in range(5)]
    cancelled = await run(apis, executions=[execution(id) for id in ids[:2]],
                          cancellation_operation=b.BatchOperationCancellation(identity="me"))
    assert (cancelled.state, counts(cancelled)) == (COMPLETED, (2, 2, 0))
    assert [target.business_id for target in cancelled.executions] == ids[:2]
    for id in ids[:2]:
        assert name_of(await last(apis[0], id)) == "WorkflowExecutionCancelRequested"
    targets = [Execution(type=1, business_id=id) for id in ids[2:]]
    signalled = await run(apis, target_executions=targets, signal_operation=b.BatchOperationSignal(
        signal="s", input=payloads("x"), identity="me"))
    assert (signalled.state, counts(signalled)) == (COMPLETED, (3, 3, 0))
    assert list(signalled.executions) == targets
    for id in ids[2:]:
        event = (await last(apis[0], id)).workflow_execution_signaled_event_attributes
        assert (event.signal_name, data(event.input), event.identity) == ("s", [b"x"], "me")


async def test_what_is_over_or_not_there_is_done_and_what_is_no_run_has_failed(apis, kind):
    over = await run(apis, executions=[execution(f"{kind}-0")], termination_operation=TERMINATE)
    assert counts(over) == (1, 1, 0)
    found = await run(apis, termination_operation=TERMINATE, executions=[
        execution(f"{kind}-0"), execution(unique("none")), execution(f"{kind}-1", "no run id"), execution("")])
    assert (found.state, counts(found)) == (COMPLETED, (4, 2, 2))
    assert name_of(await last(apis[0], f"{kind}-1")) == "WorkflowTaskScheduled"


async def test_deletion_takes_open_and_closed_runs(apis, kind):
    await run(apis, executions=[execution(f"{kind}-{number}") for number in range(2)], termination_operation=TERMINATE)
    query = f"WorkflowType = '{kind}'"
    await listed(apis[0], f"{query} AND ExecutionStatus = 'Terminated'", 2)
    found = await run(apis, visibility_query=query, deletion_operation=b.BatchOperationDeletion(identity="me"))
    assert (found.state, counts(found)) == (COMPLETED, (5, 5, 0))
    await listed(apis[0], query, 0)
    for number in range(5):
        async def gone():
            try:
                await describe(apis[number % 3], f"{kind}-{number}")
            except grpc.RpcError as refused:
                return refused.code() == grpc.StatusCode.NOT_FOUND

        await eventually(gone)


@pytest.mark.parametrize("target, kept", [("first_workflow_task", 1), ("last_workflow_task", 2)])
@pytest.mark.parametrize("deprecated", [False, True])
async def test_a_reset_goes_to_the_first_or_the_last_task(apis, hand, target, kept, deprecated):
    await hand.start()
    await hand.signal("s1")
    await hand.step()
    await hand.signal("s2")
    await hand.step()
    base = hand.run
    operation = (b.BatchOperationReset(identity="me", reset_type=kept) if deprecated else
                 b.BatchOperationReset(identity="me", options=ResetOptions(**{target: {}})))
    found = await run(apis, executions=[execution(hand.id, base)], reset_operation=operation)
    assert (found.state, counts(found)) == (COMPLETED, (1, 1, 0))
    events = await history(apis[0], hand.id)
    assert names(events).count("WorkflowTaskCompleted") == kept - 1
    failed = next(e for e in events if name_of(e) == "WorkflowTaskFailed").workflow_task_failed_event_attributes
    assert (failed.base_run_id, failed.failure.message) == (base, "why")
    await hand.step(complete_workflow())


async def test_a_reset_that_cannot_be_has_failed(apis, kind):
    ids = [execution(f"{kind}-0")]
    for options in (ResetOptions(workflow_task_id=77), ResetOptions(build_id="none"), ResetOptions(first_workflow_task={})):
        found = await run(apis, executions=ids, reset_operation=b.BatchOperationReset(options=options))
        assert (found.state, counts(found)) == (COMPLETED, (1, 0, 1)), options


async def test_options_of_runs_are_changed(apis, kind):
    found = await run(apis, executions=[execution(f"{kind}-{number}") for number in range(2)],
                      update_workflow_options_operation=b.BatchOperationUpdateWorkflowExecutionOptions(
                          identity="me", workflow_execution_options=WorkflowExecutionOptions(),
                          update_mask=FieldMask(paths=["versioning_override"])))
    assert found.operation_type == Type.BATCH_OPERATION_TYPE_UPDATE_WORKFLOW_EXECUTION_OPTIONS
    assert (found.state, counts(found), found.identity) == (COMPLETED, (2, 2, 0), "me")


async def test_activities_are_unpaused_reset_and_changed(apis, hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, start_to_close=60))
    await apis[0].call("PauseActivity", w.PauseActivityRequest(
        namespace="default", execution=execution(hand.id), id="a", identity="me"))

    async def pending():
        return (await describe(apis[0], hand.id)).pending_activities[0]

    assert (await pending()).paused
    targets = [execution(hand.id), execution(unique("none"))]
    found = await run(apis, executions=targets, update_activity_options_operation=b.BatchOperationUpdateActivityOptions(
        match_all=True, activity_options=ActivityOptions(start_to_close_timeout=Duration(seconds=7)),
        update_mask=FieldMask(paths=["start_to_close_timeout"])))
    assert (found.state, counts(found)) == (COMPLETED, (2, 2, 0))
    assert (await pending()).activity_options.start_to_close_timeout.seconds == 7
    found = await run(apis, executions=targets, reset_activities_operation=b.BatchOperationResetActivities(
        match_all=True, keep_paused=True))
    assert (found.operation_type, counts(found)) == (Type.BATCH_OPERATION_TYPE_RESET_ACTIVITY, (2, 2, 0))
    assert (await pending()).paused
    found = await run(apis, executions=targets, unpause_activities_operation=b.BatchOperationUnpauseActivities(
        match_all=True))
    assert (found.operation_type, counts(found)) == (Type.BATCH_OPERATION_TYPE_UNPAUSE_ACTIVITY, (2, 2, 0))
    assert not (await pending()).paused
    task = await hand.poll_activity()
    await hand.complete_activity(task, "x")
    await hand.step(complete_workflow())


async def test_a_job_id_is_used_once(apis, kind):
    job_id = await start(apis[0], executions=[execution(f"{kind}-0")], termination_operation=TERMINATE)
    await closed(apis[1], job_id)
    code, message = await error(apis[2].call("StartBatchOperation", request(
        job_id=job_id, executions=[execution(f"{kind}-1")], termination_operation=TERMINATE)))
    assert code == "ALREADY_EXISTS"
    assert message.startswith(f"Workflow execution already finished. WorkflowId: {job_id}, RunId: ")
    assert message.endswith(". Workflow Id reuse policy: reject duplicate workflow Id.")


async def test_a_job_that_runs_is_stopped_and_leaves_room_for_the_next(apis):
    many = [execution(f"none-{number}") for number in range(2000)]
    job_id = await start(apis[0], executions=many, termination_operation=TERMINATE)
    await eventually(lambda: listed_as(apis[1], job_id, RUNNING))
    refused = await error(apis[2].call("StartBatchOperation", request(
        executions=many[:1], termination_operation=TERMINATE)))
    assert refused == ("RESOURCE_EXHAUSTED", "Max concurrent batch operations is reached")
    stop = w.StopBatchOperationRequest(namespace="default", job_id=job_id, reason="enough", identity="me")
    await apis[1].call("StopBatchOperation", stop)
    assert (await closed(apis[0], job_id)).state == FAILED
    assert await error(apis[2].call("StopBatchOperation", stop)) == ("NOT_FOUND", "workflow execution already completed")
    await eventually(lambda: listed_as(apis[1], job_id, FAILED))
    await run(apis, executions=many[:1], termination_operation=TERMINATE)


async def listed_as(api: Api, job_id: str, state: int) -> bool:
    """Whether a job is in the list, in a state; those that run come first."""
    found, token = [], b""
    while True:
        page = await api.call("ListBatchOperations", w.ListBatchOperationsRequest(
            namespace="default", page_size=3, next_page_token=token))
        assert len(page.operation_info) <= 3
        found.extend(page.operation_info)
        token = page.next_page_token
        if not token:
            break
    states = [info.state for info in found]
    assert states == sorted(states, key=lambda state: state != RUNNING)
    closings = [info.close_time.ToNanoseconds() for info in found if info.state != RUNNING]
    assert closings == sorted(closings, reverse=True)
    return any(info.job_id == job_id and info.state == state for info in found)


@pytest.fixture
def cli(cluster) -> Cli:
    return Cli(cluster.addresses)


async def test_the_official_cli_starts_lists_and_describes_jobs(cli, apis, kind):
    query = f"WorkflowType = '{kind}'"

    async def batch(*arguments: str) -> dict:
        async def started():
            child = await asyncio.create_subprocess_exec(
                *map(str, command(cli, "workflow", *arguments, "--query", query, "--yes", "--reason", "why")),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL)
            out, err = await child.communicate()
            if b"Max concurrent" in err:
                return None
            assert child.returncode == 0, err.decode()
            return json.loads(out)["batchJobId"]

        job_id = await eventually(started, 60)

        async def done():
            found = await cli("batch", "describe", "--job-id", job_id)
            return found if found["state"] != "BATCH_OPERATION_STATE_RUNNING" else None

        found = await eventually(done, 60)
        assert found["state"] == "BATCH_OPERATION_STATE_COMPLETED", found
        assert found["completeOperationCount"] == found["totalOperationCount"], found
        assert any(info["jobId"] == job_id for info in await cli("batch", "list"))
        return found

    found = await batch("signal", "--name", "s")
    assert found["totalOperationCount"] == "5"
    await batch("cancel")
    names_of = [names(await history(apis[0], f"{kind}-{number}")) for number in range(5)]
    assert all(found[2:] == ["WorkflowExecutionSignaled", "WorkflowExecutionCancelRequested"] for found in names_of)
    await batch("terminate")
    for number in range(5):
        assert name_of(await last(apis[0], f"{kind}-{number}")) == "WorkflowExecutionTerminated"
    await listed(apis[0], f"{query} AND ExecutionStatus = 'Terminated'", 5)
    await batch("delete")
    await listed(apis[0], query, 0)


async def test_the_official_cli_resets_by_a_query(cli, apis, hand):
    kind = unique("K")
    await hand.start(type=kind)
    await hand.step()
    await listed(apis[0], f"WorkflowType = '{kind}'", 1)
    base = hand.run
    arguments = ["reset", "--type", "LastWorkflowTask", "--query", f"WorkflowType = '{kind}'", "--yes", "--reason", "why"]
    await eventually(lambda: succeeds(cli, "workflow", *arguments), 60)

    async def reset():
        return (await describe(apis[1], hand.id)).workflow_execution_info.execution.run_id != base

    await eventually(reset, 30)
    await hand.step(complete_workflow())


async def test_the_official_cli_stops_a_job(cli, apis):
    many = [execution(f"none-{number}") for number in range(2000)]
    job_id = await start(apis[0], executions=many, termination_operation=TERMINATE)
    await cli("batch", "terminate", "--job-id", job_id, "--reason", "enough", text=True)
    assert (await closed(apis[1], job_id)).state == FAILED


def command(cli: Cli, *arguments: str) -> list:
    from harness.cluster import TEMPORAL

    return [TEMPORAL, *arguments, "--address", next(cli.addresses), "-o", "json"]


async def succeeds(cli: Cli, *arguments: str) -> bool:
    child = await asyncio.create_subprocess_exec(
        *map(str, command(cli, *arguments)), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL)
    _, err = await child.communicate()
    assert child.returncode == 0 or b"Max concurrent" in err, err.decode()
    return child.returncode == 0


@pytest.mark.tenure
async def test_a_batch_goes_at_the_rate_that_it_asks_for(apis):
    began = time.monotonic()
    found = await run(apis, executions=[execution(f"none-{number}") for number in range(20)],
                      max_operations_per_second=10, termination_operation=TERMINATE)
    assert counts(found) == (20, 20, 0)
    assert time.monotonic() - began >= 19 / 10


LOST = {
    "termination": (dict(termination_operation=TERMINATE), "WorkflowExecutionTerminated"),
    "signal": (dict(signal_operation=b.BatchOperationSignal(signal="s")), "WorkflowExecutionSignaled"),
}


@pytest.mark.tenure
@pytest.mark.own_cluster
@pytest.mark.timeout(900)
@pytest.mark.parametrize("operation", LOST)
async def test_a_batch_goes_through_the_loss_of_two_leaders(tmp_path, request, say, operation):
    """With `--all` 10,000 runs, else some hundred."""
    count = 10_000 if request.config.getoption("--all") else 400
    settings = f"[limits]\nbatch_operations_per_second = {count // 20}\n"
    with Cluster(tmp_path / "cluster", settings=settings) as cluster:
        request.node.servers = cluster
        apis = [Api(address) for address in cluster.addresses]
        try:
            await lose_two_leaders(cluster, apis, count, say, *LOST[operation])
        finally:
            for api in apis:
                await api.close()


async def lose_two_leaders(cluster: Cluster, apis: list[Api], count: int, say, operation: dict, event: str) -> None:
    kind, room = unique("K"), asyncio.Semaphore(64)

    async def begin(number: int):
        async with room:
            await apis[number % 3].call("StartWorkflowExecution", start_request(f"{kind}-{number}", "q", type=kind), 30)

    await asyncio.gather(*(begin(number) for number in range(count)))
    job_id = await start(apis[0], visibility_query=f"WorkflowType = '{kind}'", **operation)
    began = time.monotonic()
    shard = cluster.locate(job_id)["shard"]
    for loss in (1, 2):
        found = await eventually(lambda: worked(apis, job_id, count * loss // 4), 120)
        leader = cluster.node(cluster.leaders()[shard])
        leader.kill()
        say(f"{found.complete_operation_count} of {count} done: node {leader.number}, which leads the job, is killed")
        # The next one is lost when this one is back.
        await eventually(lambda: worked(apis, job_id, count * loss // 4 + count // 8), 120)
        leader.start()
        await asyncio.to_thread(leader.wait_ready)
    found = await eventually(lambda: over(apis, job_id), 300)
    say(f"completed after {time.monotonic() - began:.1f} s: total, complete, failed = {counts(found)}")
    assert (found.state, counts(found)) == (COMPLETED, (count, count, 0))

    ends = collections.Counter()

    async def look(number: int):
        async with room:
            ends[tuple(names(await history(apis[number % 3], f"{kind}-{number}")))] += 1

    await asyncio.gather(*(look(number) for number in range(count)))
    say(f"histories: {dict(ends)}")
    assert ends == {("WorkflowExecutionStarted", "WorkflowTaskScheduled", event): count}


async def described(apis: list[Api], job_id: str):
    """A description by any node that answers."""
    for api in random.sample(apis, len(apis)):
        try:
            return await job(api, job_id)
        except grpc.RpcError as refused:
            assert refused.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), refused


async def worked(apis: list[Api], job_id: str, least: int):
    found = await described(apis, job_id)
    return found if found and found.complete_operation_count >= least else None


async def over(apis: list[Api], job_id: str):
    found = await described(apis, job_id)
    return found if found and found.state != RUNNING else None
