"""Activities without a workflow in a worker's hands: completed, failed, retried, kept alive; by token and by id."""

from harness.hand import failure
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .activities import ANSWERS, by_token
from .standalone_starts import NEVER, NONE, SOON, asked, closed, describe, described, start, started


async def by_id(s: Driver, method: str, **fields):
    plain = {"activity_id": s.unique("a"), "identity": "hand"}
    return await s.call(f"{method}ById", **plain | fields)


async def cancel(s: Driver, **fields):
    plain = {"identity": "operator", "reason": "enough", "request_id": s.unique("cancel")}
    return await asked(s, "RequestCancel", **plain | fields)


@cases(ANSWERS)
async def by_its_token(s: Driver, method: str, fields: dict):
    task = await started(s, retry_policy=NEVER)
    await refused(by_token(s, method, task, **fields))
    await describe(s)


@cases(ANSWERS)
async def by_its_id(s: Driver, method: str, fields: dict):
    await started(s, retry_policy=NEVER)
    await refused(by_id(s, method, **fields))
    await refused(by_id(s, method, **fields))
    await describe(s)


@cases(ANSWERS)
async def by_its_id_and_run(s: Driver, method: str, fields: dict):
    run = (await start(s, retry_policy=NEVER)).run_id
    await s.poll_activity()
    await refused(by_id(s, method, run_id=NONE, **fields))
    await refused(by_id(s, method, run_id="not-a-uuid", **fields))
    await refused(by_id(s, method, run_id=run, **fields))
    await describe(s)


@cases(ANSWERS)
async def by_its_id_before_its_start(s: Driver, method: str, fields: dict):
    await start(s)
    await refused(by_id(s, method, **fields))
    await describe(s)


@cases(ANSWERS)
async def by_an_id_that_is_none(s: Driver, method: str, fields: dict):
    await refused(by_id(s, method, **fields | {"activity_id": s.unique("none")}))
    await refused(by_id(s, method, **fields | {"activity_id": ""}))


@cases(ANSWERS)
async def after_its_end(s: Driver, method: str, fields: dict):
    task = await started(s)
    await s.complete_activity(task)
    await refused(by_token(s, method, task, **fields))
    await refused(by_id(s, method, **fields))


@cases(ANSWERS)
async def after_its_termination(s: Driver, method: str, fields: dict):
    task = await started(s)
    await asked(s, "Terminate", request_id=s.unique("terminate"))
    await refused(by_token(s, method, task, **fields))


@cases(ANSWERS)
async def by_the_token_of_an_earlier_attempt(s: Driver, method: str, fields: dict):
    task = await started(s, retry_policy=SOON)
    await s.fail_activity(task)
    await s.poll_activity()
    await refused(by_token(s, method, task, **fields))


@cases(ANSWERS)
async def by_the_token_of_an_earlier_run(s: Driver, method: str, fields: dict):
    task = await started(s)
    await asked(s, "Terminate", request_id=s.unique("terminate"))
    await start(s, request_id=s.unique("other"))
    await s.poll_activity()
    await refused(by_token(s, method, task, **fields))


@cases(ANSWERS)
async def while_its_cancellation_is_requested(s: Driver, method: str, fields: dict):
    task = await started(s, retry_policy=SOON)
    await cancel(s)
    await describe(s)
    await refused(by_token(s, method, task, **fields))
    await describe(s)


# --- failures and retries ---


@cases({
    "once": ({"maximum_attempts": 1}, {}),
    "non-retryable": ({}, {"non_retryable": True}),
    "non-retryable-type": ({"non_retryable_error_types": ["Bad"]}, {"type": "Bad"}),
})
async def fails_for_good(s: Driver, policy: dict, fail: dict):
    task = await started(s, retry_policy=NEVER | policy)
    await s.fail_activity(task, **fail)
    await describe(s)
    await asked(s, "Poll")


@scenario
async def fails_without_time_left(s: Driver):
    task = await started(s, retry_policy=NEVER, schedule_to_close_timeout=seconds(600))
    await s.fail_activity(task)
    await describe(s)


@scenario
async def is_retried_until_it_works(s: Driver):
    task = await started(s, retry_policy=SOON)
    await s.fail_activity(task, "first")
    task = await s.poll_activity()
    await describe(s)
    await s.complete_activity(task, "out")
    await describe(s)


@scenario
async def is_retried_until_attempts_run_out(s: Driver):
    task = await started(s, retry_policy=SOON | {"maximum_attempts": 2})
    await s.fail_activity(task, "first")
    await s.fail_activity(await s.poll_activity(), "second")
    await describe(s)
    await asked(s, "Poll")


