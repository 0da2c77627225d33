"""Signals and cancel requests that a workflow sends to others."""

from harness.commands import command
from harness.hand import cancel_workflow, start_timer
from harness.rpc import payloads

from ..driver import Driver, refused
from ..registry import cases, scenario

NONE = "00000000-0000-0000-0000-000000000001"
KINDS = ("signal", "cancel")


def send(s: Driver, kind: str, to: str = "", run: str = "", **fields):
    """A command to the workflow `to` of this scenario."""
    to = s.unique(to or "other")
    if kind == "signal":
        return command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", execution={"workflow_id": to, "run_id": run},
                       signal_name="news", input=payloads("x"), **fields)
    return command("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", workflow_id=to, run_id=run, **fields)


DONE = {"signal": "ExternalWorkflowExecutionSignaled", "cancel": "ExternalWorkflowExecutionCancelRequested"}
FAILED = {"signal": "SignalExternalWorkflowExecutionFailed",
          "cancel": "RequestCancelExternalWorkflowExecutionFailed"}


@cases({kind: kind for kind in KINDS})
async def reaches_a_running_one(s: Driver, kind: str):
    other = s.other("other", "oq")
    await other.start()
    await s.start()
    await s.step(send(s, kind))
    await s.happened(DONE[kind])
    await s.finish()
    await other.describe()


@cases({kind: kind for kind in KINDS})
async def reaches_one_by_its_run_id(s: Driver, kind: str):
    other = s.other("other", "oq")
    run = (await other.start()).run_id
    await s.start()
    await s.step(send(s, kind, run=run, control="c", child_workflow_only=False))
    await s.happened(DONE[kind])
    await s.finish()


@scenario
async def signal_with_header(s: Driver):
    other = s.other("other", "oq")
    await other.start()
    await s.start()
    await s.step(send(s, "signal", header={"fields": {"h": payloads("v").payloads[0]}}))
    await s.happened(DONE["signal"])


@cases({kind: kind for kind in KINDS})
async def finds_nobody(s: Driver, kind: str):
    await s.start()
    await s.step(send(s, kind))
    await s.happened(FAILED[kind])
    await s.finish()


@cases({kind: kind for kind in KINDS})
async def finds_no_such_run(s: Driver, kind: str):
    await s.other("other", "oq").start()
    await s.start()
    await s.step(send(s, kind, run=NONE))
    await s.happened(FAILED[kind])
    await s.finish()


@cases({kind: kind for kind in KINDS})
async def finds_a_closed_one(s: Driver, kind: str):
    other = s.other("other", "oq")
    await other.start()
    await other.finish()
    await s.start()
    await s.step(send(s, kind))
    await s.no_sooner(1)
    await s.finish() if kind == "signal" else await s.terminate()


@cases({kind: kind for kind in KINDS})
async def to_itself(s: Driver, kind: str):
    await s.start()
    task = await s.poll()
    await refused(s.complete(task, send(s, kind, "wf")))
    await s.no_sooner(1)


@cases({kind: kind for kind in KINDS})
async def is_only_for_children(s: Driver, kind: str):
    await s.other("other", "oq").start()
    await s.start()
    await s.step(send(s, kind, child_workflow_only=True))
    await s.no_sooner(1)
    await s.describe()


@scenario
async def cancel_of_one_that_was_asked_before(s: Driver):
    other = s.other("other", "oq")
    await other.start()
    await other.request_cancel()
    await s.start()
    await s.step(send(s, "cancel"))
    await s.happened(DONE["cancel"])
    await s.finish()


@scenario
async def cancel_is_obeyed(s: Driver):
    other = s.other("other", "oq")
    await other.start()
    await s.start()
    await s.step(send(s, "cancel", reason="why"))
    await s.finish()
    await other.step(cancel_workflow())


@scenario
async def outcome_waits_for_the_task(s: Driver):
    await s.other("other", "oq").start()
    await s.start()
    await s.step(send(s, "signal"), start_timer("t", 600))
    task = await s.poll()
    await s.signal("s")
    await s.complete(task)
    await s.finish()


@scenario
async def several_to_one_keep_their_order(s: Driver):
    other = s.other("other", "oq")
    await other.start()
    await s.start()
    await s.step(*[
        command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", execution={"workflow_id": other.id}, signal_name=f"s{n}")
        for n in range(3)])
    await s.happened(DONE["signal"])
    await other.happened("WorkflowExecutionSignaled", 3)
    names = [e.workflow_execution_signaled_event_attributes.signal_name for e in await other.peek.events()
             if e.HasField("workflow_execution_signaled_event_attributes")]
    s.note("signals", sorted(names))
