"""Runs that a schedule starts: what they begin with, what they take from the one before, and when one is over."""

from harness.commands import command
from harness.hand import cancel_workflow, complete_workflow, fail_workflow
from harness.rpc import payloads, seconds

from ..driver import Driver
from ..registry import cases, scenario
from ..scheduling import (
    ALLOW_ALL, BUFFER_ALL, NOONS, action, backfill, create, describe, did, moment, noon, noons, one, run_at, trigger,
)
from .search_attributes import given as attributes
from .search_attributes import space, value

HOUR = 3600


@cases({
    "plain": {},
    "input": {"input": payloads("a", "b")},
    "timeouts": {"workflow_execution_timeout": seconds(2 * HOUR), "workflow_run_timeout": seconds(HOUR),
                 "workflow_task_timeout": seconds(60)},
    "retry": {"retry_policy": {"maximum_attempts": 3, "initial_interval": seconds(60)}},
    "memo": {"memo": {"fields": {"m": one(), "n": one("w")}}},
    "header": {"header": {"fields": {"h": one()}}},
    "priority": {"priority": {"priority_key": 2, "fairness_key": "f", "fairness_weight": 1.5}},
    "user-metadata": {"user_metadata": {"summary": one("s"), "details": one("d")}},
    "auto-upgrade": {"versioning_override": {"auto_upgrade": True}},
    "sticky-queue": {"task_queue": {"name": "q", "kind": "TASK_QUEUE_KIND_STICKY"}},
})
async def begins_with(s: Driver, fields: dict):
    if fields.get("task_queue"):
        fields = {"task_queue": fields["task_queue"] | {"name": s.queue}}
    await create(s, {"action": action(s, **fields)})
    await trigger(s, noon(1))
    await did(s, 1)
    await run_at(s, noon(1)).describe()


@scenario
async def begins_with_search_attributes(s: Driver):
    """Those of the schedule are its own, those of the action its runs'."""
    hand = await space(s)
    await create(hand, {"action": action(hand, **attributes(MyKeyword=value("run"), MyInt=value(1)))},
                 memo={"fields": {"m": one()}}, **attributes(MyKeyword=value("schedule")))
    await trigger(hand, noon(1))
    await did(hand, 1)
    await run_at(hand, noon(1)).describe()


@scenario
async def begins_at_a_time_with_jitter(s: Driver):
    """Its id and attribute tell the time that was meant, and the schedule's description the one that came of it."""
    s.vague |= {"schedule_time", "future_action_times"}
    await create(s, {"spec": NOONS | {"jitter": seconds(HOUR)}})
    await backfill(s, {"start_time": moment(noon(1)), "end_time": moment("2020-01-02T00:00:00Z")})
    await did(s, 1)
    found = (await describe(s)).info.recent_actions[0].schedule_time
    s.note("within the hour", moment(noon(1)).seconds <= found.seconds <= moment(noon(1)).seconds + HOUR)


@scenario
async def keeps_the_original_id(s: Driver):
    await create(s, {"policies": {"keep_original_workflow_id": True}})
    await trigger(s, noon(1))
    await did(s, 1)


@scenario
async def id_is_taken(s: Driver):
    """By a run that the schedule has not started: there is no action, and the description does not tell why."""
    other = run_at(s, noon(1))
    await other.start()
    await create(s)
    await backfill(s, noons(1, 2))
    await did(s, 0, skipped=1)
    await trigger(s, noon(3))
    await did(s, 1)


@scenario
async def id_was_taken(s: Driver):
    """By a run that is over."""
    other = run_at(s, noon(1))
    await other.start()
    await other.finish()
    await create(s)
    await backfill(s, noons(1, 1))
    await did(s, 1)


# --- from one to the next ---


@scenario
async def result_goes_on(s: Driver):
    await create(s)
    await backfill(s, noons(1, 3, BUFFER_ALL))
    await did(s, 1, buffered=2)
    await s.finish("one", "more")
    await did(s, 2, buffered=1)
    await s.finish()
    await did(s, 3)


@scenario
async def failure_goes_on_beside_the_last_result(s: Driver):
    await create(s)
    await backfill(s, noons(1, 4, BUFFER_ALL))
    await did(s, 1, buffered=3)
    await s.finish("one")
    await did(s, 2, buffered=2)
    await s.step(fail_workflow("two"))
    await did(s, 3, buffered=1)
    await s.finish()
    await did(s, 4)


