"""How much a run may hold."""

from harness.commands import command
from harness.hand import query_result
from harness.rpc import payload, payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

MANY = 2001


def activity(s: Driver, number: int):
    return command("SCHEDULE_ACTIVITY_TASK", activity_id=str(number), activity_type={"name": "A"},
                   task_queue={"name": s.queue}, start_to_close_timeout=seconds(600))


def child(s: Driver, number: int):
    return command("START_CHILD_WORKFLOW_EXECUTION", workflow_id=s.unique(f"child{number}"),
                   workflow_type={"name": "C"}, task_queue={"name": s.unique("cq")})


def signal(s: Driver, number: int):
    return command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", execution={"workflow_id": s.unique("other")},
                   signal_name=str(number))


def cancel(s: Driver, number: int):
    return command("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", workflow_id=s.unique(f"other{number}"))


@cases({"activities": activity, "children": child, "signals": signal, "cancels": cancel})
async def too_many_at_once(s: Driver, one):
    task = await s.begin(workflow_task_timeout=seconds(60))
    await refused(s.complete(task, *[one(s, number) for number in range(MANY)], timeout=60))
    await s.finish()


@scenario
async def input_that_is_just_too_big(s: Driver):
    await refused(s.start(input=payloads(b"x" * (2 << 20))))


@scenario
async def details_of_a_heartbeat_that_are_too_big(s: Driver):
    await s.start()
    await s.step(activity(s, 1))
    task = await s.poll_activity()
    await refused(s.heartbeat(task, b"x" * ((2 << 20) + 1)))
    await s.describe()


@scenario
async def details_of_a_termination_that_are_too_big(s: Driver):
    await s.start()
    await refused(s.call("TerminateWorkflowExecution", workflow_execution=s.execution,
                         details=payloads(b"x" * ((2 << 20) + 1))))


TOO_BIG = "x" * ((2 << 20) + 1)


async def query(s: Driver):
    return await s.call("QueryWorkflow", execution=s.execution, query={"query_type": "q"})


@scenario
async def result_of_a_query_that_is_too_big(s: Driver):
    """F80."""
    await s.start()
    await s.step()
    asked = s.soon(query(s))
    await s.answer_query(await s.poll(), TOO_BIG)
    await refused(asked)


@scenario
async def result_of_a_query_on_a_workflow_task_that_is_too_big(s: Driver):
    """F80."""
    await s.start()
    await s.step()
    await s.signal("s")
    asked = s.soon(query(s))
    await s.no_sooner(0.5)
    task = await s.poll()
    await s.complete(task, query_results={id: query_result(TOO_BIG) for id in task.queries})
    await refused(asked)


@scenario
async def arguments_of_a_query_that_are_too_big(s: Driver):
    """F80."""
    await s.start()
    await s.step()
    await refused(s.call("QueryWorkflow", execution=s.execution,
                         query={"query_type": "q", "query_args": payloads(TOO_BIG)}))


@scenario
async def header_of_a_start_may_be_bigger(s: Driver):
    """F80: only payloads that the API names are held to the limit of blobs, headers are not."""
    await s.start(header={"fields": {"h": payload(TOO_BIG)}})
    await s.describe()


@scenario
async def details_of_a_cancelled_activity_that_are_too_big(s: Driver):
    """F80."""
    await s.start()
    await s.step(activity(s, 1))
    task = await s.poll_activity()
    await refused(s.call("RespondActivityTaskCanceled", task_token=task.task_token, details=payloads(TOO_BIG)))
    await s.describe()
