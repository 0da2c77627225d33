"""Actions that a schedule does not take: none are left, a run failed, time is over, or the action is refused."""

from harness.hand import fail_workflow
from harness.rpc import seconds

from ..driver import Driver
from ..registry import cases, scenario
from ..scheduling import (
    ALLOW_ALL, BUFFER_ALL, EACH_SECOND, action, backfill, create, describe, did, moment, noon, noons, patch, shown, trigger,
    update,
)
from .schedule_actions import ENDINGS, timed_out

# --- remaining actions ---


@scenario
async def actions_run_out(s: Driver):
    await create(s, {"spec": EACH_SECOND, "policies": {"overlap_policy": ALLOW_ALL},
                     "state": {"limited_actions": True, "remaining_actions": 3, "notes": "three"}})
    await did(s, 3)


@scenario
async def more_actions_are_given(s: Driver):
    await create(s, {"spec": EACH_SECOND, "policies": {"overlap_policy": ALLOW_ALL},
                     "state": {"limited_actions": True, "remaining_actions": 1}})
    await did(s, 1)
    await update(s, {"spec": EACH_SECOND, "policies": {"overlap_policy": ALLOW_ALL},
                     "state": {"limited_actions": True, "remaining_actions": 1}})
    await did(s, 2)


@scenario
async def actions_are_not_counted_unless_limited(s: Driver):
    s.vague |= {"future_action_times", "recent_actions", "running_workflows", "action_count", "overlap_skipped"}
    await create(s, {"spec": EACH_SECOND, "state": {"remaining_actions": 1}})
    await shown(s, lambda found: found.info.action_count + found.info.overlap_skipped > 2)
    await patch(s, pause="enough")


@scenario
async def buffered_actions_are_counted_when_they_start(s: Driver):
    """One is running; another waits for it and takes the last that is left. Those behind it find none."""
    s.vague |= {"buffer_size", "future_action_times"}
    await create(s, {"spec": EACH_SECOND, "policies": {"overlap_policy": BUFFER_ALL},
                     "state": {"limited_actions": True, "remaining_actions": 2}})
    await shown(s, lambda found: found.info.action_count == 1 and found.info.buffer_size > 1)
    await s.finish("one")
    await shown(s, lambda found: found.info.action_count == 2)
    await s.finish("two")
    await did(s, 2, running=0)


# --- ends ---


@scenario
async def over_when_its_time_is(s: Driver):
    """The last time is that of its end."""
    await create(s, {"spec": {"interval": [{"interval": seconds(1)}], "start_time": moment("2020-01-01T00:00:00Z"),
                              "end_time": moment("2020-01-01T00:00:02Z")}})
    await backfill(s, {"start_time": moment("2019-12-31T00:00:00Z"), "end_time": moment("2020-01-02T00:00:00Z"),
                       "overlap_policy": ALLOW_ALL})
    await did(s, 3)


# --- pause on failure ---


@cases(ENDINGS)
async def pauses_on_failure(s: Driver, end):
    await create(s, {"policies": {"pause_on_failure": True}, "state": {"notes": "first"},
                     "action": action(s, workflow_run_timeout=seconds(4) if end is timed_out else None)})
    await trigger(s, noon(1))
    await did(s, 1)
    await end(s)
    await did(s, 1, closed=1)


@scenario
async def pauses_when_all_attempts_have_failed(s: Driver):
    await create(s, {"policies": {"pause_on_failure": True}, "action": action(s, retry_policy={
        "initial_interval": seconds(1), "maximum_attempts": 2})})
    await trigger(s, noon(1))
    await did(s, 1)
    await s.step(fail_workflow("first"))
    await did(s, 1, running=1)
    await s.step(fail_workflow("second"))
    await did(s, 1, closed=1)


@scenario
async def pauses_with_actions_in_the_buffer(s: Driver):
    """Those of a backfill are taken all the same."""
    await create(s, {"policies": {"pause_on_failure": True}})
    await backfill(s, noons(1, 2, BUFFER_ALL))
    await did(s, 1, buffered=1)
    await s.step(fail_workflow("no"))
    await did(s, 2)


@scenario
async def failure_beside_others_does_not_pause(s: Driver):
    await create(s, {"policies": {"pause_on_failure": True}})
    await trigger(s, noon(1), ALLOW_ALL)
    await did(s, 1)
    await s.step(fail_workflow("no"))
    await trigger(s, noon(2))
    await did(s, 2)


@scenario
async def paused_already_when_it_fails(s: Driver):
    await create(s, {"policies": {"pause_on_failure": True}, "state": {"paused": True, "notes": "stop"}})
    await trigger(s, noon(1))
    await did(s, 1)
    await s.step(fail_workflow("no"))
    await did(s, 1, closed=1)


@scenario
async def unpaused_after_a_failure(s: Driver):
    await create(s, {"policies": {"pause_on_failure": True}})
    await trigger(s, noon(1))
    await did(s, 1)
    await s.step(fail_workflow("no"))
    await did(s, 1, closed=1)
    await patch(s, unpause="go")
    await describe(s)
    await trigger(s, noon(2))
    await did(s, 2)


@scenario
async def policy_is_changed_before_it_fails(s: Driver):
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await update(s, {"policies": {"pause_on_failure": True}})
    await describe(s)
    await s.step(fail_workflow("no"))
    await did(s, 1, closed=1)


# --- actions that cannot be taken ---


@cases({
    "bad-retry": {"retry_policy": {"backoff_coefficient": 0.5}},
    "low-priority": {"priority": {"priority_key": -1}},
    "long-fairness-key": {"priority": {"fairness_key": "x" * 65}},
})
async def refused_when_it_starts(s: Driver, fields: dict):
    """It is not told; the next one is taken as if nothing had been."""
    await create(s, {"action": action(s, **fields)})
    await trigger(s, noon(1))
    await describe(s)
    await update(s)
    await trigger(s, noon(2))
    await shown(s, lambda found: any(each.schedule_time == moment(noon(2)) for each in found.info.recent_actions))


@scenario
async def refused_actions_are_counted_down(s: Driver):
    await create(s, {"spec": EACH_SECOND, "policies": {"overlap_policy": ALLOW_ALL},
                     "action": action(s, priority={"priority_key": -1}), "state": {
                         "limited_actions": True, "remaining_actions": 1}})
    await shown(s, lambda found: found.schedule.state.remaining_actions == 0)
