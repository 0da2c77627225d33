"""Batch operations: what they do to runs that are open, closed or not there, how they are told of, stopped and refused."""

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from harness.commands import request
from harness.hand import activity, complete_workflow
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .namespace_deletion import space

NONE = "00000000-0000-0000-0000-000000000001"
RUNNING = 1
TERMINATE = {"termination_operation": {"identity": "operator"}}
SIGNAL = {"signal_operation": {"signal": "s", "identity": "operator"}}
SIMPLE = {
    "terminate": TERMINATE,
    "cancel": {"cancellation_operation": {"identity": "operator"}},
    "signal": SIGNAL,
    "delete": {"deletion_operation": {"identity": "operator"}},
}
RESET = {"reset_operation": {"identity": "operator", "options": {"first_workflow_task": {}}}}


def type_of(s: Driver) -> str:
    return s.unique("T")


def query(s: Driver) -> str:
    return f"WorkflowType = '{type_of(s)}'"


async def counted(s: Driver, count: int, text: str = "") -> None:
    """Waits until a count finds so many runs, so that a batch does."""
    asked = request("CountWorkflowExecutions", namespace=s.namespace, query=text or query(s))

    async def right():
        return (await s.peek.api.call("CountWorkflowExecutions", asked)).count == count

    await s.until(right, f"{count} runs")


async def apart(s: Driver) -> Driver:
    """In a namespace of its own, because in each the reference server lets only one batch run at a time."""
    hand, _ = await space(s)
    hand.id = s.id
    return hand


async def runs(s: Driver, *names: str, **fields) -> list[Driver]:
    """Unrecorded, so that a run's history is compared only where it is described: those of deleted runs stay a while."""
    hands = [s.other(name, queue=f"q-{name}") for name in names]
    for hand in hands:
        hand.run = (await hand.peek.start(type=type_of(s), request_id=hand.id, **fields)).run_id
    await counted(s, len(names))
    return hands


async def begin(s: Driver, job: str = "job", **fields):
    plain = {"job_id": s.unique(job), "reason": "why"}
    return await s.call("StartBatchOperation", **{k: v for k, v in (plain | fields).items() if v is not None})


async def ended(s: Driver, job: str = "job") -> None:
    """Waits until a batch is over, and describes it."""
    asked = request("DescribeBatchOperation", namespace=s.namespace, job_id=s.unique(job))

    async def over():
        return (await s.peek.api.call("DescribeBatchOperation", asked)).state != RUNNING

    await s.until(over, "the end of the batch", 60)
    await s.call("DescribeBatchOperation", job_id=s.unique(job))


async def batch(s: Driver, **fields) -> None:
    await begin(s, **fields)
    await ended(s)


def named(*hands: Driver, runs: bool = False) -> dict:
    return {"executions": [{"workflow_id": hand.id, "run_id": hand.run if runs else ""} for hand in hands]}


async def states(s: Driver, *hands: Driver) -> None:
    for hand in hands:
        await refused(hand.describe())


# --- what it does ---


@cases(SIMPLE | {"reset": RESET})
async def by_query(s: Driver, operation: dict):
    s = await apart(s)
    hands = await runs(s, "a", "b")
    for hand in hands:
        await hand.peek.step()
    await batch(s, visibility_query=query(s), **operation)
    if "deletion_operation" in operation:
        await deleted(*hands)
    await states(s, *hands)


async def deleted(*hands: Driver) -> None:
    async def gone(hand):
        try:
            await hand.peek.describe()
        except grpc.aio.AioRpcError as error:
            return error.code() == grpc.StatusCode.NOT_FOUND

    for hand in hands:
        await hand.until(lambda: gone(hand), f"the end of {hand.id}")


@cases({f"{kind}-{how}": (operation, how == "by-run") for kind, operation in (SIMPLE | {"reset": RESET}).items()
        for how in ("by-id", "by-run")})
async def by_executions(s: Driver, operation: dict, with_runs: bool):
    s = await apart(s)
    hands = await runs(s, "a", "b")
    for hand in hands:
        await hand.peek.step()
    await batch(s, **named(*hands, runs=with_runs), **operation)
    if "deletion_operation" in operation:
        await deleted(*hands)
    await states(s, *hands)


async def left(s: Driver, operation: dict, open: Driver, closed: Driver) -> None:
    if "deletion_operation" in operation:
        # The reference server may keep a run that has just closed for a minute.
        await deleted(open)
        await states(s, open)
    else:
        await states(s, open, closed)


