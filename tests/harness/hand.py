"""A worker driven by hand: one workflow id on a queue of its own, calls spread over all addresses in turn."""

import asyncio
import itertools
import time
import uuid

from temporalio.api.command.v1 import (
    CancelTimerCommandAttributes,
    CancelWorkflowExecutionCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    RecordMarkerCommandAttributes,
    RequestCancelActivityTaskCommandAttributes,
    RequestCancelExternalWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
    SignalExternalWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
    StartTimerCommandAttributes,
)
from temporalio.api.common.v1 import ActivityType, Payloads, RetryPolicy, WorkflowType
from temporalio.api.enums.v1 import CommandType, TaskQueueKind, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from .rpc import Api, execution, history, name_of, names, payloads, seconds, signal, start_request, unique


class Hand:
    def __init__(self, apis: list[Api], namespace: str = "default"):
        self.apis = itertools.cycle(apis)
        self.namespace = namespace
        self.id = unique("wf")
        self.queue = unique("q")
        self.run = ""

    @property
    def api(self) -> Api:
        """The next address."""
        return next(self.apis)

    async def start(self, **fields):
        request = start_request(self.id, self.queue, namespace=self.namespace, **fields)
        reply = await self.api.call("StartWorkflowExecution", request)
        self.run = reply.run_id
        return reply

    async def signal(self, name: str, *values: str, **fields):
        return await signal(self.api, self.id, name, *values, namespace=self.namespace, **fields)

    async def poll(self, queue: str = "", sticky: bool = False, timeout: float = 20):
        """The next workflow task; an empty one if the server's long poll ran out."""
        name = TaskQueue(name=queue or self.queue)
        if sticky:
            name = TaskQueue(name=queue, kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY, normal_name=self.queue)
        request = w.PollWorkflowTaskQueueRequest(namespace=self.namespace, task_queue=name, identity="hand")
        return await self.api.call("PollWorkflowTaskQueue", request, timeout)

    async def complete(self, task, *commands: Command, sticky: str = "", sticky_s: float = 5, timeout: float = 10, **fields):
        if sticky:
            fields["sticky_attributes"] = StickyExecutionAttributes(
                worker_task_queue=TaskQueue(
                    name=sticky, kind=TaskQueueKind.TASK_QUEUE_KIND_STICKY, normal_name=self.queue
                ),
                schedule_to_start_timeout=seconds(sticky_s),
            )
        request = w.RespondWorkflowTaskCompletedRequest(
            namespace=self.namespace, task_token=task.task_token, commands=commands, identity="hand", **fields
        )
        return await self.api.call("RespondWorkflowTaskCompleted", request, timeout)

    async def step(self, *commands: Command, **fields):
        """Polls, completes, returns the task."""
        task = await self.poll()
        assert task.task_token, "no workflow task"
        await self.complete(task, *commands, **fields)
        return task

    async def fail_task(self, task, message: str = "no"):
        request = w.RespondWorkflowTaskFailedRequest(
            namespace=self.namespace,
            task_token=task.task_token,
            cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
            failure=failure(message),
            identity="hand",
        )
        return await self.api.call("RespondWorkflowTaskFailed", request)

    async def poll_activity(self, timeout: float = 20, queue: str = ""):
        request = w.PollActivityTaskQueueRequest(
            namespace=self.namespace, task_queue=TaskQueue(name=queue or self.queue), identity="hand"
        )
        return await self.api.call("PollActivityTaskQueue", request, timeout)

    async def complete_activity(self, task, *values: str):
        request = w.RespondActivityTaskCompletedRequest(
            namespace=self.namespace, task_token=task.task_token, result=payloads(*values), identity="hand"
        )
        return await self.api.call("RespondActivityTaskCompleted", request)

    async def fail_activity(self, task, message: str = "no", type: str = "Error", non_retryable: bool = False):
        request = w.RespondActivityTaskFailedRequest(
            namespace=self.namespace, task_token=task.task_token,
            failure=failure(message, type, non_retryable), identity="hand",
        )
        return await self.api.call("RespondActivityTaskFailed", request)

    async def heartbeat(self, task, *values: str):
        request = w.RecordActivityTaskHeartbeatRequest(
            namespace=self.namespace, task_token=task.task_token, details=payloads(*values), identity="hand"
        )
        return await self.api.call("RecordActivityTaskHeartbeat", request)

    async def query(self, name: str, timeout: float = 10):
        request = w.QueryWorkflowRequest(
            namespace=self.namespace, execution=execution(self.id, self.run), query=WorkflowQuery(query_type=name)
        )
        return await self.api.call("QueryWorkflow", request, timeout)

    async def answer_query(self, task, *values: str):
        request = w.RespondQueryTaskCompletedRequest(
            namespace=self.namespace, task_token=task.task_token, completed_type=1, query_result=payloads(*values)
        )
        return await self.api.call("RespondQueryTaskCompleted", request)

    async def request_cancel(self, **fields):
        request = w.RequestCancelWorkflowExecutionRequest(
            namespace=self.namespace, workflow_execution=execution(self.id), identity="test",
            request_id=fields.pop("request_id", uuid.uuid4().hex), **fields,
        )
        return await self.api.call("RequestCancelWorkflowExecution", request)

    async def terminate(self, reason: str = "enough"):
        request = w.TerminateWorkflowExecutionRequest(
            namespace=self.namespace, workflow_execution=execution(self.id), reason=reason, identity="test"
        )
        return await self.api.call("TerminateWorkflowExecution", request)

    async def describe(self, run_id: str = ""):
        request = w.DescribeWorkflowExecutionRequest(namespace=self.namespace, execution=execution(self.id, run_id))
        return await self.api.call("DescribeWorkflowExecution", request)

    async def events(self, run_id: str = "", page: int = 0) -> list:
        return await history(self.api, self.id, run_id or self.run, namespace=self.namespace, page=page)

    async def event(self, name: str, count: int = 1, seconds: float = 15):
        """Waits until history has so many events of a name, and gives the attributes of the last of them."""
        deadline = time.monotonic() + seconds
        while True:
            found = [event for event in await self.events() if name_of(event) == name]
            if len(found) >= count:
                return getattr(found[-1], found[-1].WhichOneof("attributes"))
            assert time.monotonic() < deadline, f"no {name}: {await self.event_names()}"
            await asyncio.sleep(0.05)

    def beside(self, id: str = "", queue: str = "") -> "Hand":
        """A hand at another workflow, through the same addresses."""
        hand = Hand([])
        hand.apis, hand.namespace, hand.id = self.apis, self.namespace, id or hand.id
        hand.queue = queue or hand.queue
        return hand

    async def event_names(self) -> list[str]:
        return names(await self.events())


