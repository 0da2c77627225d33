"""Resets of runs that have to do with others: children, signals and cancellations under way, updates."""

from temporalio.api.protocol.v1 import Message

from harness.commands import command
from harness.hand import complete_workflow, fail_workflow, marker

from ..driver import Driver, refused
from ..registry import cases, scenario
from .children import POLICIES, cancel_child, parent, start_child
from .resets import reset
from .updates import ACCEPTED, COMPLETED, accept, answer, idle, packed, poll_update, reject, respond, update
from .updates import asked as asked_update

# Of the second task's start, where the first task's only command is event 5.
SECOND = 7


async def asks(s: Driver, what) -> None:
    """A first task with one command; the second one is scheduled before its answer."""
    await s.start()
    await s.step(what, force_create_new_workflow_task=True)


async def reset_anew(s: Driver, to: int, **changed) -> None:
    """The hand goes on with the new run."""
    s.run = (await reset(s, to, **changed)).run_id


async def last_completed(s: Driver) -> int:
    return max(event.event_id for event in await s.peek.events() if event.HasField("workflow_task_completed_event_attributes"))


@scenario
async def signal_without_an_answer_is_sent_again(s: Driver):
    other = s.other("other", "oq")
    await other.start()
    await asks(s, command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", execution=other.execution, signal_name="s"))
    await s.happened("ExternalWorkflowExecutionSignaled")
    await reset_anew(s, SECOND)
    await s.happened("ExternalWorkflowExecutionSignaled")
    await s.describe()
    await other.describe()


@scenario
async def cancellation_without_an_answer_is_sent_again(s: Driver):
    other = s.other("other", "oq")
    await other.start()
    await asks(s, command("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", workflow_id=other.id))
    await s.happened("ExternalWorkflowExecutionCancelRequested")
    await reset_anew(s, SECOND)
    await s.happened("ExternalWorkflowExecutionCancelRequested")
    await other.describe()


@scenario
async def signal_that_failed_is_sent_again(s: Driver):
    await asks(s, command(
        "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", execution={"workflow_id": s.unique("none")}, signal_name="s"))
    await s.happened("SignalExternalWorkflowExecutionFailed")
    await reset_anew(s, SECOND)
    await s.happened("SignalExternalWorkflowExecutionFailed")


@scenario
async def start_of_a_child_is_told_again(s: Driver):
    await asks(s, start_child(s))
    await s.happened("ChildWorkflowExecutionStarted")
    await reset_anew(s, SECOND)
    await s.describe()
    child = s.other("child", "cq")
    await child.finish("out")
    await s.happened("ChildWorkflowExecutionCompleted")
    await s.describe()
    await child.describe()


@scenario
async def child_that_could_not_be_started(s: Driver):
    await s.other("child", "cq").start()
    await asks(s, start_child(s))
    await s.happened("StartChildWorkflowExecutionFailed")
    await reset_anew(s, SECOND)
    await s.finish()


ENDS = {"complete": lambda: complete_workflow("out"), "fail": lambda: fail_workflow("no")}


@cases({f"{end}{how}": (ENDS[end], fields) for end in ENDS for how, fields in {
    "": {}, "-none": {"reset_reapply_type": "RESET_REAPPLY_TYPE_NONE"},
    "-signals": {"reset_reapply_type": "RESET_REAPPLY_TYPE_SIGNAL"}}.items()})
async def end_of_a_child_is_told_again(s: Driver, closing, fields: dict):
    child, task = await parent(s)
    point = await last_completed(s)
    await child.complete(task, closing())
    await s.step(marker("m"))
    await reset_anew(s, point, **fields)
    await s.describe()
    await s.finish()


@scenario
async def start_and_end_of_a_child_are_told_again(s: Driver):
    await asks(s, start_child(s))
    await s.happened("ChildWorkflowExecutionStarted")
    await s.other("child", "cq").terminate()
    await s.happened("ChildWorkflowExecutionTerminated")
    await reset_anew(s, SECOND)
    await s.finish()


@scenario
async def end_of_a_child_is_heard_after_two_resets(s: Driver):
    child, task = await parent(s)
    await reset_anew(s, await last_completed(s))
    await s.step(marker("m"))
    await reset_anew(s, await last_completed(s), request_id="again")
    await child.complete(task, complete_workflow("out"))
    await s.happened("ChildWorkflowExecutionCompleted")
    await s.finish()


@cases({policy.lower().replace("_", "-"): policy for policy in POLICIES})
async def child_of_before_outlives_its_parent(s: Driver, policy: str):
    child, _ = await parent(s, parent_close_policy=f"PARENT_CLOSE_POLICY_{policy}")
    await reset_anew(s, await last_completed(s))
    await s.finish()
    await s.no_sooner(1)
    await child.describe()


@scenario
async def child_of_before_is_nobody_s_child(s: Driver):
    await parent(s)
    await reset_anew(s, await last_completed(s))
    await s.step(cancel_child(s))
    await s.happened("RequestCancelExternalWorkflowExecutionFailed")
    await s.step(command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", child_workflow_only=True, signal_name="s",
                         execution={"workflow_id": s.unique("child")}))
    await s.happened("SignalExternalWorkflowExecutionFailed")


