"""Runs that follow each other: continue-as-new, retry, cron."""

from harness.commands import command
from harness.hand import activity, cancel_workflow, complete_workflow, fail_workflow, failure, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

BY_THE_CLOCK = {"first_workflow_task_backoff", "backoff_start_interval", "execution_time", "current_retry_interval"}


def again(s: Driver, **changed):
    plain = {"workflow_type": {"name": "T"}, "task_queue": {"name": s.queue}}
    fields = {name: value for name, value in (plain | changed).items() if value is not None}
    return command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", **fields)


async def goes_on(s: Driver, **changed):
    """Continues as new with the next task."""
    task = await s.poll()
    await s.lived()
    await s.complete(task, again(s, **changed))


@scenario
async def continues_as_new(s: Driver):
    await s.start(input=payloads("one"))
    await goes_on(s, input=payloads("two"))
    await s.describe()
    await s.finish("out")
    await s.describe()
    await s.describe(s.run)


@scenario
async def continues_as_new_twice(s: Driver):
    await s.start()
    await goes_on(s)
    await goes_on(s)
    await s.finish()
    await s.describe()


OLD = {
    "workflow_execution_timeout": seconds(7200), "workflow_run_timeout": seconds(3600),
    "workflow_task_timeout": seconds(60), "memo": {"fields": {"m": payloads("1").payloads[0]}},
    "header": {"fields": {"h": payloads("1").payloads[0]}}, "retry_policy": {"maximum_attempts": 2},
    "priority": {"priority_key": 2},
}


@scenario
async def next_run_inherits(s: Driver):
    await s.start(**OLD)
    await goes_on(s)
    await s.describe()
    await s.finish()


@scenario
async def next_run_has_other_options(s: Driver):
    await s.start(**OLD)
    await goes_on(
        s, workflow_type={"name": "U"}, task_queue={"name": s.unique("other")}, input=payloads("in"),
        workflow_run_timeout=seconds(1800), workflow_task_timeout=seconds(120), retry_policy={"maximum_attempts": 5},
        memo={"fields": {"n": payloads("2").payloads[0]}}, header={"fields": {"i": payloads("2").payloads[0]}})
    await s.describe()


@scenario
async def next_run_is_told_of_a_result_and_a_failure(s: Driver):
    await s.start()
    await goes_on(s, last_completion_result=payloads("last"), failure=failure("no"),
                  initiator="CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE")
    await s.describe()


@scenario
async def next_run_waits(s: Driver):
    await s.start()
    await goes_on(s, backoff_start_interval=seconds(600))
    await s.describe()
    await s.signal("s")
    await s.describe()


@scenario
async def what_was_open_stays_behind(s: Driver):
    await s.start()
    await s.step(activity("a", s.queue), start_timer("t", 600))
    task = await s.poll_activity()
    await s.signal("s")
    await goes_on(s)
    await refused(s.complete_activity(task))
    await s.finish()


@scenario
async def signal_goes_to_the_current_run(s: Driver):
    first = await s.start()
    await goes_on(s)
    await s.signal("s")
    await refused(s.signal("s", run_id=first.run_id))
    await s.finish()


@scenario
async def request_id_of_a_start_finds_the_first_run(s: Driver):
    await s.start(request_id="r")
    await goes_on(s)
    await refused(s.start(request_id="r"))


@scenario
async def terminated_by_the_first_run_id(s: Driver):
    first = await s.start()
    await goes_on(s)
    await s.call("TerminateWorkflowExecution", workflow_execution=s.execution, first_execution_run_id=first.run_id)
    await s.describe()


@scenario
async def execution_timeout_spans_the_chain(s: Driver):
    await s.start(workflow_execution_timeout=seconds(6))
    await goes_on(s)
    run = (await s.peek.describe()).workflow_execution_info.execution.run_id
    await s.closed(run)
    await s.describe()


# --- retry ---

POLICY = {"initial_interval": seconds(1), "backoff_coefficient": 1, "maximum_attempts": 2}


@scenario
async def retried(s: Driver):
    await s.start(retry_policy=POLICY, input=payloads("in"), memo={"fields": {"m": payloads("v").payloads[0]}})
    await s.step(fail_workflow("first"))
    await s.describe()
    await s.finish("out")
    await s.describe()


@scenario
async def retried_until_attempts_run_out(s: Driver):
    await s.start(retry_policy=POLICY)
    await s.step(fail_workflow("first"))
    await s.step(fail_workflow("second"))
    await s.describe()


@cases({
    "non-retryable": ({}, {"non_retryable": True}),
    "non-retryable-type": ({"non_retryable_error_types": ["Bad"]}, {"type": "Bad"}),
    "retryable-type": ({"non_retryable_error_types": ["Bad"]}, {"type": "Good"}),
})
async def retry_depends_on_the_failure(s: Driver, policy: dict, fail: dict):
    await s.start(retry_policy={"initial_interval": seconds(600)} | policy)
    await s.step(command("FAIL_WORKFLOW_EXECUTION", failure=failure("no", **fail)))
    await s.describe()


