"""Activities and children of a run that is paused."""

from harness.hand import activity, child

from ..driver import Driver, refused
from ..registry import cases, scenario
from .activities import ANSWERS, by_id, by_token, scheduled, started
from .pauses import pause, unpause


@scenario
async def scheduled_before(s: Driver):
    await scheduled(s)
    await pause(s)
    await s.describe()
    await s.no_task("Activity")
    await unpause(s)
    await s.describe()
    await s.complete_activity(await s.poll_activity(), "out")
    await s.finish()


@scenario
async def scheduled_meanwhile(s: Driver):
    """By a worker that has the workflow task."""
    task = await s.begin()
    await pause(s)
    await s.complete(task, activity("a", s.queue))
    await s.no_task("Activity")
    await unpause(s)
    await s.complete_activity(await s.poll_activity(), "out")


@cases(ANSWERS)
async def answered(s: Driver, method: str, fields: dict):
    task = await started(s, attempts=1)
    await pause(s)
    await s.describe()
    await refused(by_token(s, method, task, **fields))
    await s.describe()
    await unpause(s)
    await s.describe()


@cases(ANSWERS)
async def answered_by_id(s: Driver, method: str, fields: dict):
    await started(s, attempts=1)
    await pause(s)
    await refused(by_id(s, f"{method}ById", **fields))
    await s.describe()


@scenario
async def fails_and_is_retried(s: Driver):
    task = await started(s, attempts=0)
    await pause(s)
    await s.fail_activity(task)
    await s.complete_activity(await s.poll_activity(), "out")
    await s.describe()
    await unpause(s)
    await s.finish()


@scenario
async def while_it_backs_off(s: Driver):
    task = await started(s, attempts=0, backoff_s=2)
    await s.fail_activity(task)
    await pause(s)
    await s.describe()
    await s.no_sooner(2.5)
    await s.no_task("Activity")
    await s.describe()
    await unpause(s)
    await s.complete_activity(await s.poll_activity(), "out")
    await s.finish()


TIMEOUTS = {
    "schedule-to-start": ({"schedule_to_start": 2, "start_to_close": 600}, False),
    "schedule-to-close": ({"schedule_to_close": 2}, False),
    "start-to-close": ({"start_to_close": 2}, True),
    "heartbeat": ({"start_to_close": 600, "heartbeat": 2}, True),
}


@cases(TIMEOUTS)
async def times_out(s: Driver, timeouts: dict, starts: bool):
    await scheduled(s, **timeouts)
    if starts:
        await s.poll_activity()
    await pause(s)
    await s.no_sooner(3)
    await s.describe()
    await unpause(s)
    await s.happened("ActivityTaskTimedOut")
    await s.finish()


@scenario
async def times_out_and_is_retried(s: Driver):
    await started(s, attempts=2, start_to_close=3)
    await pause(s)
    task = await s.poll_activity()
    await unpause(s)
    await refused(s.complete_activity(task, "out"))
    await s.finish()


@scenario
async def paused_by_itself_too(s: Driver):
    await scheduled(s)
    await s.call("PauseActivity", execution=s.execution, id="a", identity="operator", reason="its own")
    await pause(s)
    await s.describe()
    await unpause(s)
    await s.describe()
    await s.no_task("Activity")
    await s.call("UnpauseActivity", execution=s.execution, id="a", identity="operator")
    await s.complete_activity(await s.poll_activity(), "out")


@scenario
async def unpaused_by_itself(s: Driver):
    await scheduled(s)
    await pause(s)
    await refused(s.call("UnpauseActivity", execution=s.execution, id="a", identity="operator"))
    await s.describe()
    await s.no_task("Activity")


@scenario
async def child_ends(s: Driver):
    kid = s.other("kid", queue="kids")
    await s.start()
    await s.step(child(kid.id, kid.queue))
    await s.happened("ChildWorkflowExecutionStarted")
    await s.step()
    await pause(s)
    await kid.finish("out")
    await s.happened("ChildWorkflowExecutionCompleted")
    await s.describe()
    await unpause(s)
    await s.finish()


@scenario
async def child_is_paused(s: Driver):
    kid = s.other("kid", queue="kids")
    await s.start()
    await s.step(child(kid.id, kid.queue))
    await s.happened("ChildWorkflowExecutionStarted")
    await s.step()
    await pause(kid)
    await kid.describe()
    await s.describe()
    await s.signal("s")
    await s.finish()
    await s.until(lambda: _terminated(kid), "the child's end")
    await kid.describe()


async def _terminated(kid: Driver) -> bool:
    return (await kid.peek.describe()).workflow_execution_info.status == 5


@scenario
async def child_starts(s: Driver):
    kid = s.other("kid", queue="kids")
    await s.start()
    await s.step(child(kid.id, kid.queue))
    # Before the pause, which would otherwise be as likely to come first.
    await s.happened("ChildWorkflowExecutionStarted")
    await pause(s)
    await kid.step()
    await s.describe()
    await unpause(s)
    await s.finish()
