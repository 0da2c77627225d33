"""temporalio/temporal#5174 and #5848 ("updates will just timeout"): an update whose worker never
comes, with a time limit of the caller.

`execute_update(..., rpc_timeout=4 s)` and `start_update`. Right: the caller hears after some 4 s that its call timed
out, as its SDK documents (WorkflowUpdateRPCTimeoutOrCancelledError). A server that answers "not yet" just before each
deadline makes the SDK ask again for ever.
"""

from common import *
from temporalio import workflow
from temporalio.client import WorkflowUpdateStage as Stage, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy as Conflict


LIMIT = 12


@workflow.defn
class W:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def u(self) -> None:
        pass

    @workflow.update
    async def hang(self) -> None:
        await workflow.wait_condition(lambda: False)


async def main():
    client = await connect(0)
    queue = fresh("q")

    async def hears(what, make, seconds=4):
        took = []
        with timed(took):
            try:
                got = f"result {await asyncio.wait_for(make(), LIMIT)}"
            except TimeoutError:
                got = "nothing"
            except Exception as error:
                got = f"{type(error).__name__}: {error}"
        check(seconds - 1 < took[0] < seconds + 3, what, f"{got:.120}; {took[0]:.1f} s")

    handle = await client.start_workflow(W.run, id=fresh(), task_queue=queue)
    await hears("execute_update, no worker", lambda: handle.execute_update(W.u, rpc_timeout=S(4)))
    await hears(
        "start_update to ACCEPTED, no worker",
        lambda: handle.start_update(W.u, wait_for_stage=Stage.ACCEPTED, rpc_timeout=S(4)),
    )
    op = WithStartWorkflowOperation(W.run, id=fresh(), task_queue=queue, id_conflict_policy=Conflict.FAIL)
    await hears(
        "update-with-start, no worker",
        lambda: client.execute_update_with_start_workflow(W.u, start_workflow_operation=op, rpc_timeout=S(4)),
    )
    async with worker(client, queue, [W]):
        await hears("execute_update that takes for ever", lambda: handle.execute_update(W.hang, rpc_timeout=S(4)))
        u = await handle.start_update(W.hang, wait_for_stage=Stage.ACCEPTED)
        await hears("its result", lambda: u.result(rpc_timeout=S(4)))
    from temporalio.api.update.v1 import Request, Meta, Input

    for seconds in (4, 30):
        took = []
        with timed(took):
            try:
                answer = await asyncio.to_thread(
                    lambda: stub(1).UpdateWorkflowExecution(
                        api.UpdateWorkflowExecutionRequest(
                            namespace="default",
                            workflow_execution=WorkflowExecution(workflow_id=handle.id),
                            request=Request(meta=Meta(update_id=fresh()), input=Input(name="hang")),
                            wait_policy={"lifecycle_stage": 3},
                        ),
                        timeout=seconds,
                    )
                )
                got = f"stage {answer.stage}"
            except grpc.RpcError as error:
                got = f"{error.code().name} {error.details()[:60]}"
        note(f"UpdateWorkflowExecution by hand with a deadline of {seconds} s: {got}; {took[0]:.2f} s")
    await handle.terminate()


go(main, 145)
