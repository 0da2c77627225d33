"""Runs that are paused: what stops, what goes on, and how they are told of."""

from harness.hand import activity, complete_workflow, marker, query_result, start_timer
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .chains import again
from .updates import ACCEPTED, accept, answer, asked, respond, update

NONE = "00000000-0000-0000-0000-000000000001"
HOUR = seconds(3600)


async def pause(s: Driver, **changed):
    return await told(s, "PauseWorkflowExecution", **{"reason": "why", "request_id": s.unique("pause")} | changed)


async def unpause(s: Driver, **changed):
    return await told(s, "UnpauseWorkflowExecution", **{"reason": "on", "request_id": s.unique("unpause")} | changed)


async def told(s: Driver, method: str, **changed):
    plain = {"workflow_id": s.id, "identity": "operator"}
    return await s.call(method, **{name: value for name, value in (plain | changed).items() if value is not None})


async def paused(s: Driver, *commands, **fields) -> None:
    """A run that is paused after its first task."""
    await s.start(**fields)
    await s.step(*commands)
    await pause(s)


# --- tasks of the workflow ---


@scenario
async def and_unpaused(s: Driver):
    await paused(s)
    await s.describe()
    await unpause(s)
    await s.describe()
    await s.finish()
    await s.describe()


@scenario
async def before_the_first_task(s: Driver):
    await s.start()
    await pause(s)
    await s.describe()
    await s.no_task()
    await unpause(s)
    await s.describe()
    await s.finish()


@scenario
async def unpaused_with_nothing_to_do(s: Driver):
    await paused(s)
    await unpause(s)
    await s.describe()
    await s.signal("s")
    await s.finish()


@scenario
async def twice_over(s: Driver):
    await paused(s)
    await unpause(s)
    await s.step()
    await pause(s, request_id=s.unique("pause-again"), identity="another", reason="")
    await s.describe()
    await s.signal("s")
    await unpause(s, request_id=s.unique("unpause-again"), identity="another", reason="")
    await s.finish()


ANSWERS = {
    "nothing": lambda s, task: s.complete(task),
    "commands": lambda s, task: s.complete(task, marker("m"), start_timer("t", 600)),
    "new-task": lambda s, task: s.complete(
        task, force_create_new_workflow_task=True, return_new_workflow_task=True),
    "activity": lambda s, task: s.complete(task, activity("a", s.queue)),
    "completion": lambda s, task: s.complete(task, complete_workflow("out")),
    "continue-as-new": lambda s, task: s.complete(task, again(s, backoff_start_interval=HOUR)),
    "failure": lambda s, task: s.fail_task(task),
}


@cases(ANSWERS)
async def with_a_task_in_a_workers_hands(s: Driver, respond):
    task = await s.begin()
    await pause(s)
    await s.describe()
    await refused(respond(s, task))
    await s.describe()
    await s.no_task()
    await refused(unpause(s))
    await s.describe()


@cases(ANSWERS)
async def and_unpaused_with_a_task_in_a_workers_hands(s: Driver, respond):
    task = await s.begin()
    await pause(s)
    await unpause(s)
    await s.describe()
    await refused(respond(s, task))
    await s.describe()


@scenario
async def while_a_task_fails_again_and_again(s: Driver):
    await s.start()
    for _ in range(2):
        await s.fail_task(await s.poll())
    await pause(s)
    await s.describe()
    await s.no_task()
    await unpause(s)
    await s.describe()
    await s.finish()


@scenario
async def with_a_task_that_times_out(s: Driver):
    await s.begin(workflow_task_timeout=seconds(1))
    await pause(s)
    await s.no_sooner(2)
    await s.describe()
    await unpause(s)
    await s.finish()


@scenario
async def with_a_sticky_queue(s: Driver):
    sticky = s.unique("sticky")
    await s.complete(await s.begin(), sticky=sticky, sticky_s=120)
    await pause(s)
    await s.describe()
    poll = s.soon(s.poll(sticky, sticky=True))
    await s.polled(sticky)
    await s.signal("s")
    await unpause(s)
    await s.complete(await poll, complete_workflow())


# --- what happens meanwhile ---


@scenario
async def signals(s: Driver):
    await paused(s)
    await s.signal("s", "1")
    await s.signal("s", "2")
    await s.describe()
    await s.no_task()
    await unpause(s)
    await s.finish()


@scenario
async def signal_buffered_by_a_task(s: Driver):
    task = await s.begin()
    await s.signal("s", "before")
    await pause(s)
    await s.signal("s", "after")
    await s.describe()
    await refused(s.complete(task, marker("m")))
    await s.describe()
    await unpause(s)
    await s.finish()


@scenario
async def signal_with_start(s: Driver):
    await paused(s)
    await s.call("SignalWithStartWorkflowExecution", workflow_id=s.id, workflow_type={"name": "T"},
                 task_queue={"name": s.queue}, signal_name="s", identity="test", request_id=s.unique("with-start"))
    await s.describe()


@scenario
async def timer(s: Driver):
    await paused(s, start_timer("t", 2))
    await s.no_sooner(3)
    await s.describe()
    await unpause(s)
    await s.happened("TimerFired")
    await s.finish()


@scenario
async def timer_that_is_not_due_yet(s: Driver):
    await paused(s, start_timer("t", 4))
    await unpause(s)
    await s.happened("TimerFired")
    await s.finish()


@scenario
async def query(s: Driver):
    await paused(s)
    for condition in ("", "NONE", "NOT_OPEN", "NOT_COMPLETED_CLEANLY"):
        await refused(s.call(
            "QueryWorkflow", execution=s.execution, query={"query_type": "q"}, timeout=3,
            query_reject_condition=f"QUERY_REJECT_CONDITION_{condition}" if condition else None))


@scenario
async def query_that_waits(s: Driver):
    task = await s.begin()
    call = s.soon(s.query("q"))
    await s.no_sooner(1)
    await pause(s)
    await s.no_sooner(1)
    await unpause(s)
    await refused(s.complete(task, query_results={id: query_result("answer") for id in task.queries}))
    task = await s.peek.poll()
    if task.query.query_type:
        await s.peek.answer_query(task, "answer")
    else:
        await s.peek.complete(task, query_results={id: query_result("answer") for id in task.queries})
    await refused(call)


@scenario
async def updates(s: Driver):
    await paused(s)
    await refused(update(s, timeout=3))
    await refused(update(s, "v", ACCEPTED, timeout=3))
    await s.describe()
    await unpause(s)
    await s.describe()


@scenario
async def update_that_is_accepted(s: Driver):
    await s.start()
    await s.step()
    call, task, message = await asked(s)
    await answer(s, task, accept(message))
    await pause(s)
    await s.describe()
    await unpause(s)
    await s.signal("s")
    await answer(s, await s.poll(), respond(message))
    await call


@scenario
async def update_in_a_workers_hands(s: Driver):
    await s.start()
    await s.step()
    call, task, message = await asked(s)
    await pause(s)
    await refused(answer(s, task, accept(message), respond(message)))
    await refused(call)
    await s.describe()
    await unpause(s)
    await s.describe()


@scenario
async def cancel(s: Driver):
    await paused(s)
    await refused(s.request_cancel())
    await s.describe()
    await s.no_task()
    await unpause(s)
    await s.finish()


@scenario
async def terminate(s: Driver):
    await paused(s)
    await s.terminate()
    await s.describe()
