"""F34: failures, reasons and identities beyond their limits, wherever a worker or client may send one.

What is large is the details, because they are left out where a failure is cut.
"""

from harness.commands import command
from harness.rpc import payload, payloads, seconds
from temporalio.api.failure.v1 import Failure

from ..driver import Driver, refused
from ..registry import cases, scenario

LARGE = "x" * ((2 << 20) + 1)
LONG = "x" * 1001


def failure(size: str, **info) -> Failure:
    """An application failure whose details are large, with a small cause."""
    return Failure(message="boom", source="test", stack_trace="here", cause=Failure(message="deeper"),
                   application_failure_info={"type": "E", "details": payloads(size)} | info)


KINDS = {
    "application": lambda: failure(LARGE),
    "application-delay": lambda: failure(LARGE, non_retryable=True, next_retry_delay=seconds(3), category=1),
    "canceled": lambda: Failure(message="boom", canceled_failure_info={"details": payloads(LARGE)}),
    "timeout": lambda: Failure(
        message="boom", timeout_failure_info={"timeout_type": 1, "last_heartbeat_details": payloads(LARGE)}),
    "reset": lambda: Failure(
        message="boom", reset_workflow_failure_info={"last_heartbeat_details": payloads(LARGE)}),
    "activity": lambda: Failure(message="boom", activity_failure_info={
        "scheduled_event_id": 5, "started_event_id": 6, "identity": "i", "activity_type": {"name": "A"},
        "activity_id": "a", "retry_state": 1}, cause=failure(LARGE)),
    "child": lambda: Failure(message="boom", child_workflow_execution_failure_info={
        "namespace": "default", "workflow_execution": {"workflow_id": "w"}, "workflow_type": {"name": "C"},
        "initiated_event_id": 5, "started_event_id": 6, "retry_state": 1}, cause=failure(LARGE)),
    "server": lambda: Failure(message="boom", server_failure_info={"non_retryable": True}, cause=failure(LARGE)),
    "terminated": lambda: Failure(message="boom", terminated_failure_info={}, cause=failure(LARGE)),
    "nothing": lambda: Failure(message="boom", cause=failure(LARGE)),
    "attributes": lambda: Failure(message="boom", encoded_attributes=payload(LARGE)),
}


def activity(s: Driver, **fields):
    return command("SCHEDULE_ACTIVITY_TASK", activity_id="a", activity_type={"name": "A"}, task_queue={"name": s.queue},
                   start_to_close_timeout=seconds(600), **fields)


@cases(KINDS)
async def of_a_workflow_task(s: Driver, make):
    task = await s.begin()
    await refused(s.call("RespondWorkflowTaskFailed", task_token=task.task_token, identity="hand", failure=make()))
    await s.terminate()


@cases(KINDS)
async def of_an_activity(s: Driver, make):
    await s.start()
    await s.step(activity(s, retry_policy={"maximum_attempts": 1}))
    task = await s.poll_activity()
    made = make()
    await refused(s.call("RespondActivityTaskFailed", task_token=task.task_token, identity="hand", failure=made))
    await s.describe()
    await s.terminate()


@scenario
async def heartbeat_details_with_a_failure(s: Driver):
    await s.start()
    await s.step(activity(s, retry_policy={"initial_interval": seconds(60)}))
    task = await s.poll_activity()
    await refused(s.call("RespondActivityTaskFailed", task_token=task.task_token, identity="hand",
                         failure=failure("d"), last_heartbeat_details=payloads(LARGE)))
    await s.describe()
    await s.terminate()


COMMANDS = {
    "fail": lambda s: command("FAIL_WORKFLOW_EXECUTION", failure=failure(LARGE)),
    "fail-activity-info": lambda s: command("FAIL_WORKFLOW_EXECUTION", failure=KINDS["activity"]()),
    "cancel": lambda s: command("CANCEL_WORKFLOW_EXECUTION", details=payloads(LARGE)),
    "complete": lambda s: command("COMPLETE_WORKFLOW_EXECUTION", result=payloads(LARGE)),
    "marker-failure": lambda s: command("RECORD_MARKER", marker_name="m", failure=failure(LARGE)),
    "marker-details": lambda s: command("RECORD_MARKER", marker_name="m", details={"d": payloads(LARGE)}),
    "marker-header": lambda s: command("RECORD_MARKER", marker_name="m", header={"fields": {"h": payload(LARGE)}}),
}


@cases(COMMANDS)
async def of_a_command(s: Driver, make):
    task = await s.begin()
    await refused(s.complete(task, make(s)))
    await s.describe()


@cases({"failure": {"failure": failure(LARGE)}, "last-result": {"last_completion_result": payloads(LARGE)},
        "header": {"header": {"fields": {"h": payload(LARGE)}}}})
async def of_a_continuation(s: Driver, fields: dict):
    task = await s.begin()
    await s.lived()
    await refused(s.complete(task, command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"},
                                           task_queue={"name": s.queue}, **fields)))
    await s.describe()


@cases({name: name for name in ("RespondWorkflowTaskFailed", "RespondWorkflowTaskCompleted")})
async def long_identity_of_a_workflow_task(s: Driver, method: str):
    task = await s.begin()
    await refused(s.call(method, task_token=task.task_token, identity=LONG))
    await s.terminate()


@cases({name: name for name in ("RespondActivityTaskFailed", "RespondActivityTaskCompleted",
                                "RespondActivityTaskCanceled", "RecordActivityTaskHeartbeat")})
async def long_identity_of_an_activity(s: Driver, method: str):
    await s.start()
    await s.step(activity(s, retry_policy={"maximum_attempts": 1}))
    task = await s.poll_activity()
    await refused(s.call(method, task_token=task.task_token, identity=LONG))
    await s.terminate()


@cases({name: name for name in ("RespondActivityTaskFailedById", "RespondActivityTaskCompletedById",
                                "RespondActivityTaskCanceledById", "RecordActivityTaskHeartbeatById")})
async def long_identity_of_an_activity_by_id(s: Driver, method: str):
    await s.start()
    await s.step(activity(s, retry_policy={"maximum_attempts": 1}))
    await s.poll_activity()
    await refused(s.call(method, workflow_id=s.id, activity_id="a", identity=LONG))
    await s.terminate()


@scenario
async def failure_of_an_activity_by_id(s: Driver):
    await s.start()
    await s.step(activity(s, retry_policy={"maximum_attempts": 1}))
    await s.poll_activity()
    await s.call("RespondActivityTaskFailedById", workflow_id=s.id, activity_id="a", failure=failure(LARGE))
    await s.finish()


@cases({
    "terminate-reason": ("TerminateWorkflowExecution", {"reason": LONG}),
    "terminate-identity": ("TerminateWorkflowExecution", {"identity": LONG}),
    "cancel-reason": ("RequestCancelWorkflowExecution", {"reason": LONG}),
    "cancel-identity": ("RequestCancelWorkflowExecution", {"identity": LONG}),
    "signal-identity": ("SignalWorkflowExecution", {"signal_name": "s", "identity": LONG}),
    "reset-reason": ("ResetWorkflowExecution", {"reason": LONG, "workflow_task_finish_event_id": 4}),
    "reset-identity": ("ResetWorkflowExecution", {"reason": "r", "identity": LONG, "workflow_task_finish_event_id": 4}),
})
async def words_of_a_client(s: Driver, method: str, fields: dict):
    await s.start()
    await s.step()
    if method != "TerminateWorkflowExecution":
        fields = fields | {"request_id": s.unique("request")}
    await refused(s.call(method, workflow_execution=s.execution, **fields))
