"""Runs whose worker tried to close them while something was on its way to them: what is turned away until it has
tried again, and how tasks that the server refuses are tried again."""

from harness.commands import command
from harness.hand import activity, complete_workflow, signal_external, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario
from .updates import accept, admitted, answer, asked, respond, update

BAD = lambda: command("START_TIMER", start_to_fire_timeout=seconds(600))  # noqa: E731


async def attempted(s: Driver, **start):
    """A run that could not close because of a signal; its next task is ready."""
    task = await s.begin(**start)
    await s.signal("early")
    await refused(s.complete(task, complete_workflow()))


async def signal_with_start(s: Driver, **fields):
    return await s.call("SignalWithStartWorkflowExecution", workflow_id=s.id, workflow_type={"name": "T"},
                        task_queue={"name": s.queue}, signal_name="late", identity="test",
                        request_id=s.unique("with-start"), **fields)


# --- F71 ---

TOLD = {
    "signal": lambda s: s.signal("late"),
    "signal-with-start": signal_with_start,
    "update": lambda s: update(s, timeout=3),
    "cancel": lambda s: s.request_cancel(),
    "terminate": lambda s: s.terminate(),
    "start-that-attaches": lambda s: s.call(
        "StartWorkflowExecution", workflow_id=s.id, workflow_type={"name": "T"}, task_queue={"name": s.queue},
        request_id=s.unique("attached"), workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING",
        on_conflict_options={"attach_request_id": True}, links=[]),
    "update-with-start": lambda s: s.call(
        "ExecuteMultiOperation", timeout=3, operations=[
            {"start_workflow": {
                "namespace": s.namespace, "workflow_id": s.id, "workflow_type": {"name": "T"},
                "task_queue": {"name": s.queue}, "request_id": s.unique("started"),
                "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"}},
            {"update_workflow": {
                "namespace": s.namespace, "workflow_execution": s.execution,
                "wait_policy": {"lifecycle_stage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED"},
                "request": {"meta": {"update_id": "u"}, "input": {"name": "change"}}}}]),
    "options": lambda s: s.call(
        "UpdateWorkflowExecutionOptions", workflow_execution=s.execution,
        workflow_execution_options={"priority": {"priority_key": 2}}, update_mask={"paths": ["priority"]}),
}


@cases(TOLD)
async def f71_told_during_the_second_try(s: Driver, tell):
    await attempted(s)
    task = await s.poll()
    await refused(tell(s))
    await refused(s.complete(task, complete_workflow()))
    await s.describe()


@cases({"signal": TOLD["signal"], "signal-with-start": signal_with_start})
async def f71_told_before_the_second_try(s: Driver, tell):
    await attempted(s)
    await tell(s)
    await s.finish()


@scenario
async def f71_update_before_the_second_try(s: Driver):
    await attempted(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message), respond(message), commands=[complete_workflow()])
    await call


@cases({"failed": lambda s, task: s.fail_task(task), "refused": lambda s, task: refused(s.complete(task, BAD())),
        "completed": lambda s, task: s.complete(task, start_timer("t", 600), force_create_new_workflow_task=True)})
async def f71_told_after_the_second_try(s: Driver, end):
    await attempted(s)
    await end(s, await s.poll())
    task = await s.poll()
    await refused(s.signal("late"))
    await refused(s.complete(task, complete_workflow()))


@scenario
async def f71_told_after_a_worker_that_calls_it_unhandled(s: Driver):
    task = await s.begin()
    await s.signal("early")
    await s.call("RespondWorkflowTaskFailed", task_token=task.task_token, identity="hand",
                 cause="WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND")
    task = await s.poll()
    await refused(s.signal("late"))
    await s.complete(task, start_timer("t", 600))
    await s.describe()


@scenario
async def f71_told_after_the_second_try_timed_out(s: Driver):
    await attempted(s, workflow_task_timeout=seconds(4))
    await s.poll()
    task = await s.poll()
    await refused(s.signal("late"))
    await refused(s.complete(task, complete_workflow()))


@scenario
async def f71_signal_that_was_received_before_is_not_turned_away(s: Driver):
    await attempted(s)
    task = await s.poll()
    await s.call("SignalWorkflowExecution", workflow_execution=s.execution, signal_name="early",
                 request_id=s.unique("signal2"), identity="test")
    await s.complete(task, complete_workflow())