@cases(SIMPLE | {"reset": RESET})
async def of_a_closed_run_by_query(s: Driver, operation: dict):
    s = await apart(s)
    open, closed = await runs(s, "open", "closed")
    await open.peek.step()
    await closed.peek.step(complete_workflow())
    await counted(s, 1, f"{query(s)} AND ExecutionStatus = 'Completed'")
    await batch(s, visibility_query=query(s), **operation)
    await left(s, operation, open, closed)


@cases(SIMPLE | {"reset": RESET})
async def of_runs_that_are_closed_or_none(s: Driver, operation: dict):
    s = await apart(s)
    open, closed = await runs(s, "open", "closed")
    await open.peek.step()
    await closed.peek.step(complete_workflow())
    unknown = {"workflow_id": s.unique("unknown")}
    other = {"workflow_id": open.id, "run_id": NONE}
    await batch(s, executions=[{"workflow_id": open.id}, {"workflow_id": closed.id}, unknown, other], **operation)
    await left(s, operation, open, closed)


@scenario
async def same_execution_twice(s: Driver):
    s = await apart(s)
    (hand,) = await runs(s, "a")
    await batch(s, **named(hand, hand), **SIGNAL)
    await hand.describe()


@scenario
async def termination_with_details(s: Driver):
    s = await apart(s)
    (hand,) = await runs(s, "a")
    await batch(s, visibility_query=query(s),
                termination_operation={"details": payloads("detail"), "identity": "operator"})
    await hand.describe()


@scenario
async def signal_with_everything(s: Driver):
    s = await apart(s)
    (hand,) = await runs(s, "a")
    await batch(s, visibility_query=query(s), signal_operation={
        "signal": "s", "input": payloads("in"), "header": {"fields": {"h": payloads("x").payloads[0]}}, "identity": "operator"})
    await hand.describe()


@scenario
async def without_an_identity(s: Driver):
    s = await apart(s)
    (hand,) = await runs(s, "a")
    await batch(s, visibility_query=query(s), signal_operation={"signal": "s"})
    await hand.describe()


@scenario
async def that_finds_nothing(s: Driver):
    s = await apart(s)
    await batch(s, visibility_query=query(s), **TERMINATE)


@scenario
async def of_many(s: Driver):
    s = await apart(s)
    names = [f"w{number}" for number in range(30)]
    await runs(s, *names)
    await batch(s, visibility_query=query(s), **TERMINATE)
    await counted(s, 30, f"{query(s)} AND ExecutionStatus = 'Terminated'")


# --- resets ---


async def with_two_tasks(s: Driver) -> Driver:
    (hand,) = await runs(s, "a")
    await hand.peek.step()
    await hand.signal("first")
    await hand.peek.step()
    await hand.signal("second")
    await hand.peek.poll()
    return hand


@cases({
    "first-task": {"options": {"first_workflow_task": {}}},
    "last-task": {"options": {"last_workflow_task": {}}},
    "task-id": {"options": {"workflow_task_id": 4}},
    "no-such-task-id": {"options": {"workflow_task_id": 5}},
    "build": {"options": {"build_id": "b"}},
    "reapply-none": {"options": {"first_workflow_task": {}, "reset_reapply_type": 2}},
    "reapply-signals": {"options": {"first_workflow_task": {}, "reset_reapply_type": 1}},
    "exclude-signals": {"options": {"first_workflow_task": {}, "reset_reapply_exclude_types": [1]}},
    "current-run-only": {"options": {"first_workflow_task": {}, "current_run_only": True}},
    "old-first-task": {"reset_type": 1},
    "old-last-task": {"reset_type": 2},
    "old-reapply-none": {"reset_type": 1, "reset_reapply_type": 2},
    "both-ways": {"reset_type": 2, "options": {"first_workflow_task": {}}},
    "and-a-signal": {"options": {"first_workflow_task": {}}, "post_reset_operations": [
        {"signal_workflow": {"signal_name": "after"}}]},
})
async def reset(s: Driver, operation: dict):
    s = await apart(s)
    hand = await with_two_tasks(s)
    await batch(s, visibility_query=query(s), reset_operation={"identity": "operator"} | operation)
    await hand.describe()


# --- options and activities ---


async def with_paused_activities(s: Driver) -> list[Driver]:
    """Two runs with activities of two types; in the first one they are paused after a failed attempt."""
    hands = await runs(s, "a", "b")
    for hand in hands:
        await hand.peek.step(*[activity(id, hand.queue, type=id.upper(), attempts=0, backoff_s=600, start_to_close=600)
                               for id in "xy"])
        for _ in "xy":
            # Which of the two comes first is chance.
            await hand.peek.fail_activity(await hand.peek.poll_activity(), "first")
    for type in "XY":
        await s.call("PauseActivity", execution=hands[0].execution, type=type, identity="operator")
    return hands


