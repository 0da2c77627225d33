"""SignalWorkflowExecution and SignalWithStartWorkflowExecution."""

from harness.hand import cancel_workflow, complete_workflow, fail_workflow
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .chains import goes_on

LONG = "x" * 1001
LINK = {"workflow_event": {"namespace": "default", "workflow_id": "linked",
                           "run_id": "00000000-0000-0000-0000-000000000001"}}


async def signal(s: Driver, **changed):
    plain = {"workflow_execution": s.execution, "signal_name": "s", "request_id": s.unique("r"), "identity": "test"}
    fields = {name: value for name, value in (plain | changed).items() if value is not None}
    return await s.call("SignalWorkflowExecution", **fields)


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-execution": {"workflow_execution": None},
    "no-id": {"workflow_execution": {"run_id": "00000000-0000-0000-0000-000000000001"}},
    "unknown-id": {"workflow_execution": {"workflow_id": "there-is-none"}},
    "no-name": {"signal_name": None},
    "long-name": {"signal_name": LONG},
    "long-request-id": {"request_id": LONG},
    "big-input": {"input": payloads(b"x" * ((2 << 20) + 1))},
    "bad-link": {"links": [{"workflow_event": {}}]},
    "link-without-workflow-id": {"links": [{"workflow_event": {"namespace": "default"}}]},
    "link-without-run-id": {"links": [{"workflow_event": {"namespace": "default", "workflow_id": "linked"}}]},
    "link-to-no-event-type": {"links": [{"workflow_event": LINK["workflow_event"] | {"event_ref": {"event_id": 3}}}]},
    "link-to-a-job": {"links": [{"batch_job": {}}]},
    "empty-link": {"links": [{}]},
    "long-link": {"links": [{"workflow_event": LINK["workflow_event"] | {"workflow_id": "x" * 5000}}]},
    "many-links": {"links": [LINK] * 11},
})
async def bad(s: Driver, changed: dict):
    await s.start()
    await refused(signal(s, **changed))


@cases({"malformed": "not-a-uuid", "unknown": "00000000-0000-0000-0000-000000000001"})
async def to_a_run_that_is_none(s: Driver, run: str):
    await s.start()
    await refused(signal(s, workflow_execution={"workflow_id": s.id, "run_id": run}))


@scenario
async def with_everything_set(s: Driver):
    await s.start()
    await signal(s, input=payloads("a", "b"), header={"fields": {"h": payloads("v").payloads[0]}}, links=[LINK])
    await s.describe()
    await s.finish()


@scenario
async def of_one_request_id_is_applied_once(s: Driver):
    await s.start()
    await signal(s)
    await signal(s)
    await s.finish()
    await refused(signal(s))


@scenario
async def of_one_request_id_during_a_task_is_applied_once(s: Driver):
    task = await s.begin()
    await signal(s)
    await signal(s)
    await s.complete(task)
    await s.finish()


@scenario
async def of_one_request_id_reaches_each_of_two_runs(s: Driver):
    for _ in range(2):
        await s.start()
        await signal(s)
        await signal(s)
        await s.finish()


@scenario
async def of_one_request_id_before_and_after_continuing_as_new(s: Driver):
    await s.start()
    await signal(s)
    await goes_on(s)
    await signal(s)
    await s.finish()


@scenario
async def of_one_request_id_before_and_after_a_reset(s: Driver):
    await s.start()
    await s.step()
    await signal(s)
    await s.step()
    await s.call(
        "ResetWorkflowExecution", workflow_execution={"workflow_id": s.id, "run_id": s.run}, reason="again",
        identity="test", workflow_task_finish_event_id=4, request_id=s.unique("reset"))
    await signal(s)
    await s.finish()


@scenario
async def without_a_request_id_is_applied_each_time(s: Driver):
    await s.start()
    await signal(s, request_id=None)
    await signal(s, request_id=None)
    await s.finish()


@scenario
async def keep_their_order(s: Driver):
    task = await s.begin()
    for number in range(4):
        await s.signal("s", str(number))
    await s.complete(task)
    for number in range(4, 7):
        await s.signal("s", str(number))
    await s.finish()


ENDS = {
    "completed": lambda s: s.finish(), "failed": lambda s: s.step(fail_workflow("no")),
    "canceled": lambda s: s.step(cancel_workflow()), "terminated": lambda s: s.terminate(),
}


