"""Activities: by token and by id, retries, time-outs, heartbeats, cancellation in every state."""

from harness.commands import command
from harness.hand import activity, cancel_activity, failure
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

SCHEDULED = 5


async def scheduled(s: Driver, **options) -> None:
    """A workflow whose first task scheduled activity `a`."""
    await s.start()
    await s.step(activity("a", s.queue, **options))


async def started(s: Driver, **options):
    await scheduled(s, **options)
    return await s.poll_activity()


async def by_token(s: Driver, method: str, task, **fields):
    return await s.call(method, task_token=task.task_token, identity="hand", **fields)


async def by_id(s: Driver, method: str, **fields):
    fields = {"workflow_id": s.id, "activity_id": "a", "identity": "hand"} | fields
    return await s.call(method, **fields)


ANSWERS = {
    "complete": ("RespondActivityTaskCompleted", {"result": payloads("out")}),
    "fail": ("RespondActivityTaskFailed", {"failure": failure("no")}),
    "cancel": ("RespondActivityTaskCanceled", {"details": payloads("why")}),
    "heartbeat": ("RecordActivityTaskHeartbeat", {"details": payloads("half")}),
}


@scenario
async def completed(s: Driver):
    task = await started(s)
    await s.describe()
    await s.complete_activity(task, "out")
    await s.describe()
    await s.finish()


@scenario
async def with_everything_set(s: Driver):
    await s.start()
    await s.step(command(
        "SCHEDULE_ACTIVITY_TASK", activity_id="a", activity_type={"name": "A"}, task_queue={"name": s.queue},
        input=payloads("in"), header={"fields": {"h": payloads("v").payloads[0]}},
        schedule_to_close_timeout=seconds(3600), schedule_to_start_timeout=seconds(1800),
        start_to_close_timeout=seconds(600), heartbeat_timeout=seconds(60),
        retry_policy={"initial_interval": seconds(2), "backoff_coefficient": 3, "maximum_interval": seconds(60),
                      "maximum_attempts": 5, "non_retryable_error_types": ["Bad"]},
        priority={"priority_key": 4}, user_metadata={"summary": payloads("sum").payloads[0]},
    ))
    await s.describe()
    await s.complete_activity(await s.poll_activity(), "out")
    await s.finish()


@cases({
    "only-start-to-close": {"start_to_close": 600},
    "only-schedule-to-close": {"schedule_to_close": 600},
    "schedule-to-close-below-others": {"schedule_to_close": 60, "start_to_close": 600, "schedule_to_start": 600},
    "heartbeat-above-start-to-close": {"start_to_close": 60, "heartbeat": 600},
})
async def timeouts_are_completed(s: Driver, timeouts: dict):
    await s.start(workflow_run_timeout=seconds(7200))
    await s.step(activity("a", s.queue, **timeouts))
    await s.describe()
    await s.poll_activity()


@scenario
async def default_retry_policy(s: Driver):
    await s.start()
    await s.step(command(
        "SCHEDULE_ACTIVITY_TASK", activity_id="a", activity_type={"name": "A"}, task_queue={"name": s.queue},
        start_to_close_timeout=seconds(600)))
    await s.describe()


@cases(ANSWERS)
async def answered_by_id(s: Driver, method: str, fields: dict):
    await started(s)
    await refused(by_id(s, f"{method}ById", **fields))
    await refused(by_id(s, f"{method}ById", **fields))
    await s.describe()


@cases(ANSWERS)
async def answered_by_id_before_its_start(s: Driver, method: str, fields: dict):
    await scheduled(s)
    await refused(by_id(s, f"{method}ById", **fields))
    await s.describe()


@cases(ANSWERS)
async def answered_by_an_id_that_is_none(s: Driver, method: str, fields: dict):
    await started(s)
    await refused(by_id(s, f"{method}ById", **fields, activity_id="none"))
    await refused(by_id(s, f"{method}ById", **fields, activity_id=""))
    await refused(by_id(s, f"{method}ById", **fields, workflow_id="none"))
    await refused(by_id(s, f"{method}ById", **fields, workflow_id=""))
    await refused(by_id(s, f"{method}ById", **fields, run_id="not-a-uuid"))
    await refused(by_id(s, f"{method}ById", **fields, run_id="00000000-0000-0000-0000-000000000001"))


@cases(ANSWERS)
async def answered_by_a_bad_token(s: Driver, method: str, fields: dict):
    await refused(s.call(method, **fields))
    await refused(s.call(method, task_token=b"garbage", **fields))