@scenario
async def result_ends_a_failure(s: Driver):
    await create(s)
    await backfill(s, noons(1, 3, BUFFER_ALL))
    await did(s, 1, buffered=2)
    await s.step(fail_workflow("one"))
    await did(s, 2, buffered=1)
    await s.finish("two")
    await did(s, 3)


@scenario
async def nothing_goes_to_runs_beside_others(s: Driver):
    """Nor from them."""
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await s.finish("one")
    await did(s, 1, closed=1)
    await trigger(s, noon(2), ALLOW_ALL)
    await did(s, 2)
    await s.finish("two")
    await trigger(s, noon(3))
    await did(s, 3)


@scenario
async def result_goes_on_to_a_trigger(s: Driver):
    """It is the schedule's, whether or not an action waited for the run."""
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await s.finish("one")
    await did(s, 1, closed=1)
    await trigger(s, noon(2))
    await did(s, 2)


# --- the end of a run ---


async def timed_out(s: Driver) -> None:
    await run_at(s, noon(1)).closed()


ENDINGS = {
    "completed": lambda s: s.finish("out"),
    "failed": lambda s: s.step(fail_workflow("no")),
    "canceled": lambda s: s.step(cancel_workflow()),
    "terminated": lambda s: run_at(s, noon(1)).terminate(),
    "timed-out": timed_out,
}


@cases(ENDINGS)
async def ended(s: Driver, end):
    """Its status, and what the next run is told of it."""
    await create(s, {"action": action(s, workflow_run_timeout=seconds(4) if end is timed_out else None)})
    await backfill(s, noons(1, 2, BUFFER_ALL))
    await did(s, 1, buffered=1)
    await end(s)
    await did(s, 2, closed=1)


@scenario
async def deleted(s: Driver):
    """Whether its status is known still is chance."""
    s.vague |= {"start_workflow_status"}
    await create(s)
    await backfill(s, noons(1, 2, BUFFER_ALL))
    await did(s, 1, buffered=1)
    await s.call("DeleteWorkflowExecution", workflow_execution={"workflow_id": run_at(s, noon(1)).id})
    await did(s, 2)


@scenario
async def continued_as_new(s: Driver):
    """It is over when its chain is; the description names its first run."""
    await create(s)
    await backfill(s, noons(1, 2, BUFFER_ALL))
    await did(s, 1, buffered=1)
    task = await s.poll()
    await s.lived()
    await s.complete(task, command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"},
                                   task_queue={"name": s.queue}))
    await did(s, 1, buffered=1)
    await s.finish("out")
    await did(s, 2)


@scenario
async def retried(s: Driver):
    await create(s, {"action": action(s, retry_policy={"initial_interval": seconds(1), "maximum_attempts": 2})})
    await backfill(s, noons(1, 2, BUFFER_ALL))
    await did(s, 1, buffered=1)
    await s.step(fail_workflow("first"))
    await did(s, 1, buffered=1)
    await s.step(fail_workflow("second"))
    await did(s, 2)


async def reset_after_a_task(s: Driver) -> None:
    run = run_at(s, noon(1))
    await s.step()
    await run.call("ResetWorkflowExecution", workflow_execution=run.execution, workflow_task_finish_event_id=4,
                   request_id=s.unique("reset"), reason="why")


@scenario
async def reset(s: Driver):
    """To an action that waits the run is terminated, whatever goes on in its place."""
    await create(s)
    await backfill(s, noons(1, 2, BUFFER_ALL))
    await did(s, 1, buffered=1)
    await reset_after_a_task(s)
    await did(s, 2)


@scenario
async def reset_while_nothing_waits(s: Driver):
    """The run that the reset makes is in the way of the next action."""
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await reset_after_a_task(s)
    await did(s, 1)
    await trigger(s, noon(2))
    await did(s, 1, skipped=1)
    await s.finish("out")
    await did(s, 1, running=0)


@scenario
async def id_is_used_again_by_another(s: Driver):
    """A run that the schedule has not started is not waited for, although it has the id of one that was."""
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await s.finish("out")
    other = run_at(s, noon(1))
    await other.start()
    await did(s, 1, running=0)
    await trigger(s, noon(2))
    await did(s, 2)


@scenario
async def nobody_waits_for_it(s: Driver):
    """The description tells of its end although no action waits for it."""
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await s.step(complete_workflow("out"))
    await did(s, 1, running=0)


@scenario
async def many_recent(s: Driver):
    """The last ten."""
    await create(s)
    await backfill(s, noons(1, 12, ALLOW_ALL))
    await did(s, 12)
