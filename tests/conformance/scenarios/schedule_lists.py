"""Lists and counts of schedules, and lists of a schedule's times."""

import grpc

from harness.commands import request

from ..driver import Driver, refused
from ..registry import cases, scenario
from ..scheduling import ALLOW_ALL, NOONS, backfill, create, delete, describe, did, id_of, moment, noons, one, patch
from .search_attributes import given as attributes
from .search_attributes import space, value


def own(s: Driver, more: str = "") -> str:
    """A query that finds this scenario's schedules only."""
    return f"ScheduleId STARTS_WITH '{id_of(s)}'" + (f" AND {more}" if more else "")


async def counted(s: Driver, count: int, query: str) -> None:
    """Waits until a count finds so many: the lists are behind."""
    asked = request("CountSchedules", namespace=s.namespace, query=query)

    async def right():
        return (await s.peek.api.call("CountSchedules", asked)).count == count

    await s.until(right, f"{count} schedules", 40)


async def listed(s: Driver, query: str, ready) -> None:
    """Waits until a list is `ready`, then records it."""
    asked = request("ListSchedules", namespace=s.namespace, query=query, maximum_page_size=10)

    async def so():
        return ready((await s.peek.api.call("ListSchedules", asked)).schedules)

    await s.until(so, "the list", 40)
    await s.call("ListSchedules", query=query, maximum_page_size=10)


@scenario
async def entry(s: Driver):
    await create(s, {"state": {"notes": "why it is"}}, memo={"fields": {"m": one()}})
    await listed(s, own(s), lambda found: len(found) == 1)


@scenario
async def entry_of_a_paused_one(s: Driver):
    await create(s)
    await patch(s, pause="stop")
    await listed(s, own(s), lambda found: len(found) == 1 and found[0].info.paused)


@scenario
async def entry_of_one_that_has_acted(s: Driver):
    """The last five actions, the next five times."""
    await create(s)
    await backfill(s, noons(1, 7, ALLOW_ALL))
    await did(s, 7)
    await listed(s, own(s), lambda found: len(found) == 1 and found[0].info.recent_actions[-1:] and
                 found[0].info.recent_actions[-1].schedule_time == noons(7, 7)["start_time"])


@scenario
async def entry_of_one_with_much_to_tell(s: Driver):
    """Not all of a spec is listed."""
    await create(s, {"spec": {
        "calendar": [{"year": "2099", "month": str(month)} for month in range(1, 13)],
        "exclude_calendar": [{"year": "2099", "day_of_month": str(day), "hour": "*"} for day in range(1, 13)],
        "timezone_name": "Europe/Berlin"}})
    await listed(s, own(s), lambda found: len(found) == 1)


@scenario
async def entry_goes_with_the_schedule(s: Driver):
    await create(s)
    await counted(s, 1, own(s))
    await delete(s)
    await listed(s, own(s), lambda found: not found)


@scenario
async def entry_shows_its_attributes(s: Driver):
    hand = await space(s)
    await create(hand, memo={"fields": {"m": one()}}, **attributes(MyKeyword=value("red"), MyInt=value(1)))
    await describe(hand)
    await listed(hand, "", lambda found: len(found) == 1)


# --- queries ---

FOUND = {
    "nothing": "",
    "id": "ScheduleId = '<id>-a'",
    "id-not": "ScheduleId != '<id>-a'",
    "id-in": "ScheduleId IN ('<id>-a', '<id>-c', 'none')",
    "id-prefix": "ScheduleId STARTS_WITH '<id>'",
    "id-other-case": "scheduleid = '<id>-a'",
    "paused": "TemporalSchedulePaused = true",
    "not-paused": "TemporalSchedulePaused = false",
    "keyword": "MyKeyword = 'red'",
    "keyword-null": "MyKeyword IS NULL",
    "int": "MyInt > 1",
    "and": "MyKeyword = 'red' AND TemporalSchedulePaused = true",
    "or": "MyKeyword = 'blue' OR TemporalSchedulePaused = true",
    "order-by": "ScheduleId STARTS_WITH '<id>' ORDER BY MyInt",
    "start-time": "StartTime > '2020-01-01T00:00:00Z'",
    "status": "ExecutionStatus = 'Running'",
    "workflow-id": "WorkflowId = 'x'",
    "workflow-type": "WorkflowType = 'T'",
    "division": "TemporalNamespaceDivision = 'TemporalScheduler'",
    "scheduled-by": "TemporalScheduledById = '<id>-a'",
    "unknown-attribute": "NoSuch = 1",
    "nonsense": "what is it",
    "group-by": "GROUP BY TemporalSchedulePaused",
    "group-by-status": "GROUP BY ExecutionStatus",
}


@scenario
async def queries(s: Driver):
    """What each finds among four, counts of it, and what is refused."""
    hand = await space(s)
    rows = {"a": ("red", 1, False), "b": ("red", 2, True), "c": ("blue", 3, False), "d": (None, None, True)}
    for name, (keyword, number, paused) in rows.items():
        await create(hand, {"state": {"paused": paused}}, schedule_id=f"{id_of(s)}-{name}", request_id=name,
                     **attributes(MyKeyword=value(keyword), MyInt=value(number)))
    await counted(hand, 2, "TemporalSchedulePaused = true")
    await counted(hand, 2, "TemporalSchedulePaused = false")
    await counted(hand, 4, "")
    await counted(hand, 1, "MyInt = 3")
    for name, query in FOUND.items():
        query = query.replace("<id>", id_of(s))
        s.note("query", name)
        await ids_found(hand, query)
        await refused(hand.call("CountSchedules", query=query))


