"""Requests to pause and to unpause: bad ones, repeated ones, of closed and unknown runs; chains, resets and lists."""

from harness.commands import request
from harness.hand import start_timer
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .batches import apart
from .chains import again
from .pauses import HOUR, NONE, pause, paused, told, unpause
from .resets import reset

METHODS = {"pause": "PauseWorkflowExecution", "unpause": "UnpauseWorkflowExecution"}
BAD = {
    "no-id": {"workflow_id": ""},
    "long-id": {"workflow_id": "x" * 1001},
    "unknown-id": {"workflow_id": "there-is-none"},
    "bad-run": {"run_id": "not-a-uuid"},
    "unknown-run": {"run_id": NONE},
    "unknown-id-and-bad-run": {"workflow_id": "there-is-none", "run_id": "not-a-uuid"},
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "long-identity": {"identity": "x" * 1001},
    "long-reason": {"reason": "x" * 1001},
    "long-request-id": {"request_id": "x" * 1001},
    "no-request-id": {"request_id": ""},
    "no-identity": {"identity": ""},
    "no-reason": {"reason": ""},
}


@cases({f"{name}-{why}": (method, changed) for name, method in METHODS.items() for why, changed in BAD.items()})
async def bad(s: Driver, method: str, changed: dict):
    await s.start()
    if method.startswith("Un"):
        await pause(s)
    await refused(told(s, method, **{"request_id": s.unique("r"), "reason": "why"} | changed))
    await s.describe()


@cases({"same-request": "pause", "another-request": "again"})
async def paused_twice(s: Driver, request_id: str):
    await paused(s)
    await refused(pause(s, request_id=s.unique(request_id), reason="another"))
    await s.describe()


@cases({"same-request": "unpause", "another-request": "again"})
async def unpaused_twice(s: Driver, request_id: str):
    await paused(s)
    await unpause(s)
    await refused(unpause(s, request_id=s.unique(request_id)))
    await s.describe()


@scenario
async def unpaused_without_a_pause(s: Driver):
    await s.start()
    await refused(unpause(s))
    await s.describe()


@scenario
async def all_with_one_request_id(s: Driver):
    await s.start()
    for _ in range(2):
        await refused(pause(s, request_id=s.unique("r")))
        await refused(unpause(s, request_id=s.unique("r")))
    await s.describe()


@cases(METHODS)
async def of_a_closed_run(s: Driver, method: str):
    await s.start()
    await s.finish()
    await refused(told(s, method, request_id=s.unique("r")))
    await refused(told(s, method, request_id=s.unique("r"), run_id=s.run))


@scenario
async def by_run_id(s: Driver):
    await s.start()
    await pause(s, run_id=s.run)
    await s.describe()
    await unpause(s, run_id=s.run)
    await s.finish()


@scenario
async def of_an_earlier_run(s: Driver):
    await s.start()
    await s.step(again(s, backoff_start_interval=HOUR))
    await refused(pause(s, run_id=s.run))
    await refused(unpause(s, run_id=s.run))


# --- a paused run's id is taken ---


@cases({policy.lower().replace("_", "-"): policy for policy in ("FAIL", "USE_EXISTING", "TERMINATE_EXISTING")})
async def started_again(s: Driver, policy: str):
    await paused(s)
    await refused(s.start(workflow_id_conflict_policy=f"WORKFLOW_ID_CONFLICT_POLICY_{policy}"))
    await s.describe()


# --- chains ---


@scenario
async def next_run_after_a_run_timeout(s: Driver):
    await s.start(workflow_run_timeout=seconds(2), retry_policy={
        "initial_interval": HOUR, "backoff_coefficient": 1, "maximum_attempts": 2})
    await s.step()
    await pause(s)
    await s.closed()
    await s.describe()


# --- resets ---


@scenario
async def reset_to_before_the_pause(s: Driver):
    await paused(s, start_timer("t", 600))
    await refused(reset(s, 4))
    await s.describe()


@scenario
async def reset_to_after_the_pause(s: Driver):
    await paused(s, start_timer("t", 600))
    await unpause(s)
    await s.step()
    await refused(reset(s, 10))
    await s.describe()
    await s.finish()


