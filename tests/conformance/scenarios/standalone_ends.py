"""Activities without a workflow that are cancelled, terminated, deleted."""

import grpc

from harness.commands import request
from harness.rpc import payloads

from ..driver import Driver, refused
from ..registry import cases, scenario
from .standalone_answers import cancel
from .standalone_starts import ENDS, HOUR, NEVER, NONE, SOON, asked, describe, start, started


async def terminate(s: Driver, **fields):
    plain = {"identity": "operator", "reason": "enough", "request_id": s.unique("terminate")}
    return await asked(s, "Terminate", **plain | fields)


# --- cancel ---


@scenario
async def canceled_before_its_start(s: Driver):
    await start(s)
    await cancel(s)
    await describe(s)
    await asked(s, "Poll")
    await s.no_task("Activity")


@scenario
async def canceled_while_delayed(s: Driver):
    await start(s, start_delay=HOUR)
    await cancel(s)
    await describe(s)


@scenario
async def canceled_while_backing_off(s: Driver):
    await s.fail_activity(await started(s, retry_policy=NEVER), "first")
    await cancel(s)
    await describe(s)


@scenario
async def canceled_while_started(s: Driver):
    task = await started(s)
    await cancel(s)
    await describe(s)
    await s.heartbeat(task, "half")
    await s.call("RespondActivityTaskCanceled", task_token=task.task_token, identity="hand", details=payloads("why"))
    await describe(s)
    await asked(s, "Poll")


@scenario
async def canceled_without_a_word(s: Driver):
    await started(s)
    await cancel(s, identity="", reason="", request_id="")
    await describe(s)
    await refused(cancel(s, identity="", reason="", request_id=""))


@cases({"same-request": "cancel", "another-request": "again"})
async def canceled_twice(s: Driver, request_id: str):
    await started(s)
    await cancel(s)
    await refused(cancel(s, request_id=s.unique(request_id), reason="another"))
    await describe(s)


@scenario
async def canceled_and_fails(s: Driver):
    task = await started(s, retry_policy=SOON)
    await cancel(s)
    await s.fail_activity(task, "no")
    await describe(s)


@cases(ENDS)
async def canceled_after_its_end(s: Driver, ends):
    await ends(s)
    await refused(cancel(s, request_id=s.unique("late")))
    await describe(s)


# --- terminate ---


@scenario
async def terminated_before_its_start(s: Driver):
    await start(s)
    await terminate(s)
    await describe(s)
    await asked(s, "Poll")
    await s.no_task("Activity")


@scenario
async def terminated_while_started(s: Driver):
    task = await started(s)
    await terminate(s)
    await describe(s)
    await refused(s.heartbeat(task, "half"))


@scenario
async def terminated_without_a_word(s: Driver):
    await start(s)
    await terminate(s, identity="", reason="", request_id="")
    await describe(s)


@cases({"same-request": "terminate", "another-request": "again"})
async def terminated_twice(s: Driver, request_id: str):
    await start(s)
    await terminate(s)
    await refused(terminate(s, request_id=s.unique(request_id), reason="another"))
    await describe(s)


@cases(ENDS)
async def terminated_after_its_end(s: Driver, ends):
    await ends(s)
    await refused(terminate(s, request_id=s.unique("late")))


@scenario
async def terminated_by_run(s: Driver):
    run = (await start(s)).run_id
    await refused(terminate(s, run_id=NONE))
    await terminate(s, run_id=run)
    await describe(s)


@scenario
async def terminated_after_a_cancellation(s: Driver):
    await started(s)
    await cancel(s)
    await terminate(s)
    await describe(s)


# --- delete ---


async def gone(s: Driver, run: str = "") -> None:
    wanted = request("DescribeActivityExecution", namespace=s.namespace, activity_id=s.unique("a"), run_id=run)

    async def unknown():
        try:
            await s.peek.api.call("DescribeActivityExecution", wanted)
        except grpc.aio.AioRpcError as error:
            return error.code() == grpc.StatusCode.NOT_FOUND

    await s.until(unknown, "the end of the activity")


@scenario
async def deleted_while_it_runs(s: Driver):
    task = await started(s)
    await asked(s, "Delete")
    await gone(s)
    await refused(describe(s))
    await refused(s.complete_activity(task))
    await refused(asked(s, "Poll", timeout=3))
    await refused(asked(s, "Delete"))


@cases(ENDS)
async def deleted_after_its_end(s: Driver, ends):
    await ends(s)
    await asked(s, "Delete")
    await gone(s)
    await refused(describe(s))


@scenario
async def deleted_and_started_again(s: Driver):
    await start(s)
    await asked(s, "Delete")
    await gone(s)
    await start(s, request_id=s.unique("other"), id_reuse_policy="ACTIVITY_ID_REUSE_POLICY_REJECT_DUPLICATE")
    await describe(s)


@scenario
async def deleted_and_started_by_the_same_request(s: Driver):
    await start(s)
    await asked(s, "Delete")
    await gone(s)
    await start(s)


@scenario
async def earlier_run_is_deleted(s: Driver):
    first = (await start(s)).run_id
    await terminate(s)
    await start(s, request_id=s.unique("other"))
    await asked(s, "Delete", run_id=first)
    await gone(s, first)
    await describe(s)
    await refused(describe(s, run_id=first))