@cases(ANSWERS)
async def answered_after_its_end(s: Driver, method: str, fields: dict):
    task = await started(s)
    await s.complete_activity(task)
    await refused(by_token(s, method, task, **fields))


@cases(ANSWERS)
async def answered_after_the_workflows_end(s: Driver, method: str, fields: dict):
    task = await started(s)
    await s.terminate()
    await refused(by_token(s, method, task, **fields))


@cases(ANSWERS)
async def answered_by_the_token_of_an_earlier_attempt(s: Driver, method: str, fields: dict):
    task = await started(s, attempts=2)
    await s.fail_activity(task)
    await s.poll_activity()
    await refused(by_token(s, method, task, **fields))


# --- failures and retries ---


@cases({
    "once": ({"attempts": 1}, {}),
    "non-retryable": ({"attempts": 0}, {"non_retryable": True}),
    "non-retryable-type": ({"attempts": 0, "non_retryable": ["Bad"]}, {"type": "Bad"}),
    "no-time-left": ({"attempts": 0, "backoff_s": 600, "schedule_to_close": 300}, {}),
})
async def fails_for_good(s: Driver, options: dict, fail: dict):
    task = await started(s, **options)
    await s.fail_activity(task, **fail)
    await s.finish()


@scenario
async def retried_until_it_works(s: Driver):
    task = await started(s, attempts=3)
    await s.fail_activity(task, "first")
    task = await s.poll_activity()
    await s.describe()
    await s.fail_activity(task, "second")
    task = await s.poll_activity()
    await s.complete_activity(task, "out")
    await s.finish()


@scenario
async def retried_until_attempts_run_out(s: Driver):
    task = await started(s, attempts=2)
    await s.fail_activity(task, "first")
    await s.fail_activity(await s.poll_activity(), "second")
    await s.finish()


@scenario
async def backing_off(s: Driver):
    task = await started(s, attempts=0, backoff_s=600)
    await s.fail_activity(task)
    await s.describe()


@scenario
async def failure_names_the_next_delay(s: Driver):
    task = await started(s, attempts=0, backoff_s=600)
    why = failure("later")
    why.application_failure_info.next_retry_delay.FromSeconds(1200)
    await by_token(s, "RespondActivityTaskFailed", task, failure=why)
    await s.describe()


@scenario
async def failure_carries_heartbeat_details(s: Driver):
    task = await started(s, attempts=2)
    await by_token(s, "RespondActivityTaskFailed", task, failure=failure("no"),
                   last_heartbeat_details=payloads("half"))
    await s.complete_activity(await s.poll_activity())


@cases({
    "none": {},
    "timeout": {"failure": {"message": "slow", "timeout_failure_info": {"timeout_type": "TIMEOUT_TYPE_START_TO_CLOSE"}}},
    "canceled": {"failure": {"message": "stop", "canceled_failure_info": {}}},
    "terminated": {"failure": {"message": "gone", "terminated_failure_info": {}}},
    "server": {"failure": {"message": "oops", "server_failure_info": {"non_retryable": True}}},
    "big": {"failure": {"message": "x" * (1 << 20)}},
    "with-cause": {"failure": {"message": "outer", "cause": {"message": "inner"}, "stack_trace": "a\nb",
                               "application_failure_info": {"type": "E", "details": payloads("d")}}},
})
async def failure_of_a_kind(s: Driver, fields: dict):
    task = await started(s, attempts=0, backoff_s=600)
    await refused(by_token(s, "RespondActivityTaskFailed", task, **fields))
    await s.describe()


@scenario
async def result_that_is_too_big(s: Driver):
    task = await started(s)
    await refused(s.complete_activity(task, b"x" * ((2 << 20) + 1)))
    await s.describe()


# --- time-outs ---

TIMEOUTS = {
    "schedule-to-start": ({"schedule_to_start": 1, "start_to_close": 600}, False),
    "schedule-to-close-unstarted": ({"schedule_to_close": 1}, False),
    "schedule-to-close": ({"schedule_to_close": 1, "start_to_close": 600}, True),
    "start-to-close": ({"start_to_close": 1}, True),
    "heartbeat": ({"start_to_close": 600, "heartbeat": 1}, True),
}


@cases(TIMEOUTS)
async def times_out(s: Driver, timeouts: dict, starts: bool):
    await scheduled(s, **timeouts)
    task = await s.poll_activity() if starts else None
    await s.happened("ActivityTaskTimedOut")
    if task:
        await refused(s.complete_activity(task))
    await s.finish()


