"""Updates by hand: requests of a client, and the messages by which a worker answers them."""

import asyncio

import grpc
from google.protobuf.any_pb2 import Any
from temporalio.api.command.v1 import Command, ProtocolMessageCommandAttributes
from temporalio.api.enums.v1 import CommandType
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Input, Meta, Outcome, Rejection, Request, Response, UpdateRef, WaitPolicy
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from .hand import Hand, failure
from .rpc import execution, payloads, start_request

ADMITTED, ACCEPTED, COMPLETED = 1, 2, 3


def update_request(hand: Hand, id: str = "u", wait: int | None = COMPLETED, *, run: str = "", first_run: str = "",
                   name: str = "up"):
    return w.UpdateWorkflowExecutionRequest(
        namespace=hand.namespace,
        workflow_execution=execution(hand.id, run),
        first_execution_run_id=first_run,
        wait_policy=None if wait is None else WaitPolicy(lifecycle_stage=wait),
        request=Request(meta=Meta(update_id=id, identity="client"), input=Input(name=name, args=payloads("in"))),
    )


async def update(hand: Hand, id: str = "u", wait: int | None = COMPLETED, timeout: float = 15, **fields):
    return await hand.api.call("UpdateWorkflowExecution", update_request(hand, id, wait, **fields), timeout)


async def poll_update(hand: Hand, id: str = "u", wait: int | None = COMPLETED, run: str = "", timeout: float = 15):
    ref = UpdateRef(workflow_execution=execution(hand.id, run), update_id=id)
    policy = None if wait is None else WaitPolicy(lifecycle_stage=wait)
    request = w.PollWorkflowExecutionUpdateRequest(namespace=hand.namespace, update_ref=ref, wait_policy=policy)
    return await hand.api.call("PollWorkflowExecutionUpdate", request, timeout)


async def update_with_start(hand: Hand, request, timeout: float = 15, **start):
    operation = w.ExecuteMultiOperationRequest.Operation
    operations = [
        operation(start_workflow=start_request(hand.id, hand.queue, namespace=hand.namespace, **start)),
        operation(update_workflow=request),
    ]
    request = w.ExecuteMultiOperationRequest(namespace=hand.namespace, operations=operations)
    return await hand.api.call("ExecuteMultiOperation", request, timeout)


async def admitted(hand: Hand, *ids: str, look: Hand | None = None, **fields) -> list[asyncio.Task]:
    """Calls that wait for updates which the server has; `look` is the hand that finds that out."""
    calls = []
    for id in ids:
        calls.append(asyncio.create_task(update(hand, id, **fields)))
        while not calls[-1].done():
            try:
                await poll_update(look or hand, id, wait=None)
                break
            except grpc.RpcError:
                await asyncio.sleep(0.02)
    return calls


def message(id: str, kind: str, body) -> Message:
    packed = Any()
    packed.Pack(body)
    return Message(id=f"{id}/{kind}", protocol_instance_id=id, body=packed)


def accept(id: str, after: int = 5) -> Message:
    body = Acceptance(accepted_request_message_id=f"{id}/request", accepted_request_sequencing_event_id=after)
    return message(id, "accept", body)


def reject(id: str, why: str = "no") -> Message:
    return message(id, "reject", Rejection(rejected_request_message_id=f"{id}/request", failure=failure(why)))


def respond(id: str, value: str = "done") -> Message:
    outcome = Outcome(success=payloads(value))
    return message(id, "respond", Response(meta=Meta(update_id=id, identity="client"), outcome=outcome))


def named(message: Message) -> Command:
    return Command(
        command_type=CommandType.COMMAND_TYPE_PROTOCOL_MESSAGE,
        protocol_message_command_attributes=ProtocolMessageCommandAttributes(message_id=message.id),
    )
