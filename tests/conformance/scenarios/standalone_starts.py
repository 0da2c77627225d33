"""Activities without a workflow: how they start, and which starts are refused or find another."""

from harness.commands import request
from harness.rpc import payload, payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .search_attributes import given, value

NONE = "00000000-0000-0000-0000-000000000001"
HOUR = seconds(3600)
NEVER = {"initial_interval": HOUR, "backoff_coefficient": 1}
SOON = {"initial_interval": seconds(0.1), "backoff_coefficient": 1}


async def start(s: Driver, name: str = "a", **changed):
    """Starts an activity by the id `name`; fields that are None are left out."""
    plain = {
        "activity_id": s.unique(name), "activity_type": {"name": "A"}, "task_queue": {"name": s.queue},
        "start_to_close_timeout": seconds(600), "input": payloads("in"), "identity": "test",
        "request_id": s.unique(f"start-{name}"),
    }
    return await s.call("StartActivityExecution", **{k: v for k, v in (plain | changed).items() if v is not None})


async def asked(s: Driver, method: str, name: str = "a", **fields):
    """Any method for the activity `name`."""
    plain = {"activity_id": s.unique(name)}
    return await s.call(f"{method}ActivityExecution", **{k: v for k, v in (plain | fields).items() if v is not None})


async def describe(s: Driver, name: str = "a", **fields):
    everything = {f"include_{part}": True for part in ("input", "outcome", "heartbeat_details", "last_failure")}
    return await asked(s, "Describe", name, **everything | fields)


async def described(s: Driver, condition, name: str = "a"):
    """Waits until the description satisfies `condition`; unrecorded."""
    wanted = request("DescribeActivityExecution", namespace=s.namespace, activity_id=s.unique(name))

    async def found():
        reply = await s.peek.api.call("DescribeActivityExecution", wanted)
        return reply if condition(reply.info) else None

    return await s.until(found, "description of an activity")


async def closed(s: Driver, name: str = "a") -> None:
    await described(s, lambda info: info.HasField("close_time"), name)


async def started(s: Driver, **fields):
    """An activity in a worker's hands."""
    await start(s, **fields)
    return await s.poll_activity()


# --- what is kept of a start ---


@scenario
async def plain(s: Driver):
    await start(s)
    await describe(s)
    task = await s.poll_activity()
    await describe(s)
    await s.complete_activity(task, "out")
    await describe(s)
    await asked(s, "Poll")


@scenario
async def with_everything_set(s: Driver):
    await start(
        s, schedule_to_close_timeout=HOUR, schedule_to_start_timeout=seconds(1800), heartbeat_timeout=seconds(60),
        retry_policy={"initial_interval": seconds(2), "backoff_coefficient": 3, "maximum_interval": seconds(60),
                      "maximum_attempts": 5, "non_retryable_error_types": ["Bad"]},
        header={"fields": {"h": payload("v")}}, priority={"priority_key": 4},
        user_metadata={"summary": payload("sum"), "details": payload("more")},
    )
    await describe(s)
    await s.complete_activity(await s.poll_activity(), "out")
    await describe(s)


@cases({
    "only-schedule-to-close": {"start_to_close_timeout": None, "schedule_to_close_timeout": HOUR},
    "schedule-to-close-below-others": {
        "schedule_to_close_timeout": seconds(60), "schedule_to_start_timeout": seconds(600)},
    "heartbeat-above-start-to-close": {"start_to_close_timeout": seconds(60), "heartbeat_timeout": seconds(600)},
    "schedule-to-start": {"schedule_to_start_timeout": seconds(60)},
    "ten-years": {"start_to_close_timeout": seconds(10 * 365 * 86_400)},
})
async def timeouts_are_completed(s: Driver, timeouts: dict):
    await start(s, **timeouts)
    await describe(s)
    await s.poll_activity()


@cases({
    "empty": {},
    "interval": {"initial_interval": seconds(2)},
    "interval-above-maximum": {"initial_interval": seconds(600), "maximum_interval": seconds(700)},
    "attempts": {"maximum_attempts": 1},
})
async def retry_policy_is_completed(s: Driver, policy: dict):
    await start(s, retry_policy=policy)
    await describe(s)


@scenario
async def start_delay(s: Driver):
    await start(s, start_delay=HOUR, schedule_to_close_timeout=seconds(7200))
    await describe(s)
    await s.no_task("Activity")


@scenario
async def start_delay_that_ends(s: Driver):
    await start(s, start_delay=seconds(1))
    await s.complete_activity(await s.poll_activity(), "out")
    await describe(s)


# --- bad starts ---


