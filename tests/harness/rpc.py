"""Raw API calls: no SDK, no retries, so that every error of the server is seen as it was sent."""

import uuid

import grpc
from temporalio.api.operatorservice.v1 import service_pb2_grpc as operator
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.api.workflowservice.v1 import service_pb2_grpc as workflow
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType
from temporalio.api.taskqueue.v1 import TaskQueue
from google.protobuf.duration_pb2 import Duration

# A subchannel pool of its own: a new channel to a node that came back must not inherit an old one's back-off.
NO_RETRIES = [("grpc.enable_retries", 0), ("grpc.max_receive_message_length", 64 << 20),
              ("grpc.use_local_subchannel_pool", 1)]

# Asked by the CLI the reference server shows durable events only; to others also those of a task's later attempts.
DURABLE = {"GetWorkflowExecutionHistory": [("client-name", "temporal-cli"), ("client-version", "1.9.1")]}


class Api:
    """The services at one address. `call` has a deadline and no second try."""

    def __init__(self, address: str):
        self.address = address
        self.channel = grpc.aio.insecure_channel(address, options=NO_RETRIES)
        self.workflow = workflow.WorkflowServiceStub(self.channel)
        self.operator = operator.OperatorServiceStub(self.channel)

    async def call(self, method: str, request, timeout: float = 10, headers: dict[str, str] | None = None):
        service = self.workflow if hasattr(self.workflow, method) else self.operator
        metadata = DURABLE.get(method) if headers is None else list(headers.items())
        return await getattr(service, method)(request, timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        await self.channel.close()


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def payloads(*values: bytes | str) -> Payloads:
    return Payloads(payloads=[payload(v) for v in values])


def payload(value: bytes | str) -> Payload:
    data = value if isinstance(value, bytes) else value.encode()
    return Payload(metadata={"encoding": b"binary/plain"}, data=data)


def data(found: Payloads) -> list[bytes]:
    return [p.data for p in found.payloads]


def seconds(value: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(value * 1000))
    return duration


def start_request(workflow_id: str, queue: str, *, namespace: str = "default", type: str = "T", **fields):
    fields.setdefault("request_id", uuid.uuid4().hex)
    return w.StartWorkflowExecutionRequest(
        namespace=namespace,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name=type),
        task_queue=TaskQueue(name=queue),
        identity="test",
        **fields,
    )


def execution(workflow_id: str, run_id: str = "") -> WorkflowExecution:
    return WorkflowExecution(workflow_id=workflow_id, run_id=run_id)


def name_of(event) -> str:
    """WorkflowExecutionStarted and so on."""
    return "".join(part.capitalize() for part in EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").split("_"))


def names(events) -> list[str]:
    return [name_of(event) for event in events]


async def history(api: Api, workflow_id: str, run_id: str = "", *, namespace: str = "default", page: int = 0) -> list:
    """All events of a run, page by page; asserts that they are gap-free."""
    events, token = [], b""
    while True:
        reply = await api.call(
            "GetWorkflowExecutionHistory",
            w.GetWorkflowExecutionHistoryRequest(
                namespace=namespace,
                execution=execution(workflow_id, run_id),
                maximum_page_size=page,
                next_page_token=token,
            ),
        )
        events.extend(reply.history.events)
        token = reply.next_page_token
        if not token:
            break
    assert [e.event_id for e in events] == list(range(1, len(events) + 1)), names(events)
    return events


async def describe(api: Api, workflow_id: str, run_id: str = "", namespace: str = "default"):
    return await api.call(
        "DescribeWorkflowExecution",
        w.DescribeWorkflowExecutionRequest(namespace=namespace, execution=execution(workflow_id, run_id)),
    )


async def signal(api: Api, workflow_id: str, name: str, *values: str, run_id: str = "", request_id: str = "",
                 namespace: str = "default"):
    return await api.call(
        "SignalWorkflowExecution",
        w.SignalWorkflowExecutionRequest(
            namespace=namespace,
            workflow_execution=execution(workflow_id, run_id),
            signal_name=name,
            input=payloads(*values),
            identity="test",
            request_id=request_id or uuid.uuid4().hex,
        ),
    )
