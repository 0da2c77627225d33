"""temporalio/sdk-java#3005, #3006: a chain of causes so deep that it cannot be read any more; the workflow is stuck for
good.

By hand over the raw API, for growing depths: an activity fails with a chain of causes, a workflow task fails with one,
a workflow fails with one (retried, so that the next run starts with it), and a signal of a payload goes on afterwards.
Right: the request is refused with a reason, or everything can be read and goes on: the history, describe, the next
task. Never accepted and then unreadable.
"""

from common import *
from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import (
    Command,
    ScheduleActivityTaskCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
)
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue


def varint(n: int) -> bytes:
    out = b""
    while True:
        n, low = n >> 7, n & 127
        out += bytes([low | (128 if n else 0)])
        if not n:
            return out


def chain(depth: int) -> bytes:
    """An encoded Failure with `depth` failures in all, made from the inside: message = 1, cause = 4, application info = 5."""
    info = ApplicationFailureInfo(type="t").SerializeToString()
    wire = b""
    for i in range(depth):
        body = b"\x0a\x01m" + (b"\x22" + varint(len(wire)) + wire if wire else b"") + b"\x2a" + varint(len(info)) + info
        wire = body
    return wire


def length_delimited(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


async def main():
    channel = grpc.insecure_channel(ADDRESSES[0], options=[("grpc.max_receive_message_length", -1)])
    raw = stub(1)

    def call(method, wire):  # bytes in, bytes out: no limit of our own
        return channel.unary_unary(
            f"/temporal.api.workflowservice.v1.WorkflowService/{method}",
            request_serializer=lambda x: x,
            response_deserializer=lambda x: x,
        )(wire, timeout=10)

    def start(queue, **options):
        wid = fresh("nest")
        raw.StartWorkflowExecution(
            api.StartWorkflowExecutionRequest(
                namespace="default",
                workflow_id=wid,
                workflow_type=WorkflowType(name="w"),
                request_id=fresh(),
                task_queue=TaskQueue(name=queue),
                workflow_task_timeout=Duration(seconds=3),
                **options,
            ),
            timeout=10,
        )
        return wid

    def poll_wire(method, kind, queue):
        return call(
            method, kind(namespace="default", task_queue=TaskQueue(name=queue), identity="me").SerializeToString()
        )

    def token_of(wire: bytes) -> bytes:  # field 1, first
        assert wire[:1] == b"\x0a", wire[:10]
        n, shift, at = 0, 0, 1
        while True:
            n |= (wire[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not wire[at - 1] & 128:
                return wire[at : at + n]

    poll_workflow = lambda queue: token_of(poll_wire("PollWorkflowTaskQueue", api.PollWorkflowTaskQueueRequest, queue))
    schedule = Command(
        command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        schedule_activity_task_command_attributes=ScheduleActivityTaskCommandAttributes(
            activity_id="a",
            activity_type=ActivityType(name="x"),
            start_to_close_timeout=Duration(seconds=20),
            retry_policy=RetryPolicy(initial_interval=Duration(nanos=100_000_000), maximum_attempts=2),
        ),
    )

    def usable(wid):
        """Can the run be read, and does it go on?"""
        trouble = []
        for method, request in (
            (
                "GetWorkflowExecutionHistory",
                api.GetWorkflowExecutionHistoryRequest(
                    namespace="default", execution=WorkflowExecution(workflow_id=wid)
                ),
            ),
            (
                "DescribeWorkflowExecution",
                api.DescribeWorkflowExecutionRequest(namespace="default", execution=WorkflowExecution(workflow_id=wid)),
            ),
        ):
            try:
                call(method, request.SerializeToString())
            except grpc.RpcError as error:
                trouble.append(f"{method}: {error.code().name} {error.details()[:80]}")
        return trouble

    for depth in (10, 60, 90, 93, 95, 96, 97, 98, 99, 100, 120, 500, 3000):
        wire = chain(depth)
        out, bad = [], []

        def tried(what, wid, act, after):
            try:
                act()
                out.append(f"{what} accepted")
            except grpc.RpcError as error:
                out.append(f"{what} refused ({error.code().name}: {error.details()[:60]})")
                try:
                    raw.TerminateWorkflowExecution(
                        api.TerminateWorkflowExecutionRequest(
                            namespace="default", workflow_execution=WorkflowExecution(workflow_id=wid)
                        ),
                        timeout=10,
                    )
                except grpc.RpcError:
                    pass
                return
            bad.extend(f"{what}: {t}" for t in usable(wid))
            try:
                after()
            except Exception as error:
                bad.append(
                    f"{what}: going on: {error.details()[:100] if isinstance(error, grpc.RpcError) else repr(error)}"
                )
            bad.extend(f"{what}, later: {t}" for t in usable(wid))
            try:
                raw.TerminateWorkflowExecution(
                    api.TerminateWorkflowExecutionRequest(
                        namespace="default", workflow_execution=WorkflowExecution(workflow_id=wid)
                    ),
                    timeout=10,
                )
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    bad.append(f"{what}: terminate: {error.details()[:80]}")

        # an activity: field 2 is the failure; twice, so that the second is the end of it
        queue = fresh("q")
        wid = start(queue)
        token = poll_workflow(queue)
        schedule.schedule_activity_task_command_attributes.task_queue.name = queue
        raw.RespondWorkflowTaskCompleted(
            api.RespondWorkflowTaskCompletedRequest(task_token=token, commands=[schedule], identity="me"), timeout=10
        )
        one = token_of(poll_wire("PollActivityTaskQueue", api.PollActivityTaskQueueRequest, queue))

        def second():
            two = token_of(poll_wire("PollActivityTaskQueue", api.PollActivityTaskQueueRequest, queue))
            call("RespondActivityTaskFailed", length_delimited(1, two) + length_delimited(2, wire))
            got = poll_wire("PollWorkflowTaskQueue", api.PollWorkflowTaskQueueRequest, queue)
            assert got.count(b"\x0a\x01m") >= depth, "the whole chain reaches the worker"

        tried(
            "activity",
            wid,
            lambda: call("RespondActivityTaskFailed", length_delimited(1, one) + length_delimited(2, wire)),
            second,
        )
        # a workflow task: cause = field 2, failure = field 3
        queue = fresh("q")
        wid = start(queue)
        token = poll_workflow(queue)
        tried(
            "workflow task",
            wid,
            lambda: call(
                "RespondWorkflowTaskFailed", length_delimited(1, token) + b"\x10\x18" + length_delimited(3, wire)
            ),
            lambda: poll_workflow(queue),
        )
        # a workflow, retried: commands = field 2, command type 4 (FAIL), attributes field 6, failure field 1
        queue = fresh("q")
        wid = start(queue, retry_policy=RetryPolicy(initial_interval=Duration(nanos=100_000_000), maximum_attempts=2))
        token = poll_workflow(queue)
        kind = CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION
        number = Command.DESCRIPTOR.fields_by_name["fail_workflow_execution_command_attributes"].number
        command = b"\x08" + varint(kind) + length_delimited(number, length_delimited(1, wire))
        tried(
            "workflow",
            wid,
            lambda: call("RespondWorkflowTaskCompleted", length_delimited(1, token) + length_delimited(2, command)),
            lambda: poll_workflow(queue),
        )
        check(not bad, f"depth {depth}", "; ".join(bad) if bad else "; ".join(out))


go(main, 140)
