"""The result of a workflow that was tried again (retry policy), read by a client that does not follow
`new_execution_run_id` by itself.

GetWorkflowExecutionHistory with HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT: to a client whose header `supported-features`
has no `follows-next-run-id`, a run that another one follows (retry; cron) ends with
WORKFLOW_EXECUTION_CONTINUED_AS_NEW, and the new run's id in it, or the client takes the first attempt's failure for the
result. The official Java SDK is such a client (WorkflowRetryTest). Others hear the truth.
"""

from common import *
from datetime import timedelta as D
from temporalio.api.enums.v1 import CommandType, HistoryEventFilterType


async def main():
    s = stub()
    queue, wid = fresh("q"), fresh("retry")
    call = lambda f, r, t=15, **kw: asyncio.to_thread(lambda: f(r, timeout=t, **kw))
    start = api.StartWorkflowExecutionRequest(
        namespace="default",
        workflow_id=wid,
        request_id=fresh(),
        workflow_type=WorkflowType(name="w"),
        task_queue={"name": queue},
    )
    start.retry_policy.initial_interval.FromTimedelta(D(milliseconds=200))
    start.retry_policy.maximum_attempts = 3
    first = (await call(s.StartWorkflowExecution, start)).run_id

    async def attempt(ok: bool):
        task = await call(
            s.PollWorkflowTaskQueue,
            api.PollWorkflowTaskQueueRequest(namespace="default", task_queue={"name": queue}, identity="x"),
            30,
        )
        done = api.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token, identity="x")
        c = done.commands.add()
        if ok:
            c.command_type = CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
            c.complete_workflow_execution_command_attributes.SetInParent()
        else:
            c.command_type = CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION
            c.fail_workflow_execution_command_attributes.failure.message = "once"
            c.fail_workflow_execution_command_attributes.failure.application_failure_info.type = "T"
        await call(s.RespondWorkflowTaskCompleted, done)

    await attempt(False)
    await attempt(True)

    for wait in (True, False):
        for features, expected in (
            (None, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"),
            ("follows-next-run-id", "WORKFLOW_EXECUTION_FAILED"),
        ):
            request = api.GetWorkflowExecutionHistoryRequest(
                namespace="default",
                execution=WorkflowExecution(workflow_id=wid, run_id=first),
                wait_new_event=wait,
                history_event_filter_type=HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT,
            )
            metadata = [("client-name", "temporal-java"), ("client-version", "1.38.0")] + (
                [("supported-features", features)] if features else []
            )
            events = (await call(s.GetWorkflowExecutionHistory, request, metadata=metadata)).history.events
            check(kinds(events) == [expected], f"close event, wait={wait}, features={features}", kinds(events))
            if features is None and kinds(events) == [expected]:
                a = events[0].workflow_execution_continued_as_new_event_attributes
                check(a.new_execution_run_id not in ("", first), "it names the next run", a.new_execution_run_id)
                check(a.failure.message == "once", "and the failure", a.failure.message)


go(main)
