"""Child workflows: how they start, what the parent hears, and what becomes of them when it ends."""

from harness.commands import command
from harness.hand import cancel_workflow, complete_workflow, fail_workflow, failure, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario


def start_child(s: Driver, **changed):
    plain = {"workflow_id": s.unique("child"), "workflow_type": {"name": "C"},
             "task_queue": {"name": s.unique("cq")}, "input": payloads("in")}
    fields = {name: value for name, value in (plain | changed).items() if value is not None}
    return command("START_CHILD_WORKFLOW_EXECUTION", **fields)


async def parent(s: Driver, *commands, **changed) -> tuple[Driver, object]:
    """A parent that has seen its child start; the child and its first workflow task."""
    await s.start()
    await s.step(start_child(s, **changed), *commands)
    child = s.other("child", "cq")
    task = await child.poll()
    child.run = task.workflow_execution.run_id
    await s.step()
    return child, task


@scenario
async def completes(s: Driver):
    child, task = await parent(s)
    await s.describe()
    await child.describe()
    await child.complete(task, complete_workflow("out"))
    await s.finish()
    await s.describe()
    await child.describe()


@scenario
async def with_everything_set(s: Driver):
    child, task = await parent(
        s, workflow_execution_timeout=seconds(7200), workflow_run_timeout=seconds(3600),
        workflow_task_timeout=seconds(60), control="c", workflow_id_reuse_policy="WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        parent_close_policy="PARENT_CLOSE_POLICY_ABANDON", memo={"fields": {"m": payloads("v").payloads[0]}},
        header={"fields": {"h": payloads("v").payloads[0]}}, priority={"priority_key": 2},
        retry_policy={"maximum_attempts": 3})
    await s.describe()
    await child.describe()
    await child.complete(task, complete_workflow())
    await s.finish()


@scenario
async def inherits_queue_and_timeouts(s: Driver):
    await s.start(workflow_task_timeout=seconds(60), workflow_run_timeout=seconds(3600))
    await s.step(start_child(s, task_queue=None))
    await s.happened("ChildWorkflowExecutionStarted")
    await s.other("child").describe()


@cases({
    "failed": lambda: fail_workflow("no"), "canceled": cancel_workflow,
    "failed-with-cause": lambda: command("FAIL_WORKFLOW_EXECUTION", failure={
        "message": "outer", "cause": {"message": "inner"}, "application_failure_info": {"type": "E"}}),
})
async def ends_badly(s: Driver, closing):
    child, task = await parent(s)
    await child.complete(task, closing())
    await s.finish()


@scenario
async def is_terminated(s: Driver):
    child, _ = await parent(s)
    await child.terminate()
    await s.finish()


@scenario
async def times_out(s: Driver):
    child, _ = await parent(s, workflow_run_timeout=seconds(3))
    await s.happened("ChildWorkflowExecutionTimedOut")
    await s.finish()


