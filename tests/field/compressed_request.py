"""temporalio/sdk-typescript#2157 (GetSystemInfo fails with gzip), temporalio/sdk-dotnet#781, metalbear-co/docs#347:
compressed gRPC.

Requests in gzip, in deflate, from clients that accept gzip answers or none. Right: gzip is understood everywhere;
another codec is UNIMPLEMENTED, naming what is supported; a message that inflates to more than the limit is refused as
too large, quickly and with the text by which SDKs know not to try again.
"""

from common import *
from temporalio.client import GrpcCompression
from temporalio.api.taskqueue.v1 import TaskQueue


async def main():
    for node in range(len(ADDRESSES)):
        for name, codec in (
            ("none", grpc.Compression.NoCompression),
            ("gzip", grpc.Compression.Gzip),
            ("deflate", grpc.Compression.Deflate),
        ):
            raw = stub(node)
            try:
                info = raw.GetSystemInfo(api.GetSystemInfoRequest(), timeout=10, compression=codec)
                queue = fresh("q")
                raw.StartWorkflowExecution(
                    api.StartWorkflowExecutionRequest(
                        namespace="default",
                        workflow_id=fresh(),
                        workflow_type=WorkflowType(name="w"),
                        request_id=fresh(),
                        task_queue=TaskQueue(name=queue),
                        input=Payloads(payloads=[payload(b"x" * 100_000)]),
                    ),
                    timeout=10,
                    compression=codec,
                )
                task = raw.PollWorkflowTaskQueue(
                    api.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name=queue)),
                    timeout=10,
                    compression=codec,
                )
                answer = "ok" if len(task.history.events) == 3 else task
            except grpc.RpcError as error:
                answer = f"{error.code().name}: {error.details()[:140]}"
            check(
                answer == "ok" or (name == "deflate" and answer.startswith("UNIMPLEMENTED")),
                f"node {node + 1}, {name}",
                answer,
            )
    for size in (3, 5, 60, 70, 200):
        took = []
        with timed(took):
            try:
                stub(0).SignalWorkflowExecution(
                    api.SignalWorkflowExecutionRequest(
                        namespace="default",
                        workflow_execution=WorkflowExecution(workflow_id="none"),
                        signal_name="s",
                        input=Payloads(payloads=[payload(b"x" * size * 1_000_000)]),
                    ),
                    timeout=30,
                    compression=grpc.Compression.Gzip,
                )
                answer = "accepted"
            except grpc.RpcError as error:
                answer = f"{error.code().name}: {error.details()[:120]}"
        known = "RESOURCE_EXHAUSTED" in answer and ("larger than max" in answer)
        check(size == 3 or known, f"{size} MB in gzip: too large in the SDK's terms", f"{answer}; {took[0]:.2f} s")


go(main, 80)
