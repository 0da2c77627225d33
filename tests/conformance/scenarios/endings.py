"""Cancel requests, termination, and the commands that end a run."""

from harness.commands import command
from harness.hand import activity, cancel_workflow, complete_workflow, fail_workflow, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

NONE = "00000000-0000-0000-0000-000000000001"
LINK = {"workflow_event": {"namespace": "default", "workflow_id": "linked", "run_id": NONE}}
BOTH = ("RequestCancelWorkflowExecution", "TerminateWorkflowExecution")


@cases({
    f"{method.removesuffix('WorkflowExecution').lower()}-{name}": (method, fields)
    for method in BOTH
    for name, fields in {
        "no-namespace": {"namespace": ""},
        "unknown-namespace": {"namespace": "there-is-none"},
        "no-execution": {"workflow_execution": None},
        "no-id": {"workflow_execution": {"run_id": NONE}},
        "unknown-id": {"workflow_execution": {"workflow_id": "there-is-none"}},
        "bad-run-id": {"workflow_execution": {"workflow_id": "x", "run_id": "not-a-uuid"}},
        "bad-first-run-id": {"first_execution_run_id": "not-a-uuid"},
        "other-first-run-id": {"first_execution_run_id": NONE},
        "long-reason": {"reason": "x" * 1001},
        "long-identity": {"identity": "x" * 1001},
    }.items()
})
async def bad(s: Driver, method: str, changed: dict):
    await s.start()
    fields = {"workflow_execution": s.execution, "identity": "test"} | changed
    await refused(s.call(method, **{name: value for name, value in fields.items() if value is not None}))
    await s.describe()


@cases({method.removesuffix("WorkflowExecution").lower(): method for method in BOTH})
async def of_the_first_run(s: Driver, method: str):
    await s.start()
    await s.call(method, workflow_execution=s.execution, first_execution_run_id=s.run, identity="test",
                 reason="why", links=[LINK])
    await s.describe()


@cases({method.removesuffix("WorkflowExecution").lower(): method for method in BOTH})
async def after_the_end(s: Driver, method: str):
    await s.start()
    await s.finish()
    await refused(s.call(method, workflow_execution=s.execution))
    await refused(s.call(method, workflow_execution={"workflow_id": s.id, "run_id": s.run}))


@scenario
async def cancel_requested_twice(s: Driver):
    await s.start()
    await s.request_cancel(request_id="c", reason="why")
    await s.request_cancel(request_id="c")
    await refused(s.request_cancel(request_id="d"))
    await s.step(cancel_workflow())
    await s.describe()


@scenario
async def cancel_requested_during_a_task(s: Driver):
    task = await s.begin()
    await s.request_cancel()
    await refused(s.request_cancel())
    await s.complete(task, start_timer("t", 600))
    await s.step(cancel_workflow())


@scenario
async def completes_in_spite_of_a_cancel_request(s: Driver):
    await s.start()
    await s.request_cancel()
    await s.finish()
    await s.describe()


@scenario
async def cancels_itself_unasked(s: Driver):
    await s.start()
    await s.step(command("CANCEL_WORKFLOW_EXECUTION", details=payloads("why")))
    await s.describe()


@scenario
async def terminated_with_details(s: Driver):
    await s.start()
    await s.call("TerminateWorkflowExecution", workflow_execution=s.execution, reason="enough", identity="test",
                 details=payloads("d"))
    await s.describe()


@scenario
async def terminated_with_everything_open(s: Driver):
    await s.start()
    await s.step(activity("a", s.queue), activity("b", s.unique("nobody")), start_timer("t", 600))
    task = await s.poll_activity()
    await s.signal("s")
    await s.poll()
    await s.terminate()
    await refused(s.complete_activity(task))
    await s.describe()


@scenario
async def terminated_by_a_start(s: Driver):
    task = await s.begin()
    await s.start(workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING")
    await refused(s.complete(task, complete_workflow()))
    await s.finish()


@scenario
async def fails_with_everything_set(s: Driver):
    await s.start()
    await s.step(command("FAIL_WORKFLOW_EXECUTION", failure={
        "message": "outer", "source": "hand", "stack_trace": "a\nb", "cause": {"message": "inner"},
        "application_failure_info": {"type": "E", "non_retryable": True, "details": payloads("d")},
        "encoded_attributes": payloads("e").payloads[0]}))
    await s.describe()


@cases({
    "complete": lambda: complete_workflow("out"), "fail": lambda: fail_workflow("no"), "cancel": cancel_workflow,
})
async def ends_with_open_activities(s: Driver, closing):
    await s.start()
    await s.step(activity("a", s.queue), start_timer("t", 600))
    task = await s.poll_activity()
    await s.signal("s")
    await s.step(closing())
    await refused(s.complete_activity(task))
    await refused(s.heartbeat(task))
    await s.describe()


@scenario
async def run_times_out_with_everything_open(s: Driver):
    await s.start(workflow_run_timeout=seconds(3))
    await s.step(activity("a", s.queue, start_to_close=600), start_timer("t", 600))
    task = await s.poll_activity()
    await s.closed()
    await refused(s.complete_activity(task))
    await s.describe()