@cases({
    "no-id": {"activity_id": ""},
    "long-id": {"activity_id": "x" * 1001},
    "no-type": {"activity_type": None},
    "empty-type": {"activity_type": {"name": ""}},
    "long-type": {"activity_type": {"name": "x" * 1001}},
    "no-queue": {"task_queue": None},
    "empty-queue": {"task_queue": {"name": ""}},
    "long-queue": {"task_queue": {"name": "x" * 1001}},
    "reserved-queue": {"task_queue": {"name": "/_sys/q/1"}},
    "no-timeouts": {"start_to_close_timeout": None},
    "only-heartbeat": {"start_to_close_timeout": None, "heartbeat_timeout": seconds(60)},
    "zero-timeouts": {"start_to_close_timeout": seconds(0), "schedule_to_close_timeout": seconds(0)},
    "negative-start-to-close": {"start_to_close_timeout": seconds(-1)},
    "negative-schedule-to-close": {"schedule_to_close_timeout": seconds(-1)},
    "negative-schedule-to-start": {"schedule_to_start_timeout": seconds(-1)},
    "negative-heartbeat": {"heartbeat_timeout": seconds(-1)},
    "negative-start-delay": {"start_delay": seconds(-1)},
    "negative-interval": {"retry_policy": {"initial_interval": seconds(-1)}},
    "small-coefficient": {"retry_policy": {"backoff_coefficient": 0.5}},
    "negative-attempts": {"retry_policy": {"maximum_attempts": -1}},
    "maximum-below-interval": {"retry_policy": {"initial_interval": seconds(9), "maximum_interval": seconds(1)}},
    "bad-priority": {"priority": {"priority_key": -1}},
    "high-priority": {"priority": {"priority_key": 6}},
    "long-request-id": {"request_id": "x" * 1001},
    "long-identity": {"identity": "x" * 1001},
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "big-input": {"input": payloads(b"x" * ((2 << 20) + 1))},
    "big-header": {"header": {"fields": {"h": payload(b"x" * ((2 << 20) + 1))}}},
    "big-summary": {"user_metadata": {"summary": payload(b"x" * 401)}},
    "big-details": {"user_metadata": {"details": payload(b"x" * 20_001)}},
    "unknown-attribute": given(NoSuch=value("x")),
    "bad-policy": {"id_reuse_policy": 9},
    "bad-conflict-policy": {"id_conflict_policy": 9},
    "conflict-with-reuse": {"id_conflict_policy": "ACTIVITY_ID_CONFLICT_POLICY_USE_EXISTING",
                            "id_reuse_policy": "ACTIVITY_ID_REUSE_POLICY_REJECT_DUPLICATE"},
    "callback-without-a-target": {"completion_callbacks": [{}]},
})
async def bad(s: Driver, changed: dict):
    await refused(start(s, **changed))
    await refused(describe(s))


@scenario
async def without_a_request_id(s: Driver):
    await start(s, request_id="")
    await refused(start(s, request_id=""))


# --- ids that are taken ---

CONFLICT = {policy.lower().replace("_", "-"): f"ACTIVITY_ID_CONFLICT_POLICY_{policy}"
            for policy in ("UNSPECIFIED", "FAIL", "USE_EXISTING")}
REUSE = {policy.lower().replace("_", "-"): f"ACTIVITY_ID_REUSE_POLICY_{policy}"
         for policy in ("UNSPECIFIED", "ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE")}


@cases(CONFLICT)
async def while_it_runs(s: Driver, policy: str):
    await start(s)
    await refused(start(s, request_id=s.unique("other"), id_conflict_policy=policy, input=payloads("other")))
    await describe(s)


@cases(REUSE)
async def while_it_runs_by_reuse_policy(s: Driver, policy: str):
    await start(s)
    await refused(start(s, request_id=s.unique("other"), id_reuse_policy=policy))


async def _completed(s: Driver):
    await s.complete_activity(await started(s))


async def _failed(s: Driver):
    await s.fail_activity(await started(s), non_retryable=True)


async def _canceled(s: Driver):
    await start(s)
    await asked(s, "RequestCancel", request_id=s.unique("cancel"))


async def _terminated(s: Driver):
    await start(s)
    await asked(s, "Terminate", request_id=s.unique("terminate"))


async def _timed_out(s: Driver):
    await start(s, schedule_to_start_timeout=seconds(1))
    await closed(s)


ENDS = {"completed": _completed, "failed": _failed, "canceled": _canceled, "terminated": _terminated,
        "timed-out": _timed_out}


@cases({f"{end}-{policy}": (ends, value) for end, ends in ENDS.items() for policy, value in REUSE.items()})
async def after_its_end(s: Driver, ends, policy: str):
    await ends(s)
    await refused(start(s, request_id=s.unique("other"), id_reuse_policy=policy))
    await describe(s)


@scenario
async def same_request_after_its_end(s: Driver):
    await s.complete_activity(await started(s))
    await refused(start(s))
    await describe(s)


@scenario
async def same_request_after_another_run(s: Driver):
    await s.complete_activity(await started(s))
    await start(s, request_id=s.unique("other"))
    await refused(start(s))
    await refused(start(s, request_id=s.unique("other")))


@scenario
async def same_request_that_would_fail_by_policy(s: Driver):
    await s.complete_activity(await started(s))
    await refused(start(s, id_reuse_policy=REUSE["reject-duplicate"]))


@scenario
async def beside_a_workflow_of_the_same_id(s: Driver):
    await s.call("StartWorkflowExecution", workflow_id=s.unique("a"), workflow_type={"name": "T"},
                 task_queue={"name": s.queue}, request_id=s.unique("workflow"), identity="test")
    await start(s)
    await describe(s)
    await s.call("DescribeWorkflowExecution", execution={"workflow_id": s.unique("a")})
    await refused(s.call("SignalWorkflowExecution", workflow_execution={"workflow_id": s.unique("a")}, signal_name="s",
                         request_id=s.unique("signal")))
    await s.complete_activity(await s.poll_activity(), "out")


@scenario
async def is_no_workflow(s: Driver):
    await start(s)
    named = {"workflow_id": s.unique("a")}
    await refused(s.call("DescribeWorkflowExecution", execution=named))
    await refused(s.call("TerminateWorkflowExecution", workflow_execution=named))
    await refused(s.call("SignalWorkflowExecution", workflow_execution=named, signal_name="s"))