@scenario
async def backs_off(s: Driver):
    await s.fail_activity(await started(s, retry_policy=NEVER))
    await describe(s)
    await describe(s, include_last_failure=False)


@scenario
async def failure_names_the_next_delay(s: Driver):
    task = await started(s, retry_policy=NEVER)
    why = failure("later")
    why.application_failure_info.next_retry_delay.FromSeconds(1200)
    await by_token(s, "RespondActivityTaskFailed", task, failure=why)
    await describe(s)


@scenario
async def failure_carries_heartbeat_details(s: Driver):
    task = await started(s, retry_policy=SOON)
    await by_token(s, "RespondActivityTaskFailed", task, failure=failure("no"), last_heartbeat_details=payloads("half"))
    task = await s.poll_activity()
    await describe(s)
    await s.complete_activity(task)
    await describe(s)


@cases({
    "none": {},
    "timeout": {"failure": {
        "message": "slow", "timeout_failure_info": {"timeout_type": "TIMEOUT_TYPE_START_TO_CLOSE"}}},
    "canceled": {"failure": {"message": "stop", "canceled_failure_info": {}}},
    "server": {"failure": {"message": "oops", "server_failure_info": {"non_retryable": True}}},
    "big": {"failure": {"message": "x" * (1 << 20), "application_failure_info": {}}},
})
async def failure_of_a_kind(s: Driver, fields: dict):
    task = await started(s, retry_policy=NEVER)
    await refused(by_token(s, "RespondActivityTaskFailed", task, **fields))
    await describe(s)


@scenario
async def result_that_is_too_big(s: Driver):
    task = await started(s)
    await refused(s.complete_activity(task, b"x" * ((2 << 20) + 1)))
    await describe(s)
    await asked(s, "Poll")


@scenario
async def details_that_are_too_big(s: Driver):
    task = await started(s)
    await refused(s.heartbeat(task, b"x" * ((2 << 20) + 1)))
    await describe(s)


# --- time-outs ---

TIMEOUTS = {
    "schedule-to-start": ({"schedule_to_start_timeout": seconds(1)}, False),
    "schedule-to-close": ({"schedule_to_close_timeout": seconds(3)}, True),
    "start-to-close": ({"start_to_close_timeout": seconds(1), "retry_policy": {"maximum_attempts": 1}}, True),
    "heartbeat": ({"heartbeat_timeout": seconds(1), "retry_policy": {"maximum_attempts": 1}}, True),
}


@cases(TIMEOUTS)
async def times_out(s: Driver, timeouts: dict, starts: bool):
    await start(s, **timeouts)
    task = await s.poll_activity() if starts else None
    await closed(s)
    await describe(s)
    await asked(s, "Poll")
    if task:
        await refused(s.complete_activity(task))


@cases({"start-to-close": {"start_to_close_timeout": seconds(1)}, "heartbeat": {"heartbeat_timeout": seconds(1)}})
async def times_out_and_is_retried(s: Driver, timeouts: dict):
    await started(s, retry_policy=NEVER, **timeouts)
    await described(s, lambda info: info.attempt == 2)
    await describe(s)


@scenario
async def schedule_to_close_ends_a_backoff(s: Driver):
    task = await started(s, retry_policy={"initial_interval": seconds(1.5), "backoff_coefficient": 1},
                         schedule_to_close_timeout=seconds(4))
    await s.fail_activity(task, "first")
    await s.poll_activity()
    await closed(s)
    await describe(s)


@scenario
async def timeout_keeps_the_last_details(s: Driver):
    task = await started(s, heartbeat_timeout=seconds(2), retry_policy={"maximum_attempts": 1})
    await s.heartbeat(task, "half")
    await closed(s)
    await describe(s)


# --- heartbeats ---


@scenario
async def heartbeats(s: Driver):
    task = await started(s, heartbeat_timeout=seconds(60))
    await s.heartbeat(task, "one")
    await s.heartbeat(task, "two")
    await describe(s)
    await describe(s, include_heartbeat_details=False)
    await s.complete_activity(task)
    await describe(s)


@scenario
async def heartbeat_details_reach_the_next_attempt(s: Driver):
    task = await started(s, retry_policy=SOON)
    await s.heartbeat(task, "half")
    await s.fail_activity(task)
    await s.complete_activity(await s.poll_activity())
    await describe(s)
