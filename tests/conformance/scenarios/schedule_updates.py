"""Updates of schedules: what they put in the place of what was there, what stays, and conflict tokens."""

from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from ..scheduling import (
    ALLOW_ALL, BUFFER_ALL, EACH_SECOND, SKIP, action, backfill, create, describe, did, noon, noons, one, patch, schedule,
    shown, trigger, update,
)
from .search_attributes import given as attributes
from .search_attributes import space, value

EVERYTHING = {
    "policies": {"overlap_policy": BUFFER_ALL, "catchup_window": seconds(3600), "pause_on_failure": True},
    "state": {"paused": True, "notes": "first", "limited_actions": True, "remaining_actions": 3},
}


@cases({
    "nothing-else": {},
    "spec": {"spec": {"calendar": [{"year": "2098", "month": "2", "day_of_month": "1-3"}]}},
    "no-spec": {"spec": None},
    "policies": {"policies": {"overlap_policy": SKIP}},
    "state": {"state": {"notes": "second"}},
    "all-of-it": EVERYTHING,
})
async def updated(s: Driver, parts: dict):
    """All of it is replaced: what an update leaves out is back to its default."""
    await create(s, EVERYTHING, memo={"fields": {"m": one()}})
    await refused(update(s, parts))
    await describe(s)


@scenario
async def action_is_replaced(s: Driver):
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await s.finish()
    await did(s, 1, closed=1)
    await update(s, {"action": action(s, workflow_id=s.unique("other"), workflow_type={"name": "U"}, input=payloads("in"))})
    await describe(s)
    await trigger(s, noon(2))
    await did(s, 2, closed=1)


@scenario
async def what_has_been_done_stays(s: Driver):
    await create(s, {"policies": {"overlap_policy": BUFFER_ALL}})
    await backfill(s, noons(1, 3))
    await did(s, 1, buffered=2)
    await update(s, {"policies": {"overlap_policy": SKIP}, "spec": {}})
    await shown(s, lambda found: found.info.HasField("update_time"))


@scenario
async def buffered_actions_take_the_new_policy_and_action(s: Driver):
    """They were put there without a policy of their own."""
    await create(s, {"policies": {"overlap_policy": BUFFER_ALL}})
    await backfill(s, noons(1, 3))
    await did(s, 1, buffered=2)
    await update(s, {"policies": {"overlap_policy": ALLOW_ALL}, "action": action(s, workflow_type={"name": "U"})})
    await did(s, 3)


@scenario
async def run_goes_on_beside_an_update(s: Driver):
    await create(s)
    await trigger(s, noon(1))
    await did(s, 1)
    await update(s, {"state": {"notes": "second"}})
    await describe(s)
    await s.finish("out")
    await did(s, 1, running=0)


@scenario
async def updated_to_fire(s: Driver):
    """Only times after the update count."""
    s.vague |= {"future_action_times"}
    await create(s)
    await update(s, {"spec": EACH_SECOND, "state": {"limited_actions": True, "remaining_actions": 1},
                     "policies": {"overlap_policy": ALLOW_ALL}})
    await did(s, 1)


# --- conflict tokens ---


async def token_of(s: Driver) -> bytes:
    return (await describe(s)).conflict_token


@scenario
async def with_the_current_token(s: Driver):
    made = await create(s)
    await update(s, {"state": {"notes": "second"}}, conflict_token=made.conflict_token)
    await shown(s, lambda found: found.schedule.state.notes == "second")
    await update(s, {"state": {"notes": "third"}}, conflict_token=await token_of(s))
    await shown(s, lambda found: found.schedule.state.notes == "third")


@scenario
async def with_a_stale_token(s: Driver):
    made = await create(s)
    await patch(s, pause="stop")
    await shown(s, lambda found: found.schedule.state.paused)
    await refused(update(s, {"state": {"notes": "second"}}, conflict_token=made.conflict_token))
    await describe(s)


@scenario
async def two_with_the_same_token(s: Driver):
    made = await create(s)
    for notes in ("second", "third"):
        await refused(update(s, {"state": {"notes": notes}}, conflict_token=made.conflict_token))
        await describe(s)