@scenario
async def continues_as_new(s: Driver):
    child, task = await parent(s)
    await child.lived()
    await child.complete(task, command(
        "CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "C"}, task_queue={"name": child.queue}))
    task = await child.poll()
    await s.describe()
    await child.complete(task, complete_workflow("out"))
    await s.finish()


@scenario
async def is_retried(s: Driver):
    child, task = await parent(s, retry_policy={"maximum_attempts": 2, "initial_interval": seconds(1)})
    await child.complete(task, fail_workflow("first"))
    await child.complete(await child.poll(), complete_workflow("out"))
    await s.finish()


@scenario
async def fails_for_good_after_retries(s: Driver):
    child, task = await parent(s, retry_policy={"maximum_attempts": 2, "initial_interval": seconds(1)})
    await child.complete(task, fail_workflow("first"))
    await child.complete(await child.poll(), fail_workflow("second"))
    await s.finish()


@scenario
async def two_of_one_parent(s: Driver):
    first, _ = await parent(s)
    await s.signal("s")
    await s.step(start_child(s, workflow_id=s.unique("child2"), task_queue={"name": s.unique("cq2")}))
    await s.step()
    await s.describe()
    await s.other("child2", "cq2").finish("out")
    await s.finish()
    await first.closed()


@scenario
async def ends_while_the_parent_thinks(s: Driver):
    child, task = await parent(s)
    await s.signal("s")
    thinking = await s.poll()
    await child.complete(task, complete_workflow("out"))
    await s.no_sooner(1)
    await refused(s.complete(thinking, complete_workflow()))
    await s.finish()


# --- start failure ---


@scenario
async def id_is_in_use(s: Driver):
    await s.other("child", "cq").start()
    await s.start()
    await s.step(start_child(s))
    await s.finish()
    await s.describe()


@cases({reuse.lower().replace("_", "-"): reuse for reuse in (
    "ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE")})
async def id_was_in_use(s: Driver, reuse: str):
    before = s.other("child", "before")
    await before.start()
    await before.finish()
    await s.start()
    await s.step(start_child(s, workflow_id_reuse_policy=f"WORKFLOW_ID_REUSE_POLICY_{reuse}"))
    await s.finish()


@scenario
async def terminates_what_has_its_id(s: Driver):
    before = s.other("child", "before")
    await before.start()
    await s.start()
    await s.step(start_child(s, workflow_id_reuse_policy="WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING"))
    await s.finish()
    await before.closed()
    await s.other("child").closed()


@scenario
async def has_the_id_of_its_parent(s: Driver):
    await s.start()
    await s.step(start_child(s, workflow_id=s.id))
    await s.finish()


@scenario
async def same_id_twice(s: Driver):
    await s.start()
    await s.step(start_child(s))
    await s.step()
    await s.signal("s")
    await s.step(start_child(s))
    await s.finish()


# --- the parent ends ---

POLICIES = ("TERMINATE", "ABANDON", "REQUEST_CANCEL")
ENDS = {
    "complete": lambda: complete_workflow(), "fail": lambda: fail_workflow("no"), "cancel": cancel_workflow,
    "continue-as-new": lambda: command(
        "CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"}, task_queue={"name": "elsewhere"}),
}
MARK = {"TERMINATE": "WorkflowExecutionTerminated", "REQUEST_CANCEL": "WorkflowExecutionCancelRequested"}


async def left_behind(s: Driver, child: Driver, policy: str) -> None:
    if policy in MARK:
        await child.happened(MARK[policy])
    else:
        await child.signal("alone")
    await child.describe()


@cases({f"{policy}-{end}".lower().replace("_", "-"): (policy, ENDS[end]) for policy in POLICIES for end in ENDS})
async def parent_ends(s: Driver, policy: str, closing):
    child, _ = await parent(s, parent_close_policy=f"PARENT_CLOSE_POLICY_{policy}")
    await s.lived()
    await s.signal("s")
    await s.step(closing())
    await left_behind(s, child, policy)


@cases({policy.lower().replace("_", "-"): policy for policy in POLICIES})
async def parent_is_terminated(s: Driver, policy: str):
    child, _ = await parent(s, parent_close_policy=f"PARENT_CLOSE_POLICY_{policy}")
    await s.terminate()
    await left_behind(s, child, policy)


@scenario
async def abandoned_child_ends_after_its_parent(s: Driver):
    child, task = await parent(s, parent_close_policy="PARENT_CLOSE_POLICY_ABANDON")
    await s.signal("s")
    await s.finish()
    await child.complete(task, complete_workflow("out"))


@cases({policy.lower().replace("_", "-"): policy for policy in ("TERMINATE", "ABANDON")})
async def parent_ends_in_the_task_that_starts_it(s: Driver, policy: str):
    await s.start()
    await s.step(start_child(s, parent_close_policy=f"PARENT_CLOSE_POLICY_{policy}"), complete_workflow())
    await s.no_sooner(1)
    await s.describe()


# --- cancelling ---


def cancel_child(s: Driver, **fields):
    return command("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", workflow_id=s.unique("child"),
                   child_workflow_only=True, **fields)


@scenario
async def canceled_by_its_parent(s: Driver):
    child, task = await parent(s)
    await s.signal("s")
    await s.step(cancel_child(s, reason="why"))
    await s.happened("ExternalWorkflowExecutionCancelRequested")
    await s.step()
    await child.complete(task)
    await child.step(cancel_workflow())
    await s.finish()


@scenario
async def canceled_in_the_task_that_starts_it(s: Driver):
    task = await s.begin()
    await refused(s.complete(task, start_child(s), cancel_child(s)))
    await s.finish()


@scenario
async def grandchild(s: Driver):
    child, task = await parent(s)
    await child.complete(task, start_child(child, workflow_id=s.unique("grandchild"),
                                           task_queue={"name": s.unique("gq")}))
    await child.step()
    grandchild = s.other("grandchild", "gq")
    await grandchild.describe()
    await grandchild.finish("deep")
    await child.finish("deeper")
    await s.finish("out")


@scenario
async def cron_child(s: Driver):
    s.vague |= {"first_workflow_task_backoff", "backoff_start_interval", "execution_time"}
    await s.start()
    await s.step(start_child(s, cron_schedule="@every 1s"))
    await s.happened("ChildWorkflowExecutionStarted")
    await s.step()
    child = s.other("child", "cq")
    await child.step(fail_workflow("first"))
    task = await child.poll()
    child.run = task.workflow_execution.run_id
    await child.terminate()
    await s.finish()


@scenario
async def failure_details_are_kept(s: Driver):
    child, task = await parent(s, start_timer("t", 600))
    await child.complete(task, command("FAIL_WORKFLOW_EXECUTION", failure=failure("no", "Bad", True)))
    await s.finish()