@cases(ENDS)
async def after_the_end(s: Driver, end):
    await s.start()
    await end(s)
    await refused(signal(s))


# --- signal with start ---


async def signal_with_start(s: Driver, **changed):
    plain = {
        "workflow_id": s.id, "workflow_type": {"name": "T"}, "task_queue": {"name": s.queue}, "identity": "test",
        "request_id": s.unique("r"), "signal_name": "s", "signal_input": payloads("news"),
    }
    fields = {name: value for name, value in (plain | changed).items() if value is not None}
    return await s.call("SignalWithStartWorkflowExecution", **fields)


@scenario
async def starts_what_is_not_there(s: Driver):
    await signal_with_start(s, input=payloads("in"), memo={"fields": {"m": payloads("v").payloads[0]}})
    await s.describe()
    await s.finish()


@scenario
async def starts_with_timeouts_and_header(s: Driver):
    await signal_with_start(
        s, workflow_execution_timeout=seconds(7200), workflow_run_timeout=seconds(3600),
        workflow_task_timeout=seconds(60), retry_policy={"maximum_attempts": 2},
        header={"fields": {"h": payloads("v").payloads[0]}}, links=[LINK],
        user_metadata={"summary": payloads("sum").payloads[0]})
    await s.describe()


@scenario
async def signals_what_runs(s: Driver):
    await s.start()
    await s.step()
    await signal_with_start(s)
    await s.finish()


@scenario
async def of_one_request_id_with_start_for_each_of_two_runs(s: Driver):
    for _ in range(2):
        await s.start()
        await signal_with_start(s)
        await signal_with_start(s)
        await s.finish()


@scenario
async def of_one_request_id_with_start_before_and_after_continuing_as_new(s: Driver):
    await s.start()
    await signal_with_start(s)
    await goes_on(s)
    await signal_with_start(s)
    await s.finish()


@scenario
async def of_one_request_id_with_start_after_the_end_of_what_it_signalled(s: Driver):
    await s.start()
    await signal_with_start(s)
    await s.finish()
    await signal_with_start(s)
    await s.finish()


@scenario
async def of_one_request_id_with_start_after_the_end_of_what_it_started(s: Driver):
    await signal_with_start(s)
    await s.finish()
    await refused(signal_with_start(s))
    await s.describe()


@scenario
async def is_applied_once_for_its_request_id(s: Driver):
    await signal_with_start(s)
    await signal_with_start(s)
    await s.finish()


@scenario
async def signals_a_running_one_once_for_its_request_id(s: Driver):
    await s.start()
    await signal_with_start(s)
    await signal_with_start(s)
    await s.finish()


@cases({
    f"{end}-{reuse.lower()}": (ENDS[end], reuse)
    for end in ("completed", "failed")
    for reuse in ("ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE")
})
async def starts_again_after(s: Driver, end, reuse: str):
    await s.start()
    await end(s)
    await refused(signal_with_start(s, workflow_id_reuse_policy=f"WORKFLOW_ID_REUSE_POLICY_{reuse}"))
    await s.describe()


@cases({
    "fail": {"workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_FAIL"},
    "use-existing": {"workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"},
    "terminate-existing": {"workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "terminate-if-running": {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING"},
})
async def policy_for_what_runs(s: Driver, fields: dict):
    await s.start()
    await s.step()
    await refused(signal_with_start(s, **fields))
    await s.describe()


@cases({
    "no-namespace": {"namespace": ""},
    "no-id": {"workflow_id": None},
    "no-type": {"workflow_type": None},
    "no-queue": {"task_queue": None},
    "no-name": {"signal_name": None},
    "long-name": {"signal_name": LONG},
    "negative-timeout": {"workflow_run_timeout": seconds(-1)},
    "bad-retry": {"retry_policy": {"maximum_attempts": -1}},
    "bad-cron": {"cron_schedule": "every day"},
    "delay-and-cron": {"workflow_start_delay": seconds(60), "cron_schedule": "* * * * *"},
    "big-signal": {"signal_input": payloads(b"x" * ((2 << 20) + 1))},
})
async def bad_signal_with_start(s: Driver, changed: dict):
    await refused(signal_with_start(s, **changed))


@scenario
async def start_delay_of_a_signal_with_start(s: Driver):
    await signal_with_start(s, workflow_start_delay=seconds(600))
    await s.describe()


@scenario
async def completes_with_the_signal_seen(s: Driver):
    await signal_with_start(s)
    await s.step(complete_workflow())
