"""Activities without a workflow in lists and counts, and the search attributes they are given."""

import grpc

from harness.commands import request
from harness.hand import complete_workflow
from harness.rpc import seconds

from ..driver import Driver, refused
from ..normal import PLACE
from ..registry import cases, scenario
from .batches import apart
from .search_attributes import given, raw, space, value
from .standalone_starts import NEVER, asked, closed, describe, start

STATES = {"a": "Running", "b": "Completed", "c": "Failed", "d": "Canceled", "e": "Terminated", "f": "Paused",
          "g": "TimedOut"}


def type_of(s: Driver) -> str:
    return s.unique("A")


def among(s: Driver, text: str) -> str:
    """A query for those of this scenario."""
    words = text
    for name in STATES:
        words = words.replace(f"<{name}>", s.unique(name)).replace(f"<q-{name}>", s.unique(f"q-{name}"))
    condition, group, by = words.partition("GROUP BY")
    return f"ActivityType = '{type_of(s)}'" + (f" AND ({condition.strip()})" if condition.strip() else "") + (
        f" {group}{by}" if group else "")


async def population(s: Driver) -> None:
    """An activity in each state, unrecorded, until lists show all of them so."""
    calls = len(s.calls)
    for name, state in STATES.items():
        hand = s.other("wf", queue=f"q-{name}")
        timeout = {"schedule_to_close_timeout": seconds(1)} if state == "TimedOut" else {}
        await start(hand, name, activity_type={"name": type_of(s)}, retry_policy=NEVER, **timeout)
        await END[state](hand, name)
    for name, state in STATES.items():
        await counted(s, 1, f"ActivityId = '{s.unique(name)}' AND ExecutionStatus = '{state}'")
    del s.calls[calls:]


async def _nothing(hand: Driver, name: str) -> None:
    pass


async def _complete(hand: Driver, name: str) -> None:
    await hand.complete_activity(await hand.poll_activity(), "out")


async def _fail(hand: Driver, name: str) -> None:
    await hand.fail_activity(await hand.poll_activity(), non_retryable=True)


END = {
    "Running": _nothing, "Completed": _complete, "Failed": _fail, "TimedOut": closed,
    "Canceled": lambda hand, name: asked(hand, "RequestCancel", name),
    "Terminated": lambda hand, name: asked(hand, "Terminate", name),
    "Paused": lambda hand, name: asked(hand, "Pause", name, reason="why"),
}


async def counted(s: Driver, count: int, text: str) -> None:
    wanted = request("CountActivityExecutions", namespace=s.namespace, query=text)

    async def right():
        return (await s.peek.api.call("CountActivityExecutions", wanted)).count == count

    await s.until(right, f"{count} activities: {text}")


async def found(s: Driver, text: str, **fields) -> None:
    """Notes whom a query finds, in order."""
    wanted = request("ListActivityExecutions", namespace=s.namespace, query=among(s, text), **fields)
    try:
        reply = await s.peek.api.call("ListActivityExecutions", wanted)
    except grpc.aio.AioRpcError as error:
        s.note(text, f"{error.code().name}: {PLACE.sub('', error.details().replace(s.token, ''))}")
    else:
        s.note(text, " ".join(each.activity_id.partition("-")[0] for each in reply.executions))


QUERIES = {
    "all": ["", "   "],
    "id": ["ActivityId = '<a>'", "ActivityId != '<a>'", "ActivityId IN ('<a>', '<b>')", "ActivityId STARTS_WITH 'a'",
           "WorkflowId = '<a>'", "RunId IS NOT NULL"],
    "type": ["ActivityType IS NOT NULL", "ActivityType != 'none'", "WorkflowType = 'none'", "WorkflowType IS NULL"],
    "queue": ["TaskQueue = '<q-b>'", "TaskQueue != '<q-b>'", "TaskQueue STARTS_WITH 'q-'"],
    "status": [f"ExecutionStatus = '{state}'" for state in STATES.values()] + [
        "ExecutionStatus != 'Running'", "ExecutionStatus IN ('Failed', 'Paused')", "ExecutionStatus = 'ContinuedAsNew'",
        "ExecutionStatus = 'running'", "ExecutionStatus = 'ACTIVITY_EXECUTION_STATUS_RUNNING'", "ExecutionStatus = 1",
        "ExecutionStatus = 'Nonsense'", "ExecutionStatus IS NULL", "ExecutionStatus STARTS_WITH 'Ca'"],
    "times": ["CloseTime IS NULL", "CloseTime IS NOT NULL", "StartTime IS NOT NULL", "ExecutionTime IS NOT NULL",
              "StartTime > '2001-01-01T00:00:00Z'", "StartTime < '2001-01-01T00:00:00Z'", "ScheduleTime IS NOT NULL",
              "ExecutionDuration IS NOT NULL", "ExecutionDuration < '1h'", "HistoryLength IS NOT NULL",
              "StateTransitionCount > 0"],
    "system": ["TemporalNamespaceDivision IS NULL", "TemporalNamespaceDivision IS NOT NULL",
               "TemporalPauseInfo IS NOT NULL", "BuildIds IS NULL", "ParentWorkflowId IS NULL"],
    "together": ["ActivityId = '<a>' OR ExecutionStatus = 'Failed'", "NOT ActivityId = '<a>'",
                 "ActivityId = '<a>' AND ExecutionStatus = 'Failed'"],
    "bad": ["NoSuch = 'x'", "activityid = 'x'", "ActivityId", "ActivityId = ", "Status = 'Running'", "ActivityId = 7",
            "ORDER BY StartTime", "ActivityId = '<a>' ORDER BY CloseTime", "GROUP BY ExecutionStatus"],
}


