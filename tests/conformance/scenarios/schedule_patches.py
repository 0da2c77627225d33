"""Patches of schedules: trigger, backfill, pause and unpause."""

from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from ..scheduling import (
    ALLOW_ALL, BUFFER_ALL, EACH_SECOND, NOONS, backfill, create, describe, did, id_of, moment, noon, noons, patch, trigger,
)

OFF = {"limited_actions": True}


# --- trigger ---


@scenario
async def triggered(s: Driver):
    await create(s)
    await patch(s, trigger_immediately={})
    await did(s, 1)


@scenario
async def triggered_with_a_policy_that_is_none(s: Driver):
    await create(s)
    await trigger(s, noon(1), 99)
    await did(s, 1)


@cases({
    "plain": {},
    "paused": {"state": {"paused": True}},
    "no-actions-left": {"state": OFF},
    "some-actions-left": {"state": OFF | {"remaining_actions": 3}},
    "no-times": {"spec": {}},
    "over": {"spec": {"calendar": [{"year": "2020"}]}},
})
async def triggered_at_a_time(s: Driver, parts: dict):
    """It is an action whatever the schedule's state, and none that is counted down."""
    await create(s, parts)
    await trigger(s, "2020-05-05T05:05:05.5Z")
    await did(s, 1)


@scenario
async def triggered_for_the_same_time_twice(s: Driver):
    """The second run has the id of the first one, which is running."""
    await create(s)
    await trigger(s, noon(1), ALLOW_ALL)
    await did(s, 1)
    await trigger(s, noon(1), ALLOW_ALL)
    await describe(s)
    await trigger(s, noon(2), ALLOW_ALL)
    await did(s, 2)


@scenario
async def triggered_for_the_same_time_again(s: Driver):
    """The id is free again once the first run is over."""
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await s.finish("out")
    await did(s, 1, closed=1)
    await trigger(s, noon(1))
    await did(s, 2)


@scenario
async def triggered_by_the_same_request_twice(s: Driver):
    await create(s, {"policies": {"overlap_policy": ALLOW_ALL}})
    for day in (1, 2):
        await s.call("PatchSchedule", schedule_id=id_of(s), request_id="r",
                     patch={"trigger_immediately": {"scheduled_time": moment(noon(day))}})
        await did(s, 1)
    await trigger(s, noon(3))
    await did(s, 2)


# --- backfill ---


@cases({
    "one-time": (1, noons(1, 1)),
    "both-ends": (3, noons(1, 3, ALLOW_ALL)),
    "between-times": (1, {"start_time": moment("2020-01-01T12:00:01Z"), "end_time": moment("2020-01-03T11:59:59Z")}),
    "a-moment-after": (1, {"start_time": moment("2020-01-01T12:00:00.001Z"), "end_time": moment(noon(2))}),
    "a-moment-before": (1, {"start_time": moment(noon(1)), "end_time": moment("2020-01-02T11:59:59.999Z")}),
    "two-ranges": (3, noons(1, 2, ALLOW_ALL), noons(5, 5, ALLOW_ALL)),
    "ranges-out-of-order": (3, noons(5, 5, ALLOW_ALL), noons(1, 2, ALLOW_ALL)),
    "ranges-that-overlap": (4, noons(1, 3, ALLOW_ALL), noons(2, 4, ALLOW_ALL)),
    "more-than-ten": (13, noons(1, 13, ALLOW_ALL)),
})
async def backfilled(s: Driver, actions: int, *ranges: dict):
    await create(s)
    await backfill(s, *ranges)
    await did(s, actions)


@cases({
    "paused": {"state": {"paused": True}},
    "no-actions-left": {"state": OFF},
    "short-catch-up": {"policies": {"catchup_window": seconds(10)}},
})
async def backfilled_all_the_same(s: Driver, parts: dict):
    await create(s, parts)
    await backfill(s, noons(1, 2, ALLOW_ALL))
    await did(s, 2)


@cases({
    "no-times": [{"start_time": moment("2020-02-01T00:00:00Z"), "end_time": moment("2020-02-03T00:00:00Z")}],
    "end-before-start": [noons(3, 1)],
    "neither-end": [{}],
    "no-end": [{"start_time": moment(noon(1))}],
    "none": [],
})
async def backfilled_with_nothing(s: Driver, ranges: list[dict]):
    await create(s)
    await refused(backfill(s, *ranges))
    await describe(s)
    await trigger(s, "2020-05-05T05:05:05Z")
    await did(s, 1)


