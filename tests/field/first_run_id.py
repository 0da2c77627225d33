"""Terminate and RequestCancel that name both a run and the first run of its chain (`first_execution_run_id`), as
handles of the Java SDK do.

The first run has continued as new. Right: the request is for the chain, so it reaches the current run; `run_id` alone,
or another chain's first run, does not. The official Java SDK tests it (WorkflowStubRespectRunIdTest).
"""

from common import *
from temporalio.api.enums.v1 import CommandType


async def main():
    s = stub()
    call = lambda f, r, t=15: asyncio.to_thread(lambda: f(r, timeout=t))

    async def code(f, r):
        try:
            await call(f, r)
            return "OK"
        except grpc.RpcError as error:
            return error.code().name

    async def chain():
        queue, wid = fresh("q"), fresh("chain")
        start = api.StartWorkflowExecutionRequest(
            namespace="default",
            workflow_id=wid,
            request_id=fresh(),
            workflow_type=WorkflowType(name="w"),
            task_queue={"name": queue},
        )
        first = (await call(s.StartWorkflowExecution, start)).run_id
        task = await call(
            s.PollWorkflowTaskQueue,
            api.PollWorkflowTaskQueueRequest(namespace="default", task_queue={"name": queue}, identity="x"),
            30,
        )
        done = api.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=task.task_token, identity="x")
        c = done.commands.add(command_type=CommandType.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION)
        c.continue_as_new_workflow_execution_command_attributes.workflow_type.name = "w"
        c.continue_as_new_workflow_execution_command_attributes.task_queue.name = queue
        await call(s.RespondWorkflowTaskCompleted, done)
        return wid, first

    client = await connect()
    wid, first = await chain()
    run = WorkflowExecution(workflow_id=wid, run_id=first)
    request = api.TerminateWorkflowExecutionRequest
    answer = await code(s.TerminateWorkflowExecution, request(namespace="default", workflow_execution=run))
    check(answer == "NOT_FOUND", "terminate of the closed run alone", answer)
    answer = await code(
        s.TerminateWorkflowExecution,
        request(namespace="default", workflow_execution=run, first_execution_run_id=str(uuid.uuid4())),
    )
    check(answer == "NOT_FOUND", "terminate with another chain's first run", answer)
    answer = await code(
        s.TerminateWorkflowExecution, request(namespace="default", workflow_execution=run, first_execution_run_id=first)
    )
    check(answer == "OK", "terminate with the first run of the chain", answer)
    check("WORKFLOW_EXECUTION_TERMINATED" in kinds(await history(client, wid)), "the current run is terminated")

    wid, first = await chain()
    answer = await code(
        s.RequestCancelWorkflowExecution,
        api.RequestCancelWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id=wid, run_id=first),
            first_execution_run_id=first,
            request_id=fresh(),
        ),
    )
    check(answer == "OK", "cancel with the first run of the chain", answer)
    check("WORKFLOW_EXECUTION_CANCEL_REQUESTED" in kinds(await history(client, wid)), "the current run hears of it")


go(main)
