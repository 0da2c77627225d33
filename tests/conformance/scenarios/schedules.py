"""Schedules: how they are made and described, what is refused, and how they go."""

from harness.commands import request
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from ..scheduling import (
    ALLOW_ALL, EACH_SECOND, NOONS, action, backfill, create, delete, describe, did, id_of, moment, noon, noons, one,
    run_at, schedule, shown,
)

LONG = "x" * 1001
BIG = b"x" * ((2 << 20) + 1)
HOUR = 3600


def with_action(s: Driver, **changed) -> dict:
    return {"schedule": schedule(s, action=action(s, **changed))}


def with_spec(**spec) -> dict:
    return {"spec": spec}


# --- making ---


@cases({
    "plain": {},
    "all-policies": {"policies": {
        "overlap_policy": "SCHEDULE_OVERLAP_POLICY_BUFFER_ALL", "catchup_window": seconds(HOUR), "pause_on_failure": True,
        "keep_original_workflow_id": True}},
    "paused": {"state": {"paused": True, "notes": "not yet"}},
    "limited": {"state": {"limited_actions": True, "remaining_actions": 3}},
    "limited-to-none": {"state": {"limited_actions": True}},
    "remaining-but-not-limited": {"state": {"remaining_actions": 3}},
    "notes": {"state": {"notes": "why it is"}},
    "no-times": with_spec(),
    "times-that-are-past": with_spec(calendar=[{"year": "2020"}]),
    "no-spec": {"spec": None},
    "short-catch-up": {"policies": {"catchup_window": seconds(1)}},
    "no-catch-up": {"policies": {"catchup_window": seconds(0)}},
    "negative-catch-up": {"policies": {"catchup_window": seconds(-HOUR)}},
    "unknown-overlap-policy": {"policies": {"overlap_policy": 99}},
    "cron": with_spec(cron_string=["0 12 * 1 MON-FRI 2099 # noon"]),
    "cron-in-a-zone": with_spec(cron_string=["CRON_TZ=Europe/Berlin 0 12 1 1 * 2099"]),
    "every": with_spec(cron_string=["@every 1d/12h"], start_time=moment("2099-01-01T00:00:00Z")),
    "exclusions": with_spec(calendar=[{"year": "2099", "month": "1"}], exclude_calendar=[{"day_of_month": "1-20", "hour": "*"}]),
    "bounds": with_spec(interval=[{"interval": seconds(86_400), "phase": seconds(HOUR)}],
                        start_time=moment("2099-03-01T00:00:00Z"), end_time=moment("2099-03-04T00:00:00Z")),
})
async def made(s: Driver, parts: dict):
    """What the description says of it, with what was filled in."""
    await refused(create(s, parts))
    await refused(describe(s))


@scenario
async def made_with_a_memo(s: Driver):
    await create(s, memo={"fields": {"m": one(), "n": one("w")}})
    await describe(s)


@scenario
async def action_as_described(s: Driver):
    """All of an action that may be given comes back as it was given."""
    await create(s, {"action": action(
        s, input=payloads("a", "b"), workflow_execution_timeout=seconds(2 * HOUR), workflow_run_timeout=seconds(HOUR),
        workflow_task_timeout=seconds(60), retry_policy={"maximum_attempts": 3}, memo={"fields": {"m": one()}},
        header={"fields": {"h": one()}}, user_metadata={"summary": one("s"), "details": one("d")},
        priority={"priority_key": 2, "fairness_key": "f", "fairness_weight": 1.5})})
    await describe(s)


@cases({
    "trigger": (1, {"trigger_immediately": {"scheduled_time": moment(noon(1))}}),
    "trigger-unknown-policy": (1, {"trigger_immediately": {"scheduled_time": moment(noon(1)), "overlap_policy": 99}}),
    "backfill": (2, {"backfill_request": [noons(1, 2, ALLOW_ALL)]}),
    "trigger-and-backfill": (3, {"trigger_immediately": {"scheduled_time": moment(noon(3))},
                                 "backfill_request": [noons(1, 2, ALLOW_ALL)]}),
})
async def made_with_an_action(s: Driver, actions: int, patch: dict):
    await create(s, initial_patch=patch)
    await did(s, actions)


@cases({
    "pause": {"pause": "not yet"},
    "unpause": {"unpause": "go"},
    "nothing": {},
})
async def made_with_a_patch(s: Driver, patch: dict):
    s.vague |= {"recent_actions"}
    await refused(create(s, {"state": {"notes": "first"}}, initial_patch=patch))
    await refused(describe(s))


