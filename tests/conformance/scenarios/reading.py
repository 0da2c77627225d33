"""Reading histories and descriptions: pages, filters, long polls, what is not there."""

from harness.hand import activity, complete_workflow, fail_workflow, start_timer
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

NONE = "00000000-0000-0000-0000-000000000001"
READS = ("GetWorkflowExecutionHistory", "GetWorkflowExecutionHistoryReverse", "DescribeWorkflowExecution")


@cases({
    f"{method}-{name}": (method, fields)
    for method in READS
    for name, fields in {
        "no-namespace": {"namespace": ""},
        "unknown-namespace": {"namespace": "there-is-none"},
        "no-execution": {"execution": None},
        "no-id": {"execution": {"run_id": NONE}},
        "unknown-id": {"execution": {"workflow_id": "there-is-none"}},
        "unknown-run": {"execution": {"workflow_id": "there-is-none", "run_id": NONE}},
        "bad-run-id": {"execution": {"workflow_id": "x", "run_id": "not-a-uuid"}},
    }.items()
})
async def bad(s: Driver, method: str, changed: dict):
    fields = {"execution": s.execution} | changed
    await refused(s.call(method, **{name: value for name, value in fields.items() if value is not None}))


@cases({method: method for method in READS[:2]})
async def bad_page_token(s: Driver, method: str):
    await s.start()
    await refused(s.call(method, execution=s.execution, next_page_token=b"garbage"))


@cases({f"{method}-{size}": (method, size) for method in READS[:2] for size in (1, 3, 100)})
async def pages(s: Driver, method: str, size: int):
    await s.start()
    for number in range(3):
        await s.signal("s", str(number))
    await s.finish()
    token = b""
    while True:
        reply = await s.call(method, execution=s.execution, maximum_page_size=size, next_page_token=token)
        token = reply.next_page_token
        if not token:
            break


def history(s: Driver, **fields):
    return s.call("GetWorkflowExecutionHistory", execution=s.execution, timeout=30, **fields)


@scenario
async def close_event_of_a_closed_run(s: Driver):
    await s.start()
    await s.finish("out")
    await history(s, history_event_filter_type="HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT")


@scenario
async def close_event_of_an_open_run(s: Driver):
    await s.start()
    await s.step()
    await history(s, history_event_filter_type="HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT")


@scenario
async def close_event_is_waited_for(s: Driver):
    await s.start()
    waits = s.soon(history(s, history_event_filter_type="HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT", wait_new_event=True))
    await s.no_sooner(0.3)
    await s.finish("out")
    await waits


@scenario
async def new_events_are_waited_for(s: Driver):
    await s.start()
    first = await history(s, wait_new_event=True)
    waits = s.soon(history(s, wait_new_event=True, next_page_token=first.next_page_token))
    await s.no_sooner(0.3)
    await s.signal("s")
    await waits


@scenario
async def nothing_is_waited_for_after_the_end(s: Driver):
    await s.start()
    await s.finish()
    await history(s, wait_new_event=True)


@scenario
async def empty_run_id_is_the_current_run(s: Driver):
    await s.start()
    await s.finish()
    await s.start()
    await s.describe()
    await s.call("GetWorkflowExecutionHistory", execution=s.execution)


@scenario
async def earlier_run_by_its_id(s: Driver):
    first = await s.start()
    await s.finish()
    await s.start()
    await s.describe(first.run_id)


# --- descriptions ---


@scenario
async def describe_at_every_step_of_a_task(s: Driver):
    await s.start(workflow_run_timeout=seconds(3600))
    await s.describe()
    task = await s.poll()
    await s.describe()
    await s.fail_task(task)
    await s.describe()
    task = await s.poll()
    await s.describe()
    await s.complete(task, start_timer("t", 600))
    await s.describe()
    await s.signal("s")
    await s.describe()
    await s.finish()
    await s.describe()


@scenario
async def describe_activities_in_every_state(s: Driver):
    await s.start()
    await s.step(
        activity("waits", s.unique("nobody")), activity("runs", s.unique("one")),
        activity("backs-off", s.unique("two"), attempts=0, backoff_s=600))
    await s.poll_activity(queue=s.unique("one"))
    await s.fail_activity(await s.poll_activity(queue=s.unique("two")), "first")
    await s.describe()


@cases({"completed": lambda: complete_workflow("out"), "failed": lambda: fail_workflow("no")})
async def describe_a_closed_run(s: Driver, closing):
    await s.start(workflow_execution_timeout=seconds(7200))
    await s.step(closing())
    await s.describe()