@cases({"start-to-close": {"start_to_close": 1}, "heartbeat": {"start_to_close": 600, "heartbeat": 1}})
async def times_out_and_is_retried(s: Driver, timeouts: dict):
    await started(s, attempts=2, **timeouts)
    task = await s.poll_activity()
    await s.describe()
    await s.complete_activity(task)
    await s.finish()


@scenario
async def schedule_to_close_ends_a_backoff(s: Driver):
    task = await started(s, attempts=0, backoff_s=1, schedule_to_close=3)
    await s.fail_activity(task, "first")
    task = await s.poll_activity()
    await s.happened("ActivityTaskTimedOut")
    await s.finish()


@scenario
async def heartbeat_timeout_keeps_the_last_details(s: Driver):
    task = await started(s, start_to_close=600, heartbeat=1)
    await s.heartbeat(task, "half")
    await s.happened("ActivityTaskTimedOut")
    await s.finish()


# --- heartbeats ---


@scenario
async def heartbeat(s: Driver):
    task = await started(s, start_to_close=600, heartbeat=60)
    await s.heartbeat(task, "one")
    await s.heartbeat(task, "two")
    await s.describe()
    await s.complete_activity(task)


@scenario
async def heartbeat_details_reach_the_next_attempt(s: Driver):
    task = await started(s, attempts=2, start_to_close=600)
    await s.heartbeat(task, "half")
    await s.fail_activity(task)
    task = await s.poll_activity()
    await s.describe()
    await s.complete_activity(task)


# --- cancellation ---


async def cancel_requested(s: Driver) -> None:
    await s.signal("stop")
    await s.step(cancel_activity(SCHEDULED))


@scenario
async def canceled_before_its_start(s: Driver):
    await scheduled(s)
    await cancel_requested(s)
    await s.finish()


@scenario
async def canceled_while_backing_off(s: Driver):
    task = await started(s, attempts=0, backoff_s=600)
    await s.fail_activity(task, "first")
    await cancel_requested(s)
    await s.finish()


@cases(ANSWERS)
async def canceled_while_it_runs_then(s: Driver, method: str, fields: dict):
    task = await started(s, attempts=0, start_to_close=600)
    await cancel_requested(s)
    await s.describe()
    await refused(by_token(s, method, task, **fields))
    await s.describe()


@scenario
async def canceled_in_the_task_that_scheduled_it(s: Driver):
    await s.start()
    await s.step(activity("a", s.queue), cancel_activity(SCHEDULED))
    await s.describe()


@scenario
async def canceled_twice(s: Driver):
    await started(s, start_to_close=600)
    await cancel_requested(s)
    await s.signal("stop")
    task = await s.poll()
    await refused(s.complete(task, cancel_activity(SCHEDULED)))
    await s.describe()


@scenario
async def canceled_after_its_end(s: Driver):
    task = await started(s)
    await s.complete_activity(task)
    task = await s.poll()
    await refused(s.complete(task, cancel_activity(SCHEDULED)))


@scenario
async def canceled_by_its_worker_unasked(s: Driver):
    task = await started(s)
    await refused(by_token(s, "RespondActivityTaskCanceled", task, details=payloads("why")))
    await s.describe()


@scenario
async def cancel_requested_and_timed_out(s: Driver):
    await scheduled(s, start_to_close=2)
    await s.poll_activity()
    await cancel_requested(s)
    await s.happened("ActivityTaskTimedOut")


@scenario
async def canceled_when_its_end_is_buffered(s: Driver):
    task = await started(s)
    await s.signal("s")
    workflow_task = await s.poll()
    await s.complete_activity(task, "out")
    await refused(s.complete(workflow_task, cancel_activity(SCHEDULED)))
    await s.finish()


# --- more than one ---


@scenario
async def id_is_free_again_after_its_end(s: Driver):
    task = await started(s)
    await s.complete_activity(task)
    await s.step(activity("a", s.queue))
    await s.complete_activity(await s.poll_activity())
    await s.finish()


@scenario
async def on_another_queue(s: Driver):
    await s.start()
    await s.step(activity("a", s.unique("elsewhere")))
    await s.complete_activity(await s.poll_activity(queue=s.unique("elsewhere")))
    await s.finish()


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-queue": {"task_queue": None},
    "long-queue": {"task_queue": {"name": "x" * 1001}},
})
async def bad_poll(s: Driver, changed: dict):
    fields = {"task_queue": {"name": s.queue}, "identity": "hand"} | changed
    fields = {name: value for name, value in fields.items() if value is not None}
    await refused(s.call("PollActivityTaskQueue", timeout=3, **fields))