# --- refused ---

ACTIONS = {
    "no-workflow-id": {"workflow_id": None},
    "long-workflow-id": {"workflow_id": LONG},
    "workflow-id-too-long-with-a-time": {"workflow_id": "x" * 980},
    "workflow-id-long-enough": {"workflow_id": "x" * 979},
    "no-type": {"workflow_type": None},
    "long-type": {"workflow_type": {"name": LONG}},
    "no-queue": {"task_queue": None},
    "empty-queue": {"task_queue": {"name": ""}},
    "long-queue": {"task_queue": {"name": LONG}},
    "reserved-queue": {"task_queue": {"name": "/_sys/q/1"}},
    "sticky-queue": {"task_queue": {"name": "q", "kind": "TASK_QUEUE_KIND_STICKY"}},
    "cron": {"cron_schedule": "* * * * *"},
    "reuse-policy": {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE"},
    "reuse-policy-allowed": {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE"},
    "negative-execution-timeout": {"workflow_execution_timeout": seconds(-1)},
    "negative-run-timeout": {"workflow_run_timeout": seconds(-1)},
    "negative-task-timeout": {"workflow_task_timeout": seconds(-1)},
    "bad-retry": {"retry_policy": {"backoff_coefficient": 0.5}},
    "big-input": {"input": payloads(BIG)},
    "big-memo": {"memo": {"fields": {"m": payloads(BIG).payloads[0]}}},
    "unknown-search-attribute": {"search_attributes": {"indexed_fields": {"NoSuch": one()}}},
    "system-search-attribute": {"search_attributes": {"indexed_fields": {"WorkflowId": one()}}},
    "scheduled-by": {"search_attributes": {"indexed_fields": {"TemporalScheduledById": one('"x"')}}},
    "low-priority": {"priority": {"priority_key": -1}},
    "long-fairness-key": {"priority": {"fairness_key": "x" * 65}},
    "long-summary": {"user_metadata": {"summary": payloads(b"x" * 5000).payloads[0]}},
}


@cases(ACTIONS)
async def odd_action(s: Driver, changed: dict):
    await refused(create(s, **with_action(s, **changed)))
    await refused(describe(s))


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-id": {"schedule_id": ""},
    "long-id": {"schedule_id": LONG},
    "rather-long-id": {"schedule_id": "x" * 990},
    "odd-id": {"schedule_id": "a b/ü:'\""},
    "no-request-id": {"request_id": None},
    "long-request-id": {"request_id": LONG},
    "long-identity": {"identity": LONG},
    "no-schedule": {"schedule": None},
    "no-action": {"schedule": {"spec": NOONS}},
    "empty-action": {"schedule": {"spec": NOONS, "action": {}}},
    "big-memo": {"memo": {"fields": {"m": payloads(BIG).payloads[0]}}},
    "unknown-search-attribute": {"search_attributes": {"indexed_fields": {"NoSuch": one()}}},
    "system-search-attribute": {"search_attributes": {"indexed_fields": {"WorkflowId": one()}}},
    "paused-attribute": {"search_attributes": {"indexed_fields": {"TemporalSchedulePaused": one("true")}}},
})
async def odd_creation(s: Driver, changed: dict):
    await refused(create(s, **changed))


@cases({"of-1000": 1000, "of-1001": 1001, "of-2000": 2000, "of-2001": 2001})
async def long_notes(s: Driver, length: int):
    """Only those of a patch are limited."""
    notes = "x" * length
    await refused(create(s, {"state": {"notes": notes}}))
    await refused(create(s, schedule_id=s.unique("other"), request_id="other"))
    await refused(s.call("PatchSchedule", schedule_id=s.unique("other"), request_id="p", patch={"unpause": notes}))
    await refused(s.call("UpdateSchedule", schedule_id=s.unique("other"), request_id="u",
                         schedule=schedule(s, state={"notes": notes})))


