"""temporalio/temporal#4764 and #8097 by hand, the smallest form of closing_under_fire: what a signal, a signal-with-start and an update
hear after a completion was refused with UnhandledCommand.

Right (the reference since 1.21.5): while the task that was scheduled for the signal is not done, another signal is
turned away with a retryable RESOURCE_EXHAUSTED (cause BUSY_WORKFLOW), so that the second try to close succeeds.
"""

from common import *
from temporalio.api.command.v1 import Command, CompleteWorkflowExecutionCommandAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.api.taskqueue.v1 import TaskQueue


async def main():
    raw, other = stub(0), stub(1)
    queue, wid = fresh("q"), fresh("closing")
    raw.StartWorkflowExecution(
        api.StartWorkflowExecutionRequest(
            namespace="default",
            workflow_id=wid,
            workflow_type=WorkflowType(name="w"),
            request_id=fresh(),
            task_queue=TaskQueue(name=queue),
        ),
        timeout=10,
    )
    poll = lambda: raw.PollWorkflowTaskQueue(
        api.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name=queue), identity="me"),
        timeout=10,
    )
    signal = lambda: other.SignalWorkflowExecution(
        api.SignalWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id=wid),
            signal_name="s",
            request_id=fresh(),
        ),
        timeout=5,
    )
    sws = lambda: other.SignalWithStartWorkflowExecution(
        api.SignalWithStartWorkflowExecutionRequest(
            namespace="default",
            workflow_id=wid,
            workflow_type=WorkflowType(name="w"),
            request_id=fresh(),
            task_queue=TaskQueue(name=queue),
            signal_name="s",
        ),
        timeout=5,
    )
    complete = lambda task: raw.RespondWorkflowTaskCompleted(
        api.RespondWorkflowTaskCompletedRequest(
            task_token=task.task_token,
            identity="me",
            commands=[
                Command(
                    command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
                    complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes(),
                )
            ],
        ),
        timeout=10,
    )

    def hear(call):
        try:
            call()
            return "ok"
        except grpc.RpcError as error:
            return f"{error.code().name} {error.details()[:90]}"

    task = poll()
    note(f"signal during the first task: {hear(signal)}")
    note(f"completion: {hear(lambda: complete(task))}")
    task = poll()
    first, second = hear(signal), hear(sws)
    note(f"signal during the second task: {first}; signal-with-start: {second}")
    again = hear(lambda: complete(task))
    note(f"second completion: {again}")
    check(again == "ok", "the second try to close succeeds although signals keep coming")
    note(f"signal afterwards: {hear(signal)}")
    with contextlib.suppress(grpc.RpcError):
        raw.TerminateWorkflowExecution(
            api.TerminateWorkflowExecutionRequest(
                namespace="default", workflow_execution=WorkflowExecution(workflow_id=wid)
            ),
            timeout=10,
        )


go(main, 60)