@scenario
async def backfilled_into_the_future(s: Driver):
    """Times that have yet to come are actions now."""
    await create(s)
    await backfill(s, {"start_time": moment("2099-01-01T00:00:00Z"), "end_time": moment("2099-01-03T00:00:00Z"),
                       "overlap_policy": ALLOW_ALL})
    await did(s, 2)


@scenario
async def backfilled_beside_exclusions_and_bounds(s: Driver):
    """Times that the spec does not have are not filled in: none before it begins."""
    await create(s, {"spec": NOONS | {
        "start_time": moment("2020-01-03T00:00:00Z"),
        "exclude_calendar": [{"year": "2020", "month": "1", "day_of_month": "4", "hour": "12"}]}})
    await backfill(s, noons(1, 5, ALLOW_ALL))
    await did(s, 2)


@scenario
async def backfilled_while_one_is_running(s: Driver):
    """A time whose run is there already is passed over."""
    await create(s)
    await backfill(s, noons(2, 2))
    await did(s, 1)
    await backfill(s, noons(1, 3, ALLOW_ALL))
    await did(s, 3)


@scenario
async def backfilled_in_portions(s: Driver):
    """Ten times are looked at, and more of them when a run has ended."""
    await create(s)
    await backfill(s, noons(1, 15, BUFFER_ALL))
    await did(s, 1, buffered=9)
    await s.finish("one")
    await did(s, 2, buffered=13)


@scenario
async def more_ranges_than_there_is_room_for(s: Driver):
    await create(s)
    nothing = {"start_time": moment("2020-02-01T00:00:00Z"), "end_time": moment("2020-02-03T00:00:00Z")}
    await backfill(s, *[nothing] * 1003)
    await describe(s)


# --- pause, unpause ---


@scenario
async def paused_and_unpaused(s: Driver):
    await create(s, {"state": {"notes": "first"}})
    for what in ({"pause": "stop"}, {"pause": "stop still"}, {"unpause": "go"}, {"unpause": "go on"}):
        await patch(s, **what)
        await describe(s)


@scenario
async def paused_by_the_same_request_twice(s: Driver):
    await create(s)
    for request_id, what in (("r", {"pause": "stop"}), ("other", {"unpause": "go"}), ("r", {"pause": "stop"})):
        await s.call("PatchSchedule", schedule_id=id_of(s), request_id=request_id, patch=what)
        await describe(s)


@cases({
    "both": {"pause": "stop", "unpause": "go"},
    "nothing": {},
    "pause-and-trigger": {"pause": "stop", "trigger_immediately": {"scheduled_time": moment(noon(1))}},
    "all-of-it": {"unpause": "go", "trigger_immediately": {"scheduled_time": moment(noon(1)), "overlap_policy": ALLOW_ALL},
                  "backfill_request": [noons(2, 3, ALLOW_ALL)]},
})
async def patched_at_once(s: Driver, what: dict):
    await create(s, {"state": {"notes": "first"}})
    await refused(patch(s, **what))
    await did(s, ("trigger_immediately" in what) + 2 * ("backfill_request" in what))


@scenario
async def paused_while_it_fires(s: Driver):
    """What was due while it was paused is not made up for."""
    s.vague |= {"future_action_times"}
    await create(s, {"spec": EACH_SECOND, "state": {"paused": True, "limited_actions": True, "remaining_actions": 1},
                     "policies": {"overlap_policy": ALLOW_ALL}})
    await s.no_sooner(2.5)
    await patch(s, unpause="go")
    await did(s, 1)
    only = (await describe(s)).info.recent_actions[0]
    s.note("late", only.actual_time.seconds - only.schedule_time.seconds > 1)


@scenario
async def paused_with_actions_in_the_buffer(s: Driver):
    """They are manual ones, which a pause does not hold up."""
    await create(s)
    await backfill(s, noons(1, 2, BUFFER_ALL))
    await did(s, 1, buffered=1)
    await patch(s, pause="stop")
    await describe(s)
    await s.finish("out")
    await did(s, 2)


# --- refused ---


@cases({
    "no-patch": {"patch": None},
    "no-request-id": {"request_id": None},
    "long-request-id": {"request_id": "x" * 1001},
    "long-identity": {"identity": "x" * 1001},
    "long-notes": {"patch": {"pause": "x" * 3000}},
})
async def odd_patch(s: Driver, changed: dict):
    await create(s)
    fields = {"schedule_id": id_of(s), "request_id": s.unique("patch"), "patch": {"pause": "stop"}} | changed
    await refused(s.call("PatchSchedule", **{name: value for name, value in fields.items() if value is not None}))
    await describe(s)
