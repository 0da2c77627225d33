"""Activities without a workflow: described, awaited, polled for their outcome."""

from ..driver import Driver, refused
from ..registry import cases, scenario
from .standalone_starts import ENDS, NEVER, NONE, asked, describe, start, started

METHODS = ("Describe", "Poll", "RequestCancel", "Terminate", "Delete", "Pause", "Unpause", "Reset")
BAD = {
    "no-id": {"activity_id": ""},
    "long-id": {"activity_id": "x" * 1001},
    "unknown-id": {"activity_id": "there-is-none"},
    "bad-run": {"run_id": "not-a-uuid"},
    "unknown-run": {"run_id": NONE},
    "unknown-id-and-run": {"activity_id": "there-is-none", "run_id": NONE},
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
}


@cases({f"{method.lower()}-{why}": (method, changed) for method in METHODS for why, changed in BAD.items()})
async def bad(s: Driver, method: str, changed: dict):
    await start(s)
    await refused(asked(s, method, timeout=5, **changed))


LONG = {"long-request-id": {"request_id": "x" * 1001}, "long-identity": {"identity": "x" * 1001},
        "long-reason": {"reason": "x" * 1001}, "big-reason": {"reason": "x" * ((2 << 20) + 1)}}


@cases({f"{method.lower()}-{why}": (method, changed)
        for method in ("RequestCancel", "Terminate", "Pause", "Unpause", "Reset") for why, changed in LONG.items()
        if not (method == "Reset" and "reason" in changed)})
async def too_long(s: Driver, method: str, changed: dict):
    await start(s)
    await refused(asked(s, method, **changed))
    await describe(s)


# --- what a description shows ---


@scenario
async def nothing_more_than_asked_for(s: Driver):
    task = await started(s, retry_policy=NEVER)
    await s.heartbeat(task, "half")
    await s.fail_activity(task)
    await asked(s, "Describe")
    for part in "input", "outcome", "heartbeat_details", "last_failure":
        await asked(s, "Describe", **{f"include_{part}": True})


@cases(ENDS)
async def ended(s: Driver, ends):
    await ends(s)
    await describe(s)
    await asked(s, "Describe")
    await asked(s, "Poll")


@scenario
async def latest_run_and_an_earlier_one(s: Driver):
    first = (await start(s)).run_id
    await asked(s, "Terminate", request_id=s.unique("terminate"))
    second = (await start(s, request_id=s.unique("other"))).run_id
    await describe(s)
    await describe(s, run_id=first)
    await describe(s, run_id=second)
    await asked(s, "Poll", run_id=first)


# --- long polls ---


async def changes(s: Driver, what, **fields) -> None:
    """A description that is awaited sees what happens meanwhile."""
    reply = await describe(s)
    call = s.soon(describe(s, run_id=reply.run_id, long_poll_token=reply.long_poll_token, timeout=20, **fields))
    await s.no_sooner(0.5)
    await what
    await call


@scenario
async def awaited_until_its_start(s: Driver):
    await start(s)
    await changes(s, s.poll_activity())


@scenario
async def awaited_until_its_end(s: Driver):
    task = await started(s)
    await changes(s, s.complete_activity(task, "out"))


@scenario
async def awaited_until_a_heartbeat(s: Driver):
    task = await started(s)
    await changes(s, s.heartbeat(task, "half"))


@scenario
async def awaited_until_a_retry(s: Driver):
    task = await started(s, retry_policy=NEVER)
    await changes(s, s.fail_activity(task))


@scenario
async def awaited_until_a_pause(s: Driver):
    await start(s)
    await changes(s, asked(s, "Pause", request_id=s.unique("pause")))


@scenario
async def awaited_until_its_cancellation(s: Driver):
    await started(s)
    await changes(s, asked(s, "RequestCancel", request_id=s.unique("cancel")))


@scenario
async def awaited_with_a_token_that_is_behind(s: Driver):
    await start(s)
    reply = await describe(s)
    await s.poll_activity()
    await describe(s, run_id=reply.run_id, long_poll_token=reply.long_poll_token)


@scenario
async def awaited_although_it_has_ended(s: Driver):
    await s.complete_activity(await started(s))
    reply = await describe(s)
    await refused(describe(s, run_id=reply.run_id, long_poll_token=reply.long_poll_token, timeout=6))


@scenario
async def awaited_until_time_is_up(s: Driver):
    await start(s)
    reply = await describe(s)
    await refused(describe(s, run_id=reply.run_id, long_poll_token=reply.long_poll_token, timeout=6))


@scenario
async def awaited_badly(s: Driver):
    await start(s)
    await start(s, "b")
    reply, other = await describe(s), await describe(s, "b")
    await refused(describe(s, long_poll_token=reply.long_poll_token))
    await refused(describe(s, run_id=reply.run_id, long_poll_token=b"garbage", timeout=5))
    await refused(describe(s, run_id=reply.run_id, long_poll_token=other.long_poll_token, timeout=5))
    await refused(describe(s, run_id="not-a-uuid", long_poll_token=reply.long_poll_token))
    await refused(describe(s, run_id=NONE, long_poll_token=reply.long_poll_token, timeout=6))


# --- polls for the outcome ---


@scenario
async def polled_before_its_end(s: Driver):
    task = await started(s)
    call = s.soon(asked(s, "Poll", timeout=20))
    await s.no_sooner(0.5)
    await s.complete_activity(task, "out")
    await call


@cases({
    "fails": lambda s, task: s.fail_activity(task, non_retryable=True),
    "is-terminated": lambda s, task: asked(s, "Terminate", request_id=s.unique("terminate"), reason="enough"),
    "fails-with-details": lambda s, task: s.call(
        "RespondActivityTaskFailed", task_token=task.task_token, identity="hand", failure={
            "message": "outer", "cause": {"message": "inner"}, "stack_trace": "a\nb",
            "application_failure_info": {"type": "E", "non_retryable": True}}),
})
async def polled_before_it(s: Driver, ends):
    task = await started(s)
    call = s.soon(asked(s, "Poll", timeout=20))
    await s.no_sooner(0.5)
    await ends(s, task)
    await call


@scenario
async def polled_until_time_is_up(s: Driver):
    await start(s)
    await refused(asked(s, "Poll", timeout=6))