@cases(QUERIES)
async def query(s: Driver, texts: list[str]):
    await population(s)
    for text in texts:
        await found(s, text)


@scenario
async def what_is_listed(s: Driver):
    await population(s)
    for name in STATES:
        await s.call("ListActivityExecutions", query=f"ActivityId = '{s.unique(name)}'")


@cases({
    "all": "", "status": "GROUP BY ExecutionStatus", "status-of-some": "CloseTime IS NOT NULL GROUP BY ExecutionStatus",
    "status-of-none": "ActivityId = 'none' GROUP BY ExecutionStatus", "type": "GROUP BY ActivityType",
    "queue": "GROUP BY TaskQueue", "two": "GROUP BY ExecutionStatus, ActivityType", "unknown": "GROUP BY NoSuch",
})
async def count(s: Driver, text: str):
    await population(s)
    wanted = request("CountActivityExecutions", namespace=s.namespace, query=among(s, text))
    try:
        reply = await s.peek.api.call("CountActivityExecutions", wanted)
    except grpc.aio.AioRpcError as error:
        s.note("error", f"{error.code().name}: {PLACE.sub('', error.details())}")
    else:
        groups = sorted((group.group_values[0].data.decode(), group.count) for group in reply.groups)
        s.note("count", reply.count)
        s.note("groups", [f"{name.replace(f'-{s.token}', '')}: {count}" for name, count in groups])


@scenario
async def pages(s: Driver):
    await population(s)
    found, token = [], b""
    while len(found) < 9:
        reply = await s.peek.api.call("ListActivityExecutions", request(
            "ListActivityExecutions", namespace=s.namespace, query=among(s, ""), page_size=3, next_page_token=token))
        found.append(" ".join(each.activity_id.partition("-")[0] for each in reply.executions))
        token = reply.next_page_token
        if not token:
            break
    s.note("pages", found)
    for size in 0, -1, 1, 100_000:
        await refused(s.call("ListActivityExecutions", query=f"ActivityId = '{s.unique('a')}'", page_size=size))
    await refused(s.call("ListActivityExecutions", query=among(s, ""), next_page_token=b"garbage"))


@cases({"no-namespace": "", "unknown-namespace": "there-is-none"})
async def bad_namespace(s: Driver, namespace: str):
    await refused(s.call("ListActivityExecutions", namespace=namespace))
    await refused(s.call("CountActivityExecutions", namespace=namespace))


@scenario
async def lists_of_workflows_leave_them_out(s: Driver):
    s = await apart(s)
    await s.start()
    await s.complete(await s.poll(), complete_workflow())
    await start(s)
    await counted(s, 1, "")
    for text in "", "TemporalNamespaceDivision IS NOT NULL":
        await refused(s.call("CountWorkflowExecutions", query=text))
    await refused(s.call("ListWorkflowExecutions", query="TemporalNamespaceDivision IS NOT NULL"))
    await s.call("ListActivityExecutions")
    await s.call("CountActivityExecutions")


@scenario
async def search_attributes(s: Driver):
    s = await space(s)
    await start(s, "a", **given(MyKeyword=value("red"), MyInt=value(7), MyKeywordList=value(["x", "y"])))
    await start(s, "b", request_id=s.unique("b"), **given(MyKeyword=value("blue"), MyText=value("a quick fox")))
    await counted(s, 2, "")
    await describe(s, "a")
    await describe(s, "b")
    for text in ("MyKeyword = 'red'", "MyInt > 3", "MyKeywordList = 'y'", "MyText = 'fox'", "MyKeyword IS NULL"):
        await refused(s.call("ListActivityExecutions", query=text))
        await refused(s.call("CountActivityExecutions", query=text))
    await refused(s.call("CountActivityExecutions", query="GROUP BY MyKeyword"))


@cases({
    "unknown": {"NoSuch": value("x")},
    "wrong-type": {"MyInt": value("seven")},
    "no-encoding": {"MyKeyword": raw(b"x")},
    "of-the-system": {"ExecutionStatus": value("Running")},
    "of-a-workflow": {"BuildIds": value(["b"])},
    "of-an-activity": {"ActivityType": value("A")},
    "division": {"TemporalNamespaceDivision": value("secret")},
    "too-big": {"MyKeyword": value("x" * 3000)},
    "null": {"MyKeyword": value(None)},
})
async def bad_search_attributes(s: Driver, attributes: dict):
    s = await space(s)
    await refused(start(s, **given(**attributes)))
    await refused(describe(s))