def failure(message: str, type: str = "Error", non_retryable: bool = False) -> Failure:
    return Failure(
        message=message, application_failure_info=ApplicationFailureInfo(type=type, non_retryable=non_retryable)
    )


def complete_workflow(*values: str) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION,
        complete_workflow_execution_command_attributes=CompleteWorkflowExecutionCommandAttributes(
            result=payloads(*values) if values else None
        ),
    )


def fail_workflow(message: str) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
        fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(failure=failure(message)),
    )


def cancel_workflow() -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
        cancel_workflow_execution_command_attributes=CancelWorkflowExecutionCommandAttributes(),
    )


def start_timer(id: str, after_s: float) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_START_TIMER,
        start_timer_command_attributes=StartTimerCommandAttributes(
            timer_id=id, start_to_fire_timeout=seconds(after_s)
        ),
    )


def cancel_timer(id: str) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_CANCEL_TIMER,
        cancel_timer_command_attributes=CancelTimerCommandAttributes(timer_id=id),
    )


def marker(name: str) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_RECORD_MARKER,
        record_marker_command_attributes=RecordMarkerCommandAttributes(
            marker_name=name, details={"data": Payloads()}
        ),
    )


def activity(id: str, queue: str, *, type: str = "A", attempts: int = 1, backoff_s: float = 0.1,
             non_retryable: list[str] | None = None, **timeouts: float) -> Command:
    """Timeouts by their API names without `_timeout`, in seconds, e.g. `start_to_close=5`."""
    timeouts = timeouts or {"start_to_close": 10}
    return Command(
        command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
        schedule_activity_task_command_attributes=ScheduleActivityTaskCommandAttributes(
            activity_id=id,
            activity_type=ActivityType(name=type),
            task_queue=TaskQueue(name=queue),
            input=payloads("in"),
            retry_policy=RetryPolicy(
                initial_interval=seconds(backoff_s), backoff_coefficient=1, maximum_attempts=attempts,
                non_retryable_error_types=non_retryable or [],
            ),
            **{f"{name}_timeout": seconds(value) for name, value in timeouts.items()},
        ),
    )


def cancel_activity(scheduled_event_id: int) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_ACTIVITY_TASK,
        request_cancel_activity_task_command_attributes=RequestCancelActivityTaskCommandAttributes(
            scheduled_event_id=scheduled_event_id
        ),
    )


def child(id: str, queue: str, *, type: str = "C", **fields) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_START_CHILD_WORKFLOW_EXECUTION,
        start_child_workflow_execution_command_attributes=StartChildWorkflowExecutionCommandAttributes(
            workflow_id=id, workflow_type=WorkflowType(name=type), task_queue=TaskQueue(name=queue), **fields
        ),
    )


def signal_external(id: str, name: str = "s", run_id: str = "", **fields) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION,
        signal_external_workflow_execution_command_attributes=SignalExternalWorkflowExecutionCommandAttributes(
            execution=execution(id, run_id), signal_name=name, **fields
        ),
    )


def cancel_external(id: str, run_id: str = "", **fields) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION,
        request_cancel_external_workflow_execution_command_attributes=(
            RequestCancelExternalWorkflowExecutionCommandAttributes(workflow_id=id, run_id=run_id, **fields)
        ),
    )


def query_result(value: str) -> WorkflowQueryResult:
    return WorkflowQueryResult(result_type=1, answer=payloads(value))
