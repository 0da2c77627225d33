"""Activities without a workflow that an operator pauses, unpauses, resets."""

from harness.hand import activity
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .activities import ANSWERS, by_token
from .standalone_answers import cancel
from .standalone_ends import terminate
from .standalone_starts import HOUR, NEVER, SOON, asked, describe, described, start, started


async def pause(s: Driver, **fields):
    plain = {"identity": "operator", "reason": "why", "request_id": s.unique("pause")}
    return await asked(s, "Pause", **plain | fields)


async def unpause(s: Driver, **fields):
    plain = {"identity": "operator", "reason": "on", "request_id": s.unique("unpause")}
    return await asked(s, "Unpause", **plain | fields)


async def reset(s: Driver, **fields):
    return await asked(s, "Reset", **{"identity": "operator", "request_id": s.unique("reset")} | fields)


async def backing_off(s: Driver):
    task = await started(s, retry_policy=NEVER)
    await s.heartbeat(task, "half")
    await s.fail_activity(task, "first")


STATES = {
    "scheduled": lambda s: start(s), "delayed": lambda s: start(s, start_delay=HOUR), "started": lambda s: started(s),
    "backing-off": backing_off,
}


# --- pause ---


@cases(STATES)
async def paused(s: Driver, begin):
    await begin(s)
    await pause(s)
    await describe(s)
    await s.no_task("Activity")
    await unpause(s)
    await describe(s)


@scenario
async def unpaused_and_goes_on(s: Driver):
    await start(s)
    await pause(s)
    await unpause(s)
    await s.complete_activity(await s.poll_activity(), "out")
    await describe(s)


@cases(ANSWERS)
async def answered_while_paused(s: Driver, method: str, fields: dict):
    task = await started(s, retry_policy=SOON)
    await pause(s)
    await refused(by_token(s, method, task, **fields))
    await describe(s)


@scenario
async def retried_after_a_pause(s: Driver):
    task = await started(s, retry_policy=SOON)
    await pause(s)
    await s.fail_activity(task)
    await describe(s)
    await unpause(s)
    await s.complete_activity(await s.poll_activity(), "out")
    await describe(s)


@cases({"same-request": "pause", "another-request": "again"})
async def paused_twice(s: Driver, request_id: str):
    await start(s)
    await pause(s)
    await refused(pause(s, request_id=s.unique(request_id), reason="another"))
    await describe(s)


@scenario
async def paused_again_by_the_same_request(s: Driver):
    await start(s)
    await pause(s)
    await unpause(s)
    await refused(pause(s))
    await describe(s)
    await refused(unpause(s))
    await describe(s)


@scenario
async def unpaused_without_a_pause(s: Driver):
    await start(s)
    await refused(unpause(s))
    await describe(s)


@cases({"cancel": cancel, "terminate": terminate})
async def ended_while_paused(s: Driver, end):
    await start(s)
    await pause(s)
    await end(s)
    await describe(s)


@cases({
    "schedule-to-start": {"schedule_to_start_timeout": seconds(1)},
    "schedule-to-close": {"schedule_to_close_timeout": seconds(2), "schedule_to_start_timeout": seconds(1)},
})
async def times_out_while_paused(s: Driver, timeouts: dict):
    await start(s, **timeouts)
    await pause(s)
    await s.no_sooner(3)
    await describe(s)


@cases({
    "start-to-close": {"start_to_close_timeout": seconds(2)},
    "heartbeat": {"heartbeat_timeout": seconds(2)},
})
async def attempt_times_out_while_paused(s: Driver, timeouts: dict):
    await started(s, **timeouts)
    await pause(s)
    await described(s, lambda info: info.attempt == 2)
    await describe(s)


@cases({name: {"Pause": pause, "Unpause": unpause, "Reset": reset}[name] for name in ("Pause", "Unpause", "Reset")})
async def after_its_end(s: Driver, told):
    await s.complete_activity(await started(s))
    await refused(told(s))


@scenario
async def unpaused_with_jitter(s: Driver):
    await start(s)
    await pause(s)
    await refused(unpause(s, jitter=seconds(-1)))
    await unpause(s, jitter=seconds(0.5))
    await s.complete_activity(await s.poll_activity(), "out")


# --- reset ---


@cases(STATES)
async def reset_while(s: Driver, begin):
    await begin(s)
    await reset(s)
    await describe(s)


@cases({"plain": {}, "keep-paused": {"keep_paused": True}, "heartbeat": {"reset_heartbeat": True}})
async def reset_while_paused(s: Driver, fields: dict):
    await backing_off(s)
    await pause(s)
    await reset(s, **fields)
    await describe(s)


@scenario
async def reset_of_a_started_one_that_fails(s: Driver):
    task = await started(s, retry_policy=SOON)
    await s.fail_activity(task, "first")
    task = await s.poll_activity()
    await s.heartbeat(task, "half")
    await reset(s, reset_heartbeat=True)
    await describe(s)
    await s.heartbeat(task, "more")
    await s.fail_activity(task, "second")
    task = await s.poll_activity()
    await describe(s)
    await s.complete_activity(task)


@scenario
async def reset_starts_the_attempts_over(s: Driver):
    await backing_off(s)
    await reset(s)
    await s.complete_activity(await s.poll_activity(), "out")
    await describe(s)


@scenario
async def reset_twice(s: Driver):
    await started(s)
    await reset(s)
    await refused(reset(s))
    await refused(reset(s, request_id=s.unique("again")))
    await describe(s)


# --- of activities of workflows ---


@cases({
    "pause": lambda s, of: s.call("PauseActivityExecution", identity="operator", reason="why", **of),
    "unpause": lambda s, of: s.call("UnpauseActivityExecution", identity="operator", reason="on", **of),
    "reset": lambda s, of: s.call("ResetActivityExecution", identity="operator", **of),
    "options": lambda s, of: s.call(
        "UpdateActivityExecutionOptions", identity="operator", update_mask={"paths": ["start_to_close_timeout"]},
        activity_options={"start_to_close_timeout": seconds(60)}, **of),
})
async def of_a_workflow(s: Driver, told):
    await s.start()
    await s.step(activity("a", s.queue, start_to_close=600))
    await refused(told(s, {"workflow_id": s.id, "activity_id": "a"}))
    await s.describe()
    await refused(told(s, {"workflow_id": s.id, "activity_id": "none"}))
    await refused(told(s, {"workflow_id": "there-is-none", "activity_id": "a"}))
