"""First tasks that are held back (by a start delay, a cron schedule, a retry, continue-as-new): what reaches a run before
its first task, and whether it goes on from there."""

from harness.hand import fail_workflow, query_result, start_timer
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .chains import BY_THE_CLOCK, again
from .updates import accept, answer, asked, reject, respond, update

HOUR = seconds(3600)


async def delayed(s: Driver):
    await s.start(workflow_start_delay=HOUR)


async def by_cron(s: Driver):
    s.vague |= BY_THE_CLOCK
    await s.start(cron_schedule="0 0 29 2 *")


async def retried(s: Driver):
    await s.start(retry_policy={"initial_interval": HOUR, "backoff_coefficient": 1, "maximum_attempts": 2})
    await s.step(fail_workflow("no"))
    await current(s)


async def continued(s: Driver):
    await s.start()
    await s.step(again(s, backoff_start_interval=HOUR))
    await current(s)


async def current(s: Driver):
    """Another run than the one that was started is the current one."""
    async def there():
        found = (await s.peek.describe()).workflow_execution_info.execution.run_id
        return found if found != s.run else None

    s.run = await s.until(there, "the next run")


HELD_BACK = {"delay": delayed, "cron": by_cron, "retry": retried, "continue-as-new": continued}


async def goes_on(s: Driver):
    """A timer that fires gets a task."""
    await s.happened("TimerFired")
    await s.describe()
    await s.finish()


@cases({
    f"{why}-{name}": (hold, given) for why, hold in HELD_BACK.items()
    for name, given in {"accepted": lambda m: [accept(m), respond(m)], "rejected": lambda m: [reject(m)]}.items()
})
async def f78_update(s: Driver, hold, answered):
    await hold(s)
    call, task, message = await asked(s)
    await s.describe()
    commands = [start_timer("t", 1)]
    await answer(s, task, *answered(message), commands=commands)
    await call
    await goes_on(s)


@cases(HELD_BACK)
async def f78_update_that_is_rejected_and_nothing_else(s: Driver, hold):
    await hold(s)
    call, task, message = await asked(s)
    await answer(s, task, reject(message))
    await call
    await s.describe()
    await s.signal("s")
    await s.describe()


@cases(HELD_BACK)
async def f78_update_whose_task_fails(s: Driver, hold):
    await hold(s)
    call, task, message = await asked(s)
    await s.fail_task(task)
    await s.describe()
    task = await s.poll()
    await answer(s, task, accept(task.messages[0]), respond(task.messages[0]), commands=[start_timer("t", 1)])
    await call
    await goes_on(s)


@cases(HELD_BACK)
async def f78_signal_while_an_update_waits_for_a_worker(s: Driver, hold):
    await hold(s)
    s.soon(update(s))
    await s.described(lambda d: d.pending_workflow_task.attempt == 1)
    await s.signal("s")
    await s.describe()


@cases({f"{why}-{name}": (hold, tell) for why, hold in HELD_BACK.items() for name, tell in {
    "signal": lambda s: s.signal("s"),
    "signal-with-start": lambda s: s.call(
        "SignalWithStartWorkflowExecution", workflow_id=s.id, workflow_type={"name": "T"},
        task_queue={"name": s.queue}, signal_name="s", identity="test", request_id=s.unique("with-start")),
    "cancel": lambda s: s.request_cancel(),
    "terminate": lambda s: s.terminate(),
    "options": lambda s: s.call(
        "UpdateWorkflowExecutionOptions", workflow_execution=s.execution,
        workflow_execution_options={"priority": {"priority_key": 2}}, update_mask={"paths": ["priority"]}),
    "reset": lambda s: s.call(
        "ResetWorkflowExecution", workflow_execution=s.execution, reason="again", workflow_task_finish_event_id=2,
        request_id=s.unique("reset")),
    "start-that-attaches": lambda s: s.call(
        "StartWorkflowExecution", workflow_id=s.id, workflow_type={"name": "T"}, task_queue={"name": s.queue},
        request_id=s.unique("attached"), workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING",
        on_conflict_options={"attach_request_id": True}),
    "query": lambda s: s.query("q"),
}.items()})
async def told(s: Driver, hold, tell):
    await hold(s)
    await refused(tell(s))
    await s.describe()


# --- F76 ---


@cases({
    "delay": lambda s: s.start(workflow_start_delay=seconds(0.5)),
    "retry": lambda s: _retried_soon(s),
    "continue-as-new": lambda s: _continued_soon(s),
})
async def f76_query_before_a_first_task_that_is_soon(s: Driver, hold):
    await hold(s)
    call = s.soon(s.query("q"))
    # Whether it comes with the first task or after it depends on luck.
    worker = s.peek
    task = await worker.poll()
    await worker.complete(task, query_results={id: query_result("answer") for id in task.queries})
    if not task.queries:
        await worker.answer_query(await worker.poll(), "answer")
    await call


async def _retried_soon(s: Driver):
    await s.start(retry_policy={"initial_interval": seconds(1), "backoff_coefficient": 1, "maximum_attempts": 2})
    await s.step(fail_workflow("no"))
    await current(s)


async def _continued_soon(s: Driver):
    s.vague |= BY_THE_CLOCK
    await s.start()
    await s.step(again(s))
    await current(s)