async def pending(*hands: Driver) -> None:
    """What the batch left of each activity, without what depends on when it came."""
    for hand in hands:
        for found in sorted((await hand.peek.describe()).pending_activities, key=lambda each: each.activity_id):
            options = found.activity_options
            hand.note(f"{hand.id.split('-')[0]}.{found.activity_id}", {
                "paused": found.paused, "attempt": found.attempt,
                "start_to_close": options.start_to_close_timeout.seconds, "attempts": options.retry_policy.maximum_attempts,
            })


NEW_OPTIONS = {"activity_options": {"start_to_close_timeout": seconds(1200), "retry_policy": {"maximum_attempts": 7}},
               "update_mask": FieldMask(paths=["start_to_close_timeout", "retry_policy.maximum_attempts"])}


@cases({
    "unpause-type": {"unpause_activities_operation": {"type": "X"}},
    "unpause-all": {"unpause_activities_operation": {"match_all": True}},
    "unpause-and-reset": {"unpause_activities_operation": {"match_all": True, "reset_attempts": True, "reset_heartbeat": True}},
    "unpause-unknown-type": {"unpause_activities_operation": {"type": "None"}},
    "reset-type": {"reset_activities_operation": {"type": "X"}},
    "reset-all": {"reset_activities_operation": {"match_all": True}},
    "reset-keep-paused": {"reset_activities_operation": {"match_all": True, "keep_paused": True}},
    "reset-original-options": {"reset_activities_operation": {"match_all": True, "restore_original_options": True}},
    "options-type": {"update_activity_options_operation": {"type": "X", **NEW_OPTIONS}},
    "options-all": {"update_activity_options_operation": {"match_all": True, **NEW_OPTIONS}},
    "options-original": {"update_activity_options_operation": {
        "match_all": True, "restore_original": True, "update_mask": FieldMask()}},
})
async def activities(s: Driver, operation: dict):
    s = await apart(s)
    s.vague |= {"start_to_close_timeout", "scheduled_time", "started_time", "current_attempt_scheduled_time"}
    hands = await with_paused_activities(s)
    await batch(s, visibility_query=query(s), **operation)
    await pending(*hands)


@cases({
    "priority": {"workflow_execution_options": {"priority": {"priority_key": 2}}, "update_mask": FieldMask(paths=["priority"])},
    "versioning": {"workflow_execution_options": {"versioning_override": {"auto_upgrade": True}},
                   "update_mask": FieldMask(paths=["versioning_override"])},
    "bad-path": {"workflow_execution_options": {}, "update_mask": FieldMask(paths=["colour"])},
})
async def options_of_runs(s: Driver, fields: dict):
    s = await apart(s)
    (hand,) = await runs(s, "a")
    await refused(begin(s, visibility_query=query(s), update_workflow_options_operation={"identity": "operator"} | fields))
    try:
        await ended(s)
    except grpc.aio.AioRpcError:
        pass
    await hand.describe()


# --- refused ---

