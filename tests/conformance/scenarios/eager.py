"""Tasks that come with a reply instead of a poll."""

from harness.commands import command
from harness.hand import activity, complete_workflow
from harness.rpc import seconds

from ..driver import Driver
from ..registry import cases, scenario


@scenario
async def first_task_comes_with_the_start(s: Driver):
    reply = await s.start(request_eager_execution=True)
    await s.describe()
    await s.complete(reply.eager_workflow_task, complete_workflow("out"))


@scenario
async def lost_eager_task_times_out(s: Driver):
    await s.start(request_eager_execution=True, workflow_task_timeout=seconds(1))
    await s.finish()


@cases({
    "delay": {"workflow_start_delay": seconds(1)},
    "retry": {"retry_policy": {}},
    "existing": {"workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"},
})
async def start_that_cannot_be_eager(s: Driver, fields: dict):
    if "workflow_id_conflict_policy" in fields:
        await s.start()
    reply = await s.start(request_eager_execution=True, **fields)
    if not reply.HasField("eager_workflow_task"):
        await s.finish()


@scenario
async def eager_start_that_is_repeated(s: Driver):
    first = await s.start(request_eager_execution=True, request_id="r")
    await s.start(request_eager_execution=True, request_id="r")
    await s.complete(first.eager_workflow_task, complete_workflow())


def eager_activity(s: Driver, id: str, queue: str = ""):
    found = activity(id, queue or s.queue)
    found.schedule_activity_task_command_attributes.request_eager_execution = True
    return found


@scenario
async def activity_comes_with_the_answer(s: Driver):
    task = await s.begin()
    reply = await s.complete(task, eager_activity(s, "a"))
    await s.describe()
    await s.complete_activity(reply.activity_tasks[0], "out")
    await s.finish()


@scenario
async def some_activities_come_with_the_answer(s: Driver):
    task = await s.begin()
    await s.complete(task, eager_activity(s, "a"), activity("b", s.queue), eager_activity(s, "c"))
    await s.complete_activity(await s.poll_activity())


@scenario
async def eager_activity_and_a_new_task(s: Driver):
    task = await s.begin()
    await s.signal("s")
    await s.complete(task, eager_activity(s, "a"), return_new_workflow_task=True)


@scenario
async def eager_activity_of_a_run_that_ends(s: Driver):
    task = await s.begin()
    await s.complete(task, eager_activity(s, "a"), command("COMPLETE_WORKFLOW_EXECUTION"))