@cases({"short": b"abc", "long": b"x" * 100, "of-the-future": (1000).to_bytes(8), "zero": bytes(8)})
async def with_an_odd_token(s: Driver, token: bytes):
    await create(s)
    await refused(update(s, {"state": {"notes": "second"}}, conflict_token=token))
    await describe(s)


@scenario
async def what_changes_the_token(s: Driver):
    await create(s)
    await describe(s)
    await trigger(s, noon(1), ALLOW_ALL)
    await did(s, 1)
    await backfill(s, noons(2, 3, ALLOW_ALL))
    await did(s, 3)
    for notes in ("stop", "stop"):
        await patch(s, pause=notes)
        await describe(s)
    await patch(s, unpause="go")
    await describe(s)
    await update(s)
    await describe(s)


@scenario
async def actions_that_are_counted_change_the_token(s: Driver):
    s.vague |= {"future_action_times", "recent_actions"}
    made = await create(s, {"spec": EACH_SECOND, "state": {"limited_actions": True, "remaining_actions": 1},
                            "policies": {"overlap_policy": ALLOW_ALL}})
    await did(s, 1)
    await refused(update(s, {"state": {"notes": "second"}}, conflict_token=made.conflict_token))
    await describe(s)


@scenario
async def same_update_twice(s: Driver):
    await create(s)
    for request_id, notes in (("r", "second"), ("other", "third"), ("r", "second")):
        await update(s, {"state": {"notes": notes}}, request_id=request_id)
        await describe(s)


# --- search attributes and memo ---


OLD = {"MyKeyword", "MyBool"}


@cases({
    "left-out": ({}, OLD),
    "none": ({"search_attributes": {}}, set()),
    "others": (attributes(MyInt=value(2)), {"MyInt"}),
    "changed": (attributes(MyKeyword=value("blue")), {"MyKeyword"}),
    "unset": (attributes(MyKeyword=value(None)), set()),
    "unknown": (attributes(NoSuch=value("x")), OLD),
    "wrong-type": (attributes(MyInt=value("x")), OLD),
})
async def search_attributes(s: Driver, fields: dict, left: set[str]):
    """They are replaced as a whole, unless none are given."""
    hand = await space(s)
    await create(hand, **attributes(MyKeyword=value("red"), MyBool=value(True)))
    await describe(hand)
    await refused(update(hand, {"state": {"notes": "second"}}, **fields))
    await shown(hand, lambda found: set(found.search_attributes.indexed_fields) == left)


@cases({"left-out": {}, "none": {"memo": {}}, "others": {"memo": {"fields": {"n": one("w")}}},
        "changed": {"memo": {"fields": {"m": one("w")}}}})
async def memo(s: Driver, fields: dict):
    await create(s, memo={"fields": {"m": one(), "k": one()}})
    await refused(update(s, {"state": {"notes": "second"}}, **fields))
    await describe(s)


# --- refused ---


@cases({
    "no-schedule": {"schedule": None},
    "no-request-id": {"request_id": None},
    "long-request-id": {"request_id": "x" * 1001},
    "long-identity": {"identity": "x" * 1001},
    "big-memo": {"memo": {"fields": {"m": payloads(b"x" * ((2 << 20) + 1)).payloads[0]}}},
})
async def odd_update(s: Driver, changed: dict):
    await create(s, {"state": {"notes": "first"}})
    await refused(update(s, {"state": {"notes": "second"}}, **changed))
    await describe(s)


@cases({
    "bad-spec": {"spec": {"cron_string": ["nonsense"]}},
    "no-action": {"action": None},
    "unknown-policy": {"policies": {"overlap_policy": 99}},
    "short-catch-up": {"policies": {"catchup_window": seconds(1)}},
})
async def odd_parts(s: Driver, parts: dict):
    await create(s, {"state": {"notes": "first"}})
    await refused(update(s, parts))
    await describe(s)


@cases({
    "long-workflow-id": {"workflow_id": "x" * 980},
    "no-type": {"workflow_type": None},
    "no-queue": {"task_queue": None},
    "cron": {"cron_schedule": "* * * * *"},
    "unknown-search-attribute": attributes(NoSuch=value("x")),
})
async def odd_action(s: Driver, changed: dict):
    await create(s, {"state": {"notes": "first"}})
    await refused(update(s, schedule=schedule(s, action=action(s, **changed))))
    await describe(s)