@cases({
    "bad-cron": {"cron_string": ["every day"]},
    "bad-calendar": {"calendar": [{"hour": "25"}]},
    "bad-month-name": {"calendar": [{"month": "Brumaire"}]},
    "bad-range": {"structured_calendar": [{"hour": [{"start": 20, "end": 90}]}]},
    "backward-range": {"calendar": [{"hour": "20-10"}]},
    "bad-step": {"structured_calendar": [{"hour": [{"start": 1, "end": 5, "step": -1}]}]},
    "bad-exclusion": {"exclude_calendar": [{"hour": "25"}]},
    "no-interval": {"interval": [{}]},
    "negative-interval": {"interval": [{"interval": seconds(-1)}]},
    "short-interval": {"interval": [{"interval": seconds(0.5)}]},
    "negative-phase": {"interval": [{"interval": seconds(5), "phase": seconds(-1)}]},
    "phase-above-interval": {"interval": [{"interval": seconds(5), "phase": seconds(6)}]},
    "unknown-zone": {"calendar": [{}], "timezone_name": "Nowhere/Land"},
    "unknown-zone-in-cron": {"cron_string": ["CRON_TZ=Nowhere/Land 0 12 * * *"]},
    "two-zones": {"cron_string": ["CRON_TZ=Europe/Berlin 0 12 * * *"], "timezone_name": "Europe/Paris"},
    "bad-zone-data": {"calendar": [{}], "timezone_data": b"nonsense"},
    "end-before-start": {"start_time": moment("2099-03-01T00:00:00Z"), "end_time": moment("2098-03-01T00:00:00Z")},
    "negative-jitter": {**NOONS, "jitter": seconds(-1)},
    "long-comment": {"calendar": [{"year": "2099", "comment": "x" * 5000}]},
})
async def odd_spec(s: Driver, spec: dict):
    await refused(create(s, {"spec": spec}))


@cases({"unknown": {}, "no-id": {"schedule_id": ""}, "long-id": {"schedule_id": LONG}, "no-namespace": {"namespace": ""},
        "unknown-namespace": {"namespace": "there-is-none"}})
async def not_there(s: Driver, changed: dict):
    """Each of the calls that name a schedule."""
    named = {"schedule_id": id_of(s)} | changed
    await refused(describe(s, **named))
    await refused(s.call("UpdateSchedule", schedule=schedule(s), request_id="u", **named))
    await refused(s.call("PatchSchedule", patch={"pause": "p"}, request_id="p", **named))
    await refused(s.call("ListScheduleMatchingTimes", start_time=moment(noon(1)), end_time=moment(noon(2)), **named))
    await refused(delete(s, **named))


# --- the same id ---


@scenario
async def same_request_twice(s: Driver):
    await create(s, request_id="r")
    await create(s, request_id="r")
    await create(s, {"state": {"notes": "other"}}, request_id="r")
    await describe(s)


@scenario
async def id_in_use(s: Driver):
    await create(s)
    await refused(create(s, {"state": {"notes": "other"}}, request_id="other"))
    await describe(s)


@scenario
async def workflow_of_the_same_id(s: Driver):
    """Schedules and workflows have ids of their own."""
    await s.start()
    await create(s, schedule_id=s.id)
    await describe(s, schedule_id=s.id)
    await s.describe()


# --- going ---


@scenario
async def deleted(s: Driver):
    await create(s)
    await delete(s)
    await refused(describe(s))
    await refused(delete(s))
    await refused(s.call("PatchSchedule", schedule_id=id_of(s), patch={"pause": "p"}, request_id="p"))
    await refused(s.call("UpdateSchedule", schedule_id=id_of(s), schedule=schedule(s), request_id="u"))


@scenario
async def deleted_and_made_again(s: Driver):
    await create(s, initial_patch={"trigger_immediately": {"scheduled_time": moment(noon(1))}})
    await did(s, 1)
    await delete(s)
    await create(s, {"state": {"notes": "again"}}, request_id="again")
    await describe(s)


@scenario
async def deleted_and_made_again_by_the_same_request(s: Driver):
    await create(s)
    await delete(s)
    await refused(create(s))
    await refused(describe(s))


@scenario
async def runs_stay_when_it_is_deleted(s: Driver):
    await create(s)
    await backfill(s, noons(1, 2))
    await did(s, 1)
    await delete(s)
    run = run_at(s, noon(1))
    await run.describe()
    await s.finish("out")
    await run.describe()


@scenario
async def fires_by_itself(s: Driver):
    s.vague |= {"future_action_times"}
    await create(s, {"spec": EACH_SECOND, "state": {"limited_actions": True, "remaining_actions": 2},
                     "policies": {"overlap_policy": ALLOW_ALL}})
    await did(s, 2)
    await shown(s, lambda found: found.schedule.state.remaining_actions == 0)


@scenario
async def capabilities(s: Driver):
    reply = await s.peek.api.call("GetSystemInfo", request("GetSystemInfo"))
    s.note("supports_schedules", reply.capabilities.supports_schedules)
    s.note("upsert_memo", reply.capabilities.upsert_memo)
