"""QueryWorkflow: who answers it, when it is refused, how it fails."""

from harness.hand import cancel_workflow, complete_workflow, fail_workflow, failure, query_result, start_timer

from ..driver import Driver, refused
from ..registry import cases, scenario

NONE = "00000000-0000-0000-0000-000000000001"


async def query(s: Driver, **changed):
    fields = {"execution": s.execution, "query": {"query_type": "q"}} | changed
    return await s.call("QueryWorkflow", **{name: value for name, value in fields.items() if value is not None})


async def answered(s: Driver, **changed):
    """Asks, and answers with a query task of its own."""
    asked = s.soon(query(s, **changed))
    await s.answer_query(await s.poll(), "answer")
    await asked


ENDS = {
    "completed": lambda s: s.finish(), "failed": lambda s: s.step(fail_workflow("no")),
    "canceled": lambda s: s.step(cancel_workflow()), "terminated": lambda s: s.terminate(),
}


@scenario
async def idle(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600))
    await answered(s)


@scenario
async def with_arguments_and_header(s: Driver):
    await s.start()
    await s.step()
    await answered(s, query={
        "query_type": "q", "query_args": {"payloads": [{"data": b"1"}]}, "header": {"fields": {"h": {"data": b"v"}}}})


@cases(ENDS)
async def after_the_end(s: Driver, end):
    await s.start()
    await s.step()
    await s.signal("s")
    await end(s)
    await answered(s)


@cases({
    f"{condition}-{end}".lower().replace("_", "-"): (condition, ENDS[end])
    for condition in ("NOT_OPEN", "NOT_COMPLETED_CLEANLY") for end in ("failed", "canceled", "terminated")
})
async def rejected(s: Driver, condition: str, end):
    await s.start()
    await end(s)
    await query(s, query_reject_condition=f"QUERY_REJECT_CONDITION_{condition}")


@scenario
async def rejected_when_completed_and_open_is_wanted(s: Driver):
    await s.start()
    await s.finish()
    await query(s, query_reject_condition="QUERY_REJECT_CONDITION_NOT_OPEN")


@scenario
async def completed_cleanly_is_clean(s: Driver):
    await s.start()
    await s.finish()
    await answered(s, query_reject_condition="QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY")


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-execution": {"execution": None},
    "no-id": {"execution": {"run_id": NONE}},
    "unknown-id": {"execution": {"workflow_id": "there-is-none"}},
    "bad-run-id": {"execution": {"workflow_id": "x", "run_id": "not-a-uuid"}},
    "no-query": {"query": None},
    "no-type": {"query": {}},
})
async def bad(s: Driver, changed: dict):
    await s.start()
    await s.step()
    await refused(query(s, **changed))


@scenario
async def before_the_first_task(s: Driver):
    await s.start()
    asked = s.soon(query(s))
    await s.no_sooner(0.3)
    task = await s.poll()
    await s.complete(task, query_results={id: query_result("rode") for id in task.queries})
    await refused(asked)


@scenario
async def rides_on_a_workflow_task(s: Driver):
    await s.start()
    await s.step()
    await s.signal("s")
    asked = s.soon(query(s))
    await s.no_sooner(0.5)
    task = await s.poll()
    s.note("queries", [each.query_type for each in task.queries.values()])
    await s.complete(task, query_results={id: query_result("rode") for id in task.queries})
    await refused(asked)


@scenario
async def fails_on_a_workflow_task(s: Driver):
    await s.start()
    await s.step()
    await s.signal("s")
    asked = s.soon(query(s))
    await s.no_sooner(0.5)
    task = await s.poll()
    await s.complete(task, query_results={
        id: {"result_type": "QUERY_RESULT_TYPE_FAILED", "error_message": "unknown", "failure": failure("no")}
        for id in task.queries})
    await refused(asked)


@scenario
async def rides_on_the_task_that_ends_the_run(s: Driver):
    await s.start()
    await s.step()
    await s.signal("s")
    asked = s.soon(query(s))
    await s.no_sooner(0.5)
    task = await s.poll()
    await s.complete(task, complete_workflow(), query_results={id: query_result("rode") for id in task.queries})
    await refused(asked)


@cases({
    "plain": {"error_message": "unknown query"},
    "with-failure": {"error_message": "unknown query", "failure": failure("no")},
    "without-words": {},
})
async def fails(s: Driver, fields: dict):
    await s.start()
    await s.step()
    asked = s.soon(query(s))
    task = await s.poll()
    await s.call("RespondQueryTaskCompleted", task_token=task.task_token,
                 completed_type="QUERY_RESULT_TYPE_FAILED", **fields)
    await refused(asked)


@scenario
async def answered_twice(s: Driver):
    await s.start()
    await s.step()
    asked = s.soon(query(s))
    task = await s.poll()
    await s.answer_query(task, "one")
    await asked
    await refused(s.answer_query(task, "two"))


@scenario
async def behind_a_task_that_fails(s: Driver):
    await s.start()
    await s.step()
    await s.signal("s")
    await s.fail_task(await s.poll())
    await s.fail_task(await s.poll())
    asked = s.soon(query(s))
    await s.no_sooner(0.3)
    await refused(asked)