@scenario
async def retry_comes_when_the_failure_says(s: Driver):
    await s.start(retry_policy={"initial_interval": seconds(60)})
    why = failure("later")
    why.application_failure_info.next_retry_delay.FromSeconds(1200)
    await s.step(command("FAIL_WORKFLOW_EXECUTION", failure=why))
    await s.describe()


@scenario
async def retry_grows_to_its_maximum(s: Driver):
    await s.start(retry_policy={"initial_interval": seconds(1), "backoff_coefficient": 100,
                                "maximum_interval": seconds(600)})
    await s.step(fail_workflow("first"))
    await s.step(fail_workflow("second"))
    await s.describe()


@scenario
async def no_retry_beyond_the_execution_timeout(s: Driver):
    await s.start(workflow_execution_timeout=seconds(60), retry_policy={"initial_interval": seconds(600)})
    await s.step(fail_workflow("no"))
    await s.describe()


@scenario
async def run_timeout_is_retried(s: Driver):
    await s.start(workflow_run_timeout=seconds(2), retry_policy=POLICY)
    await s.closed()
    task = await s.poll()
    await s.complete(task, complete_workflow())


@scenario
async def execution_timeout_is_not_retried(s: Driver):
    await s.start(workflow_execution_timeout=seconds(2), retry_policy=POLICY)
    await s.closed()
    await s.describe()


@cases({"canceled": cancel_workflow, "completed": lambda: complete_workflow()})
async def what_is_not_retried(s: Driver, closing):
    await s.start(retry_policy=POLICY)
    await s.step(closing())
    await s.describe()


@cases({"terminate": lambda s: s.terminate(), "signal": lambda s: s.signal("s"), "cancel": lambda s: s.request_cancel()})
async def during_the_wait_for_a_retry(s: Driver, act):
    await s.start(retry_policy={"initial_interval": seconds(600)})
    await s.step(fail_workflow("first"))
    await act(s)
    await s.describe()


@scenario
async def continues_as_new_within_a_retry(s: Driver):
    await s.start(retry_policy=POLICY)
    await s.step(fail_workflow("first"))
    await goes_on(s)
    await s.finish()


# --- cron ---


@scenario
async def cron(s: Driver):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule="@every 1s", input=payloads("in"))
    await s.describe()
    await s.finish("one")
    await s.describe()
    await s.step(fail_workflow("two"))
    await s.finish("three")
    await s.terminate()
    await s.describe()


@cases({
    "five-fields": "0 12 * * 1", "zone": "CRON_TZ=Europe/Berlin 30 2 * * *", "tz": "TZ=America/New_York 0 9 1 * *",
    "hourly": "@hourly", "daily": "@daily", "weekly": "@weekly", "monthly": "@monthly", "yearly": "@yearly",
    "names": "0 0 * JAN,JUL MON-FRI", "steps": "*/15 8-18/2 * * *", "every": "@every 90m",
})
async def cron_specification(s: Driver, schedule: str):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule=schedule)
    # What is left until then is the clock's; that there is something left is not.
    s.note("waits", (await s.peek.events())[0].workflow_execution_started_event_attributes
           .first_workflow_task_backoff.seconds > 0 or "at once")
    await s.describe()


@cases({
    "six-fields": "0 0 12 * * 1", "four-fields": "0 12 * *", "letters": "a b c d e", "every-nothing": "@every",
    "every-negative": "@every -1s", "unknown-descriptor": "@sometimes", "zone-only": "CRON_TZ=UTC",
    "bad-range": "0 20-10 * * *", "bad-step": "*/0 * * * *", "month-13": "0 0 1 13 *", "day-0": "0 0 0 * *",
})
async def bad_cron_specification(s: Driver, schedule: str):
    await refused(s.start(cron_schedule=schedule))


@scenario
async def cron_with_retry(s: Driver):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule="@every 1s", retry_policy=POLICY)
    await s.step(fail_workflow("one"))
    await s.step(fail_workflow("two"))
    await s.step()
    await s.describe()


@scenario
async def cron_run_times_out(s: Driver):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule="@every 1s", workflow_run_timeout=seconds(3))
    await s.poll()
    await s.closed()
    await s.step()


@scenario
async def cron_is_canceled(s: Driver):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule="@every 1s")
    task = await s.poll()
    await s.request_cancel()
    await s.complete(task)
    await s.step(cancel_workflow())
    await s.describe()


@cases({"terminate": lambda s: s.terminate(), "signal": lambda s: s.signal("s"), "cancel": lambda s: s.request_cancel()})
async def during_the_wait_for_cron(s: Driver, act):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule="@every 10h")
    await act(s)
    await s.describe()


@scenario
async def cron_continues_as_new(s: Driver):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule="@every 1s")
    await goes_on(s, cron_schedule="@every 1s")
    await s.finish("out")
    await s.step()
