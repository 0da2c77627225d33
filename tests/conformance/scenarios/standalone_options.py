"""Activities without a workflow that are given other options."""

from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .standalone_pauses import STATES
from .standalone_starts import HOUR, describe, start, started

MINUTE = {"start_to_close_timeout": seconds(60)}


async def change(s: Driver, *paths: str, **fields):
    """UpdateActivityExecutionOptions; `options` by their names."""
    plain = {"activity_id": s.unique("a"), "identity": "operator", "request_id": s.unique("options"),
             "activity_options": fields.pop("options", None), "update_mask": {"paths": paths} if paths else None}
    asked = {name: value for name, value in (plain | fields).items() if value is not None}
    return await s.call("UpdateActivityExecutionOptions", **asked)


OPTIONS = {
    "start-to-close": (["start_to_close_timeout"], {"start_to_close_timeout": seconds(60)}),
    "schedule-to-close": (["schedule_to_close_timeout"], {"schedule_to_close_timeout": HOUR}),
    "all-timeouts": (
        ["schedule_to_close_timeout", "schedule_to_start_timeout", "start_to_close_timeout", "heartbeat_timeout"],
        {f"{name}_timeout": seconds(120) for name in (
            "schedule_to_close", "schedule_to_start", "start_to_close", "heartbeat")}),
    "retry-policy": (["retry_policy"], {"retry_policy": {"maximum_attempts": 3}}),
    "attempts": (["retry_policy.maximum_attempts"], {"retry_policy": {"maximum_attempts": 3}}),
    "camel-case": (["retryPolicy.maximumAttempts"], {"retry_policy": {"maximum_attempts": 3}}),
    "priority": (["priority"], {"priority": {"priority_key": 2}}),
    "start-delay": (["start_delay"], {"start_delay": seconds(60)}),
    "unset": (["heartbeat_timeout"], {}),
}


@cases(OPTIONS)
async def options(s: Driver, paths: list, given: dict):
    await start(s, heartbeat_timeout=seconds(60))
    await refused(change(s, *paths, options=given))
    await describe(s)


@cases({
    "no-mask": ([], {"start_to_close_timeout": seconds(60)}),
    "no-options": (["start_to_close_timeout"], None),
    "unknown-path": (["no_such"], {"start_to_close_timeout": seconds(60)}),
    "negative": (["start_to_close_timeout"], {"start_to_close_timeout": seconds(-1)}),
    "no-timeouts": (["start_to_close_timeout"], {}),
    "empty-queue": (["task_queue.name"], {"task_queue": {"name": ""}}),
    "long-queue": (["task_queue.name"], {"task_queue": {"name": "x" * 1001}}),
    "bad-attempts": (["retry_policy.maximum_attempts"], {"retry_policy": {"maximum_attempts": -1}}),
    "bad-priority": (["priority"], {"priority": {"priority_key": -1}}),
})
async def bad_options(s: Driver, paths: list, given: dict | None):
    await start(s)
    await refused(change(s, *paths, options=given))
    await describe(s)


@scenario
async def options_with_both(s: Driver):
    await start(s)
    await refused(change(s, "start_to_close_timeout", options=MINUTE, restore_original=True))


@cases({
    "no-id": {"activity_id": ""},
    "unknown-id": {"activity_id": "there-is-none"},
    "bad-run": {"run_id": "not-a-uuid"},
})
async def options_of_nothing(s: Driver, changed: dict):
    await refused(change(s, "start_to_close_timeout", options=MINUTE, **changed))


@scenario
async def queue_is_changed(s: Driver):
    await start(s)
    await change(s, "task_queue.name", options={"task_queue": {"name": s.unique("another")}})
    await describe(s)
    await s.complete_activity(await s.poll_activity(queue=s.unique("another")), "out")


@scenario
async def options_are_restored(s: Driver):
    await start(s)
    await change(s, "start_to_close_timeout", options=MINUTE)
    await change(s, restore_original=True, request_id=s.unique("restore"))
    await describe(s)


@scenario
async def options_twice_by_one_request(s: Driver):
    await start(s)
    for minutes in 1, 2:
        await change(s, "start_to_close_timeout", options={"start_to_close_timeout": seconds(60 * minutes)})
    await describe(s)


@cases({name: STATES[name] for name in ("delayed", "started", "backing-off")})
async def options_while(s: Driver, begin):
    await begin(s)
    await change(s, "start_to_close_timeout", "retry_policy.initial_interval",
                 options={"start_to_close_timeout": seconds(60), "retry_policy": {"initial_interval": seconds(60)}})
    await describe(s)


@scenario
async def options_after_its_end(s: Driver):
    await s.complete_activity(await started(s))
    await refused(change(s, "start_to_close_timeout", options=MINUTE))