async def ids_found(hand: Driver, query: str) -> None:
    """Notes the ids of what is found; an error is recorded."""
    asked = request("ListSchedules", namespace=hand.namespace, query=query, maximum_page_size=10)
    try:
        reply = await hand.peek.api.call("ListSchedules", asked)
    except grpc.aio.AioRpcError:
        await refused(hand.api.call("ListSchedules", asked))
    else:
        hand.note("found", " ".join(sorted(each.schedule_id[-1] for each in reply.schedules)))


@scenario
async def pages(s: Driver):
    for name in "abc":
        await create(s, schedule_id=f"{id_of(s)}-{name}", request_id=name)
    await counted(s, 3, own(s))
    found, token, sizes = [], b"", []
    while len(sizes) < 5:
        reply = await s.peek.api.call("ListSchedules", request(
            "ListSchedules", namespace=s.namespace, query=own(s), maximum_page_size=2, next_page_token=token))
        sizes.append(len(reply.schedules))
        found += [each.schedule_id[-1] for each in reply.schedules]
        token = reply.next_page_token
        if not token:
            break
    s.note("sizes", sizes)
    s.note("found", sorted(found))


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-size": {"maximum_page_size": 0},
    "negative-size": {"maximum_page_size": -1},
    "large-size": {"maximum_page_size": 1_000_000},
})
async def odd_list(s: Driver, changed: dict):
    await refused(s.call("ListSchedules", **({"query": "ScheduleId = 'there-is-none'"} | changed)))


@cases({"no-namespace": {"namespace": ""}, "unknown-namespace": {"namespace": "there-is-none"}, "bad-query": {"query": "?"}})
async def odd_count(s: Driver, changed: dict):
    await refused(s.call("CountSchedules", **changed))


@scenario
async def schedules_are_no_runs(s: Driver):
    """Of their namespace; the runs that they start are."""
    hand = await space(s)
    await create(hand, initial_patch={"trigger_immediately": {"scheduled_time": noons(1, 1)["start_time"]}})
    await did(hand, 1)
    counting = request("CountWorkflowExecutions", namespace=hand.namespace)

    async def one_found():
        return (await hand.peek.api.call("CountWorkflowExecutions", counting)).count >= 2

    await s.until(one_found, "the runs")
    for query in ("", f"TemporalScheduledById = '{id_of(s)}'", "TemporalScheduledStartTime < '2020-01-02T00:00:00Z'",
                  "TemporalScheduledStartTime > '2020-01-02T00:00:00Z'"):
        await hand.call("CountWorkflowExecutions", query=query)


# --- times ---


def times(first: str, last: str) -> dict:
    return {"start_time": moment(first), "end_time": moment(last)}


@cases({
    "some": ({}, times("2020-01-30T00:00:00Z", "2099-01-03T00:00:00Z")),
    "ends": ({}, times("2020-01-01T12:00:00Z", "2020-01-03T12:00:00Z")),
    "none": ({}, times("2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z")),
    "backwards": ({}, times("2020-01-03T00:00:00Z", "2020-01-01T00:00:00Z")),
    "paused": ({"state": {"paused": True}}, times("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")),
    "no-actions-left": ({"state": {"limited_actions": True}}, times("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z")),
    "exclusions": ({"spec": NOONS | {"exclude_calendar": [{"day_of_month": "2", "hour": "*"}]}},
                   times("2020-01-01T00:00:00Z", "2020-01-04T00:00:00Z")),
    "before-it-starts": ({"spec": NOONS | {"start_time": moment("2020-01-03T00:00:00Z")}},
                         times("2020-01-01T00:00:00Z", "2020-01-04T00:00:00Z")),
    "no-spec": ({"spec": None}, times("2020-01-01T00:00:00Z", "2020-01-04T00:00:00Z")),
    "no-start": ({}, {"end_time": moment("2020-01-03T00:00:00Z")}),
    "no-end": ({}, {"start_time": moment("2020-01-01T00:00:00Z")}),
    "neither": ({}, {}),
})
async def matching(s: Driver, parts: dict, window: dict):
    await create(s, parts)
    await refused(s.call("ListScheduleMatchingTimes", 30, schedule_id=id_of(s), **window))


@scenario
async def at_most_a_thousand(s: Driver):
    await create(s, {"spec": {"calendar": [{"year": "2020", "month": "1", "hour": "*", "minute": "*"}]}})
    asked = request("ListScheduleMatchingTimes", namespace=s.namespace, schedule_id=id_of(s),
                    **times("2020-01-01T00:00:00Z", "2020-01-31T00:00:00Z"))
    found = (await s.peek.api.call("ListScheduleMatchingTimes", asked, 30)).start_time
    s.note("count", len(found))
    s.note("last", found[-1].ToJsonString())