@scenario
async def reset_while_it_is_paused_again(s: Driver):
    await paused(s)
    await unpause(s)
    await s.signal("s")
    await s.step()
    await pause(s, request_id=s.unique("again"))
    await s.signal("s")
    await refused(reset(s, 4))
    await s.describe()
    await s.finish()


@scenario
async def reset_of_a_run_that_was_closed_while_paused(s: Driver):
    await paused(s)
    await s.terminate()
    await refused(reset(s, 4))
    await s.describe()
    await s.finish()


# --- what else becomes of the run ---


@scenario
async def run_that_times_out(s: Driver):
    await paused(s, workflow_run_timeout=seconds(2))
    await s.closed()
    await s.describe()


@scenario
async def options_are_changed(s: Driver):
    await paused(s)
    await s.call("UpdateWorkflowExecutionOptions", workflow_execution=s.execution, identity="operator",
                 workflow_execution_options={"priority": {"priority_key": 2}}, update_mask={"paths": ["priority"]})
    await s.describe()


@scenario
async def run_is_deleted(s: Driver):
    await paused(s)
    await s.call("DeleteWorkflowExecution", workflow_execution=s.execution)

    async def gone():
        try:
            await s.peek.describe()
        except Exception:
            return True

    await s.until(gone, "the end of the run")
    await refused(s.describe())


# --- lists ---


@scenario
async def lists(s: Driver):
    s = await apart(s)
    a, b, c = (s.other(name, queue=f"q-{name}") for name in "abc")
    for hand in a, b, c:
        await hand.start()
    await pause(a)
    await pause(b)
    await unpause(b)
    await c.terminate()
    await listed(s, "ExecutionStatus = 'Paused'", 1)
    await listed(s, "ExecutionStatus = 'Terminated'", 1)
    for text in ("ExecutionStatus = 'Paused'", "TemporalPauseInfo IS NOT NULL", "ExecutionStatus = 'Running'",
                 "TemporalPauseInfo = 'Workflow:a'", "CloseTime IS NULL", "ExecutionStatus = 8",
                 "ExecutionStatus != 'Running'", "ExecutionStatus = 'WORKFLOW_EXECUTION_STATUS_PAUSED'"):
        await refused(s.call("ListWorkflowExecutions", query=text))
        await refused(s.call("CountWorkflowExecutions", query=text))
    await s.call("CountWorkflowExecutions", query="GROUP BY ExecutionStatus")
    await s.call("ListOpenWorkflowExecutions", start_time_filter={})


async def listed(s: Driver, text: str, count: int) -> None:
    asked = request("CountWorkflowExecutions", namespace=s.namespace, query=text)

    async def found():
        return (await s.peek.api.call("CountWorkflowExecutions", asked)).count == count

    await s.until(found, f"{count} runs")


@scenario
async def history_is_not_awaited(s: Driver):
    await paused(s)
    await s.call("GetWorkflowExecutionHistory", execution=s.execution, wait_new_event=True)


@scenario
async def history_that_was_awaited(s: Driver):
    await s.start()
    await s.step()
    reply = await s.call("GetWorkflowExecutionHistory", execution=s.execution, wait_new_event=True)
    call = s.soon(s.call("GetWorkflowExecutionHistory", execution=s.execution, wait_new_event=True, timeout=20,
                         next_page_token=reply.next_page_token))
    await s.no_sooner(0.5)
    await pause(s)
    s.note("more", bool((await call).next_page_token))


@cases({"running": False, "paused": True})
async def end_is_awaited(s: Driver, before: bool):
    await s.start()
    await s.step()
    if before:
        await pause(s)
    call = s.soon(s.call("GetWorkflowExecutionHistory", execution=s.execution, wait_new_event=True, timeout=20,
                         history_event_filter_type="HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT"))
    await s.no_sooner(0.5)
    if not before:
        await pause(s)
        await s.no_sooner(0.5)
    await s.terminate()
    s.note("more", bool((await call).next_page_token))