@cases({policy.lower().replace("_", "-"): policy for policy in POLICIES})
async def child_of_after_is_in_the_way(s: Driver, policy: str):
    child, _ = await parent(s, parent_close_policy=f"PARENT_CLOSE_POLICY_{policy}")
    await reset_anew(s, 4)
    await s.step(start_child(s))
    await s.finish()
    await child.describe()


@scenario
async def children_of_another_run_end_with_it(s: Driver):
    await s.start()
    await s.finish()
    base = s.run
    child, _ = await parent(s)
    await reset_anew(s, 4, workflow_execution={"workflow_id": s.id, "run_id": base})
    await child.closed()
    await s.finish()


@scenario
async def parent_hears_of_the_new_run_alone(s: Driver):
    child, task = await parent(s)
    await child.complete(task, marker("m"))
    await reset_anew(child, 4)
    await s.describe()
    await child.finish("out")
    await s.happened("ChildWorkflowExecutionCompleted")
    await s.finish()


@scenario
async def parent_hears_of_a_child_that_closed_once(s: Driver):
    child, task = await parent(s)
    await child.complete(task, complete_workflow("out"))
    await s.step(marker("m"))
    await reset_anew(child, 4)
    await child.finish("other")
    await s.no_sooner(1)
    await s.describe()


# --- updates ---

UPDATES = {
    "unspecified": {},
    "all": {"reset_reapply_type": "RESET_REAPPLY_TYPE_ALL_ELIGIBLE"},
    "signals": {"reset_reapply_type": "RESET_REAPPLY_TYPE_SIGNAL"},
    "none": {"reset_reapply_type": "RESET_REAPPLY_TYPE_NONE"},
    "without-updates": {"reset_reapply_exclude_types": ["RESET_REAPPLY_EXCLUDE_TYPE_UPDATE"]},
    "without-signals": {"reset_reapply_exclude_types": ["RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL"]},
}


async def answered(s: Driver, id: str, *answers, stage: str = COMPLETED) -> None:
    """An update, and the worker's answers to it."""
    call, task, message = await asked_update(s, id, stage)
    await answer(s, task, *(each(message) for each in answers))
    await call


@cases(UPDATES)
async def updates_are_admitted_again(s: Driver, fields: dict):
    await idle(s)
    await answered(s, "done", accept, respond)
    await answered(s, "accepted", accept, stage=ACCEPTED)
    await answered(s, "rejected", reject)
    await s.signal("s")
    await reset_anew(s, 4, **fields)
    for id in ("done", "accepted", "rejected"):
        await refused(poll_update(s, id, stage=""))
    await s.describe()


async def admitted_again(s: Driver) -> Message:
    """An update that was accepted after the point; the message is made of the event that tells of it."""
    await idle(s)
    await answered(s, "u", accept, stage=ACCEPTED)
    await reset_anew(s, 4)
    event = next(e.workflow_execution_update_admitted_event_attributes for e in await s.peek.events()
                 if e.HasField("workflow_execution_update_admitted_event_attributes"))
    return Message(id="u/request", protocol_instance_id="u", event_id=5, body=packed(event.request))


@scenario
async def update_that_is_admitted_again_completes(s: Driver):
    message = await admitted_again(s)
    call = s.soon(poll_update(s, "u"))
    await answer(s, await s.poll(), accept(message), respond(message))
    await call
    await s.describe()


@scenario
async def update_that_is_admitted_again_is_rejected(s: Driver):
    message = await admitted_again(s)
    await answer(s, await s.poll(), reject(message))
    await refused(poll_update(s, "u", stage=""))


@scenario
async def update_that_is_admitted_again_is_passed_over(s: Driver):
    await admitted_again(s)
    await s.step(marker("m"))
    await refused(poll_update(s, "u", stage=""))


@scenario
async def updates_of_before_are_kept(s: Driver):
    await idle(s)
    await answered(s, "done", accept, respond)
    await answered(s, "accepted", accept, stage=ACCEPTED)
    await s.signal("s")
    await s.step(marker("m"))
    await reset_anew(s, await last_completed(s))
    for id in ("done", "accepted"):
        await refused(poll_update(s, id, stage=""))
    await update(s, "done")
    await s.finish()
    await refused(poll_update(s, "accepted"))