LONG = "x" * 1001


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-job-id": {"job_id": ""},
    "long-job-id": {"job_id": LONG},
    "no-reason": {"reason": ""},
    "long-reason": {"reason": "x" * 10_000},
    "neither": {"visibility_query": ""},
    "both": {"executions": [{"workflow_id": "w"}]},
    "no-operation": {"termination_operation": None},
    "bad-query": {"visibility_query": "nonsense"},
    "unknown-attribute": {"visibility_query": "NoSuch = 1"},
    "order-by": {"visibility_query": "WorkflowType = 'Nobody' ORDER BY StartTime"},
    "group-by": {"visibility_query": "WorkflowType = 'Nobody' GROUP BY ExecutionStatus"},
    "too-many": {"visibility_query": "", "executions": [{"workflow_id": f"w{number}"} for number in range(1001)]},
    "no-workflow-id": {"visibility_query": "", "executions": [{"run_id": NONE}]},
    "bad-run-id": {"visibility_query": "", "executions": [{"workflow_id": "w", "run_id": "x"}]},
    "negative-rate": {"max_operations_per_second": -1.0},
    "high-rate": {"max_operations_per_second": 1e6},
    "long-identity": {"termination_operation": {"identity": LONG}},
    "signal-without-name": {"termination_operation": None, "signal_operation": {"identity": "operator"}},
    "signal-with-long-name": {"termination_operation": None, "signal_operation": {"signal": LONG}},
    "reset-without-options": {"termination_operation": None, "reset_operation": {"identity": "operator"}},
    "reset-without-target": {"termination_operation": None, "reset_operation": {"options": {"reset_reapply_type": 1}}},
    "reset-type-unknown": {"termination_operation": None, "reset_operation": {"reset_type": 99}},
    "reset-empty-post-operation": {"termination_operation": None, "reset_operation": {
        "options": {"first_workflow_task": {}}, "post_reset_operations": [{}]}},
    "options-without-mask": {"termination_operation": None, "update_workflow_options_operation": {
        "workflow_execution_options": {"priority": {"priority_key": 2}}}},
    "options-without-options": {"termination_operation": None, "update_workflow_options_operation": {
        "update_mask": FieldMask(paths=["priority"])}},
    "unpause-without-type": {"termination_operation": None, "unpause_activities_operation": {"identity": "operator"}},
    "unpause-empty-type": {"termination_operation": None, "unpause_activities_operation": {"type": ""}},
    "unpause-not-all": {"termination_operation": None, "unpause_activities_operation": {"match_all": False}},
    "reset-activities-without-type": {"termination_operation": None, "reset_activities_operation": {"identity": "operator"}},
    "activity-options-without-type": {"termination_operation": None, "update_activity_options_operation": NEW_OPTIONS},
    "activity-options-without-mask": {"termination_operation": None, "update_activity_options_operation": {
        "match_all": True, "activity_options": {"start_to_close_timeout": seconds(9)}}},
    "activity-options-and-original": {"termination_operation": None, "update_activity_options_operation": {
        "match_all": True, "restore_original": True, **NEW_OPTIONS}},
    "activity-options-without-options": {"termination_operation": None, "update_activity_options_operation": {
        "match_all": True, "update_mask": FieldMask(paths=["start_to_close_timeout"])}},
    "activities-of-their-own": {"termination_operation": None, "cancel_activities_operation": {"identity": "operator"}},
})
async def odd_start(s: Driver, changed: dict):
    """What is not refused finds nothing."""
    s = await apart(s)
    await refused(begin(s, **({"visibility_query": "WorkflowType = 'Nobody'"} | TERMINATE | changed)))


OTHERWISE = {"termination_operation": None}


@cases({
    "bad-query": {"visibility_query": "nonsense"},
    "unknown-attribute": {"visibility_query": "NoSuch = 1"},
    "group-by": {"visibility_query": "WorkflowType = 'Nobody' GROUP BY ExecutionStatus"},
    "negative-rate": {"max_operations_per_second": -1.0},
    "no-workflow-id": {"visibility_query": "", "executions": [{"run_id": NONE}]},
    "unknown-workflow": {"visibility_query": "", "executions": [{"workflow_id": "there-is-none"}]},
    "long-signal-name": {"signal_operation": {"signal": LONG}} | OTHERWISE,
    "empty-post-operation": {"reset_operation": {
        "options": {"first_workflow_task": {}}, "post_reset_operations": [{}]}} | OTHERWISE,
    "activity-options-without-type": {"update_activity_options_operation": NEW_OPTIONS} | OTHERWISE,
    "activities-of-their-own": {"cancel_activities_operation": {"identity": "operator"}} | OTHERWISE,
})
async def odd_ending(s: Driver, changed: dict):
    """What such batches, which are accepted, come to; there is one open run."""
    s = await apart(s)
    (hand,) = await runs(s, "a")
    await refused(batch(s, **({"visibility_query": query(s)} | TERMINATE | changed)))
    await hand.describe()


@scenario
async def targets_by_their_kind(s: Driver):
    s = await apart(s)
    (hand,) = await runs(s, "a")
    await batch(s, target_executions=[{"type": 1, "business_id": hand.id}], **TERMINATE)
    await hand.describe()


@cases({"unknown": {"job_id": "there-is-none"}, "no-job-id": {"job_id": ""}, "no-namespace": {"namespace": ""},
        "unknown-namespace": {"namespace": "there-is-none"}, "long-job-id": {"job_id": LONG}})
async def bad_description(s: Driver, changed: dict):
    await refused(s.call("DescribeBatchOperation", **({"job_id": "there-is-none"} | changed)))


@scenario
async def job_that_is_a_workflow(s: Driver):
    await s.start()
    await refused(s.call("DescribeBatchOperation", job_id=s.id))
    await refused(s.call("StopBatchOperation", job_id=s.id, reason="enough"))
    await refused(s.call("StartBatchOperation", job_id=s.id, reason="why", visibility_query=query(s), **TERMINATE))
    await s.describe()


