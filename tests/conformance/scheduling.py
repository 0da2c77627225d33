"""Schedules as scenarios use them: specs whose times do not depend on the clock, and waiting for what a schedule did."""

from google.protobuf.timestamp_pb2 import Timestamp

from harness.commands import request
from harness.rpc import payloads, seconds

from .driver import Driver

# The noons of two Januaries: one to backfill, and one that no test lives to see.
NOONS = {"calendar": [{"year": "2020,2099", "month": "1", "hour": "12"}]}
EACH_SECOND = {"interval": [{"interval": seconds(1)}]}

# The reference server's schedules are workflows, whose description waits for their worker.
PATIENCE_S = 30

SKIP, BUFFER_ONE, BUFFER_ALL, CANCEL_OTHER, TERMINATE_OTHER, ALLOW_ALL = range(1, 7)

POLICIES = {"skip": SKIP, "buffer-one": BUFFER_ONE, "buffer-all": BUFFER_ALL, "cancel-other": CANCEL_OTHER,
            "terminate-other": TERMINATE_OTHER, "allow-all": ALLOW_ALL}


def moment(text: str) -> Timestamp:
    found = Timestamp()
    found.FromJsonString(text)
    return found


def noon(day: int) -> str:
    return f"2020-01-{day:02}T12:00:00Z"


def noons(first: int, last: int, policy: int = 0) -> dict:
    """A backfill of some days of the January that is past."""
    return {"start_time": moment(noon(first)), "end_time": moment(noon(last)), "overlap_policy": policy}


def id_of(s: Driver) -> str:
    return s.unique("schedule")


def given(plain: dict, changed: dict) -> dict:
    """Fields of a request; None leaves one out."""
    return {name: value for name, value in (plain | changed).items() if value is not None}


def action(s: Driver, **changed) -> dict:
    plain = {"workflow_id": s.id, "workflow_type": {"name": "T"}, "task_queue": {"name": s.queue}}
    return {"start_workflow": given(plain, changed)}


def schedule(s: Driver, **parts) -> dict:
    return given({"spec": NOONS, "action": action(s)}, parts)


async def create(s: Driver, parts: dict | None = None, **fields):
    """`parts` are those of the schedule that differ, `fields` those of the request."""
    plain = {"schedule_id": id_of(s), "request_id": s.unique("create"), "identity": "test",
             "schedule": schedule(s, **(parts or {}))}
    return await s.call("CreateSchedule", **given(plain, fields))


async def update(s: Driver, parts: dict | None = None, **fields):
    plain = {"schedule_id": id_of(s), "request_id": s.unique(f"update{next(s.numbers)}"), "identity": "test",
             "schedule": schedule(s, **(parts or {}))}
    return await s.call("UpdateSchedule", **given(plain, fields))


async def patch(s: Driver, **what):
    return await s.call("PatchSchedule", schedule_id=id_of(s), request_id=s.unique(f"patch{next(s.numbers)}"),
                        identity="test", patch=what)


async def backfill(s: Driver, *ranges: dict):
    return await patch(s, backfill_request=ranges)


async def trigger(s: Driver, time: str, policy: int = 0):
    """At a time that is given, so that ids of two runs do not depend on whether they begin in the same second."""
    return await patch(s, trigger_immediately={"overlap_policy": policy, "scheduled_time": moment(time)})


async def delete(s: Driver, **fields):
    return await s.call("DeleteSchedule", **({"schedule_id": id_of(s), "identity": "test"} | fields))


async def describe(s: Driver, **fields):
    return await s.call("DescribeSchedule", PATIENCE_S, **({"schedule_id": id_of(s)} | fields))


def done(actions: int, running: int | None = None, buffered: int = 0, skipped: int | None = None, closed: int | None = None):
    """Whether a schedule has done so much."""
    def so(found) -> bool:
        info = found.info
        return (
            info.action_count == actions and info.buffer_size == buffered
            and running in (None, len(info.running_workflows)) and skipped in (None, info.overlap_skipped)
            and closed in (None, sum(each.start_workflow_status > 1 for each in info.recent_actions))
        )

    return so


async def shown(s: Driver, condition) -> None:
    """Waits until the description satisfies `condition`, then records it."""
    asked = request("DescribeSchedule", namespace=s.namespace, schedule_id=id_of(s))
    seen = None

    async def found():
        nonlocal seen
        seen = await s.peek.api.call("DescribeSchedule", asked, PATIENCE_S)
        return condition(seen)

    try:
        await s.until(found, "the schedule")
    except TimeoutError as error:
        raise TimeoutError(f"{error}: {str(seen.info)[:600]}") from None
    await describe(s)


async def did(s: Driver, actions: int, **more) -> None:
    await shown(s, done(actions, **more))


def run_at(s: Driver, time: str) -> Driver:
    """The run that the schedule starts for a time."""
    hand = s.other("run")
    hand.id = f"{s.id}-{time}"
    return hand


def one(value: str = "v"):
    return payloads(value).payloads[0]
