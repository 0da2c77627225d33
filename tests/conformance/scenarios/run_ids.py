"""F35: what is a run id and what is none, on every request and command that takes one."""

from harness.commands import command
from harness.hand import activity

from ..driver import Driver, refused
from ..registry import cases, scenario
from .bad_commands import check

NONE = "00000000-0000-0000-0000-00000000000a"

NO_RUN_IDS = {
    "short": "abc",
    "36-letters": "z" * 36,
    "32-letters": "z" * 32,
    "hyphens-elsewhere": "0000000-00000-0000-0000-00000000000a",
    "37-letters": NONE + "0",
    "blank-before": " " + NONE,
    "blank-after": NONE + " ",
    "other-brackets": f"({NONE})",
    "one-bracket": "{" + NONE,
    "other-urn": f"urn:oid0:{NONE}",
}

SPELLINGS = {
    "upper-case": str.upper,
    "braced": lambda run: f"{{{run}}}",
    "no-hyphens": lambda run: run.replace("-", ""),
    "urn": lambda run: f"urn:uuid:{run}",
    "upper-urn": lambda run: f"URN:UUID:{run}",
}

# How requests name a run, and what else they need to be whole.
EXECUTION = {
    "DescribeWorkflowExecution": {},
    "GetWorkflowExecutionHistory": {},
    "GetWorkflowExecutionHistoryReverse": {},
    "ResetStickyTaskQueue": {},
    "QueryWorkflow": {"query": {"query_type": "q"}},
    "PauseActivity": {"id": "a"},
    "UnpauseActivity": {"id": "a"},
    "ResetActivity": {"id": "a"},
    "UpdateActivityOptions": {"id": "a", "restore_original": True},
}
WORKFLOW_EXECUTION = {
    "SignalWorkflowExecution": {"signal_name": "s", "request_id": "r"},
    "RequestCancelWorkflowExecution": {"request_id": "r"},
    "TerminateWorkflowExecution": {},
    "DeleteWorkflowExecution": {},
    "ResetWorkflowExecution": {"request_id": "r", "workflow_task_finish_event_id": 4},
    "UpdateWorkflowExecutionOptions": {"workflow_execution_options": {}, "update_mask": {}},
    "UpdateWorkflowExecution": {"request": {"meta": {"update_id": "u"}, "input": {"name": "n"}}},
}
ACTIVITY_ID = ("RespondActivityTaskCompletedById", "RespondActivityTaskFailedById", "RespondActivityTaskCanceledById",
               "RecordActivityTaskHeartbeatById")
METHODS = [*EXECUTION, *WORKFLOW_EXECUTION, *ACTIVITY_ID, "PollWorkflowExecutionUpdate"]


def about(s: Driver, method: str, run: str):
    """A request about a run of the scenario's workflow."""
    execution = {"workflow_id": s.id, "run_id": run}
    if method in EXECUTION:
        return s.call(method, execution=execution, **EXECUTION[method])
    if method in WORKFLOW_EXECUTION:
        return s.call(method, workflow_execution=execution, **WORKFLOW_EXECUTION[method])
    if method in ACTIVITY_ID:
        return s.call(method, **execution, activity_id="a")
    return s.call(method, update_ref={"workflow_execution": execution, "update_id": "u"})


@cases(NO_RUN_IDS)
async def none_is_refused(s: Driver, run: str):
    for method in METHODS:
        await refused(about(s, method, run))


@cases(SPELLINGS)
async def any_spelling_is_the_run(s: Driver, spelling):
    await s.start()
    await s.step(activity("a", s.queue, attempts=5, start_to_close=600))
    await s.poll_activity()
    run = spelling(s.run)
    # What changes a run comes last, and once: the reference server takes another spelling for another run in its cache.
    for method in (
        "DescribeWorkflowExecution", "GetWorkflowExecutionHistory", "GetWorkflowExecutionHistoryReverse",
        "PollWorkflowExecutionUpdate", "RespondActivityTaskCanceledById", "RecordActivityTaskHeartbeatById",
    ):
        await refused(about(s, method, run))


@cases(SPELLINGS)
async def any_spelling_may_be_of_no_run(s: Driver, spelling):
    await s.start()
    for method in METHODS:
        await refused(about(s, method, spelling(NONE)))
    await s.terminate()


@cases(SPELLINGS)
async def a_first_run_is_named_as_it_was_told(s: Driver, spelling):
    await s.start()
    for method in ("RequestCancelWorkflowExecution", "TerminateWorkflowExecution"):
        await refused(s.call(method, workflow_execution=s.execution, first_execution_run_id=spelling(s.run)))


def signal_external(to: str, run: str):
    return command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", execution={"workflow_id": to, "run_id": run}, signal_name="s")


def cancel_external(to: str, run: str):
    return command("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", workflow_id=to, run_id=run)


COMMANDS = {"signal": signal_external, "cancel": cancel_external}


@cases({f"{kind}-{form}": (COMMANDS[kind], run) for kind in COMMANDS for form, run in NO_RUN_IDS.items()})
async def none_fails_the_task_of_a_command(s: Driver, made, run: str):
    await check(s, made(s.unique("other"), run))


@cases({f"{kind}-{form}": (COMMANDS[kind], SPELLINGS[form])
        for kind in COMMANDS for form in ("braced", "urn", "upper-urn")})
async def any_spelling_is_the_run_of_a_command(s: Driver, made, spelling):
    other = s.other("other", queue="others")
    await other.start()
    await s.start()
    await s.step(made(other.id, spelling(other.run)))
    done = "ExternalWorkflowExecutionSignaled" if made is signal_external else "ExternalWorkflowExecutionCancelRequested"
    await s.happened(done)
    await s.finish()
    await other.finish()