@cases({"unknown": {}, "no-job-id": {"job_id": ""}, "no-namespace": {"namespace": ""}, "no-reason": {"reason": ""},
        "unknown-namespace": {"namespace": "there-is-none"}, "long-reason": {"reason": "x" * 10_000},
        "long-identity": {"identity": LONG}})
async def bad_stop(s: Driver, changed: dict):
    await refused(s.call("StopBatchOperation", **({"job_id": "there-is-none", "reason": "enough"} | changed)))


@cases({"no-namespace": {"namespace": ""}, "unknown-namespace": {"namespace": "there-is-none"},
        "bad-token": {"next_page_token": b"garbage"}})
async def bad_list(s: Driver, changed: dict):
    await refused(s.call("ListBatchOperations", **changed))


# --- while it runs, and after it ---


async def slow(s: Driver, count: int = 40) -> list[Driver]:
    """A batch that would take ten minutes or more."""
    hands = await runs(s, *[f"w{number}" for number in range(count)])
    await begin(s, visibility_query=query(s), max_operations_per_second=0.05, **SIGNAL)
    return hands


@scenario
async def while_it_runs(s: Driver):
    """Its numbers are left out: how far it is depends on luck."""
    s = await apart(s)
    s.vague |= {"total_operation_count", "complete_operation_count"}
    await slow(s, 3)
    await s.call("DescribeBatchOperation", job_id=s.unique("job"))
    await refused(begin(s, visibility_query=query(s), **TERMINATE))
    await s.call("StopBatchOperation", job_id=s.unique("job"), reason="enough", identity="other")
    await ended(s)
    await refused(s.call("StopBatchOperation", job_id=s.unique("job"), reason="enough"))
    await refused(begin(s, visibility_query=query(s), **TERMINATE))


@scenario
async def job_id_is_taken_for_good(s: Driver):
    s = await apart(s)
    await batch(s, visibility_query=query(s), **TERMINATE)
    await refused(begin(s, visibility_query=query(s), **TERMINATE))
    await refused(begin(s, visibility_query=query(s), **SIGNAL))
    await refused(s.call("StopBatchOperation", job_id=s.unique("job"), reason="enough"))
    await s.call("DescribeBatchOperation", job_id=s.unique("job"))


@scenario
async def many_at_a_time(s: Driver):
    hand = await apart(s)
    await runs(hand, "a", "b", "c")
    for number in range(6):
        await refused(begin(hand, job=f"job{number}", visibility_query=query(s), max_operations_per_second=0.05, **SIGNAL))
    for number in range(6):
        try:
            await hand.peek.api.call("StopBatchOperation", request(
                "StopBatchOperation", namespace=hand.namespace, job_id=s.unique(f"job{number}"), reason="enough"))
        except grpc.aio.AioRpcError:
            pass


@scenario
async def listed(s: Driver):
    hand = await apart(s)
    await hand.call("ListBatchOperations")
    await runs(hand, "a")
    for number, operation in enumerate((SIGNAL, TERMINATE, SIMPLE["delete"])):
        await begin(hand, job=f"job{number}", visibility_query="WorkflowType = 'Nobody'", **operation)
        await ended(hand, job=f"job{number}")

    async def all_over():
        found = await hand.peek.api.call("ListBatchOperations", request("ListBatchOperations", namespace=hand.namespace))
        return [each.state for each in found.operation_info] == [2, 2, 2]

    await s.until(all_over, "the list")
    await hand.call("ListBatchOperations")
    for size in (1, 3, 0, -1, 100_000):
        await refused(hand.call("ListBatchOperations", page_size=size))
    pages, token = [], b""
    while len(pages) < 6:
        reply = await hand.peek.api.call("ListBatchOperations", request(
            "ListBatchOperations", namespace=hand.namespace, page_size=2, next_page_token=token))
        pages.append([each.job_id.split("-")[0] for each in reply.operation_info])
        token = reply.next_page_token
        if not token:
            break
    s.note("pages", [" ".join(page) for page in pages])


@scenario
async def are_no_runs_of_their_namespace(s: Driver):
    hand = await apart(s)
    await runs(hand, "a")
    await begin(hand, visibility_query="WorkflowType = 'Nobody'", **SIGNAL)
    await ended(hand)
    await hand.call("CountWorkflowExecutions")
    await refused(hand.call("DescribeWorkflowExecution", execution={"workflow_id": s.unique("none")}))