@scenario
async def f71_query_during_the_second_try(s: Driver):
    await attempted(s)
    task = await s.poll()
    call = s.soon(s.query("q"))
    await s.complete(task, complete_workflow())
    await s.answer_query(await s.poll(), "answer")
    await call


@scenario
async def f71_activity_that_ends_during_the_second_try(s: Driver):
    await s.start()
    await s.step(activity("a", s.unique("other")), force_create_new_workflow_task=True)
    task = await s.poll()
    await s.signal("early")
    await refused(s.complete(task, complete_workflow()))
    task = await s.poll()
    await s.complete_activity(await s.poll_activity(queue=s.unique("other")))
    await refused(s.complete(task, complete_workflow()))
    await s.finish()


@cases({
    "goes-on": (start_timer("t", 600), "ExternalWorkflowExecutionSignaled"),
    "closes": (complete_workflow(), "SignalExternalWorkflowExecutionFailed"),
})
async def f71_signal_of_another_workflow_during_the_second_try(s: Driver, end, heard: str):
    await attempted(s)
    task = await s.poll()
    other = s.other("other", queue="other-queue")
    await other.start()
    await other.step(signal_external(s.id))
    await s.no_sooner(0.5)
    await s.complete(task, end)
    await other.happened(heard)


@scenario
async def f71_update_does_not_keep_a_run_from_closing(s: Driver):
    task = await s.begin()
    call = s.soon(update(s))
    await s.until(lambda: admitted(s, "u"), "update")
    await refused(s.complete(task, complete_workflow()))
    await refused(call)
    await s.describe()


@scenario
async def f71_refused_for_another_reason(s: Driver):
    task = await s.begin()
    await s.signal("early")
    await refused(s.complete(task, BAD()))
    task = await s.poll()
    await s.signal("late")
    await s.complete(task, start_timer("t", 600))
    await s.finish()


# --- F70 ---

ENDS = {"refused": lambda s, task: refused(s.complete(task, BAD())), "failed": lambda s, task: s.fail_task(task)}


@cases(ENDS)
async def f70_second_attempt_ends_the_same_way(s: Driver, end):
    await s.start(workflow_task_timeout=seconds(2))
    await end(s, await s.poll())
    await end(s, await s.poll())
    await s.describe()
    await s.described(lambda d: d.pending_workflow_task.attempt == 3)
    await s.describe()
    await s.finish()


@scenario
async def f70_refused_task_is_still_with_its_worker(s: Driver):
    await s.start()
    await refused(s.complete(await s.poll(), BAD()))
    task = await s.poll()
    await refused(s.complete(task, BAD()))
    await s.signal("s")
    await s.describe()
    await s.complete(task, start_timer("t", 600))
    await s.finish()


@scenario
async def f70_good_answer_after_a_refused_one(s: Driver):
    await s.start()
    await refused(s.complete(await s.poll(), BAD()))
    task = await s.poll()
    await refused(s.complete(task, BAD()))
    await s.complete(task, complete_workflow())


@scenario
async def f70_second_attempt_would_terminate(s: Driver):
    await s.start()
    await refused(s.complete(await s.poll(), BAD()))
    big = command("RECORD_MARKER", marker_name="m", details={"d": payloads(b"x" * ((2 << 20) + 1))})
    await refused(s.complete(await s.poll(), big))
    await s.describe()


@scenario
async def f70_second_attempt_closes_over_a_signal(s: Driver):
    await s.start()
    await refused(s.complete(await s.poll(), BAD()))
    task = await s.poll()
    await s.signal("s")
    await refused(s.complete(task, complete_workflow()))
    await s.describe()
    task = await s.poll()
    await refused(s.signal("late"))
    await refused(s.complete(task, complete_workflow()))


@scenario
async def f70_update_of_a_refused_attempt(s: Driver):
    await s.start()
    await refused(s.complete(await s.poll(), BAD()))
    call, task, message = await asked(s)
    await refused(answer(s, task, accept(message), commands=[BAD()]))
    await s.describe()
    await answer(s, task, accept(message), respond(message), commands=[complete_workflow()])
    await refused(call)
