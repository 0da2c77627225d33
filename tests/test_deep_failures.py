"""Failures with thousands of causes (F3, F72): what is accepted can be read, forwarded and gone on with; what is not is
refused before anything is recorded. Messages are bytes here, for Python's decoder gives up at 100 levels."""

import grpc
import pytest
from temporalio.api.command.v1 import Command
from temporalio.api.common.v1 import RetryPolicy
from temporalio.api.enums.v1 import CommandType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.hand import Hand, activity, start_timer
from harness.rpc import execution, seconds

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService"
LIMIT = 5000
ACCEPTED = [1, 96, 97, 98, 99, 100, 3000, LIMIT]
TOO_LONG = "A chain of failures exceeds the limit of 5000 causes."
MARK = b"\x0a\x01m"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def chain(length: int) -> bytes:
    """An encoded failure with so many failures in all, made from the inside."""
    wire = b""
    for _ in range(length):
        wire = MARK + (field(4, wire) if wire else b"") + field(5, field(1, b"T"))
    return wire


class Raw:
    """Calls of bytes, each at the next node."""

    def __init__(self, addresses: list[str]):
        options = [("grpc.max_receive_message_length", -1)]
        self.channels = [grpc.aio.insecure_channel(address, options=options) for address in addresses]
        self.next = 0

    async def __call__(self, method: str, wire: bytes) -> bytes:
        self.next += 1
        channel = self.channels[self.next % len(self.channels)]
        return await channel.unary_unary(f"{SERVICE}/{method}")(wire, timeout=20)

    async def close(self) -> None:
        for channel in self.channels:
            await channel.close()


@pytest.fixture
async def raw(cluster):
    calls = Raw(cluster.addresses)
    yield calls
    await calls.close()


@pytest.fixture
def hand(apis) -> Hand:
    return Hand(apis)


async def history(raw: Raw, hand: Hand) -> bytes:
    request = w.GetWorkflowExecutionHistoryRequest(namespace="default", execution=execution(hand.id))
    return await raw("GetWorkflowExecutionHistory", request.SerializeToString())


async def everything_is_read(raw: Raw, hand: Hand, length: int) -> None:
    """By every node."""
    request = w.DescribeWorkflowExecutionRequest(namespace="default", execution=execution(hand.id))
    for _ in raw.channels:
        assert (await history(raw, hand)).count(MARK) == length
        await raw("DescribeWorkflowExecution", request.SerializeToString())


def poll(hand: Hand) -> bytes:
    request = w.PollWorkflowTaskQueueRequest(namespace="default", task_queue=TaskQueue(name=hand.queue))
    return request.SerializeToString()


async def fail_activity(raw: Raw, hand: Hand, failure: bytes) -> None:
    task = await hand.poll_activity()
    await raw("RespondActivityTaskFailed", field(1, task.task_token) + field(2, failure))


async def fail_workflow_task(raw: Raw, task, failure: bytes) -> None:
    await raw("RespondWorkflowTaskFailed", field(1, task.task_token) + b"\x10\x18" + field(3, failure))


async def fail_workflow(raw: Raw, task, failure: bytes) -> None:
    number = Command.DESCRIPTOR.fields_by_name["fail_workflow_execution_command_attributes"].number
    kind = CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION
    command = b"\x08" + varint(kind) + field(number, field(1, failure))
    await raw("RespondWorkflowTaskCompleted", field(1, task.task_token) + field(2, command))


@pytest.mark.parametrize("length", ACCEPTED)
async def test_an_activity_fails_with_a_chain(raw, hand, length):
    await hand.start()
    await hand.step(activity("a", hand.queue, attempts=2))
    # Kept for the second attempt, recorded after it.
    await fail_activity(raw, hand, chain(length))
    await everything_is_read(raw, hand, 0)
    await fail_activity(raw, hand, chain(length))
    # The start of the second attempt tells of the first one's failure; of a large one the outermost
    # and twenty causes, as on the reference.
    first = length if len(chain(length)) <= 4096 else 21
    await everything_is_read(raw, hand, first + length)
    task = await raw("PollWorkflowTaskQueue", poll(hand))
    assert task.count(MARK) == first + length
    await hand.terminate()


@pytest.mark.parametrize("length", ACCEPTED)
async def test_an_activity_fails_with_a_chain_while_a_workflow_task_runs(raw, hand, length):
    await hand.start()
    await hand.step(activity("a", hand.queue))
    await hand.signal("s")
    task = await hand.poll()
    await fail_activity(raw, hand, chain(length))
    await everything_is_read(raw, hand, 0)
    await hand.complete(task)
    await everything_is_read(raw, hand, length)
    assert (await raw("PollWorkflowTaskQueue", poll(hand))).count(MARK) == length
    await hand.terminate()


@pytest.mark.parametrize("length", ACCEPTED)
async def test_a_workflow_task_fails_with_a_chain(raw, hand, length):
    await hand.start()
    await fail_workflow_task(raw, await hand.poll(), chain(length))
    await everything_is_read(raw, hand, length)
    assert (await raw("PollWorkflowTaskQueue", poll(hand))).count(MARK) == length
    await hand.terminate()


@pytest.mark.parametrize("length", ACCEPTED)
async def test_a_workflow_fails_with_a_chain_and_is_retried(raw, hand, length):
    await hand.start(retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=seconds(0.1)))
    await fail_workflow(raw, await hand.poll(), chain(length))
    # The next run begins with it.
    assert (await raw("PollWorkflowTaskQueue", poll(hand))).count(MARK) == length
    await everything_is_read(raw, hand, length)
    await hand.terminate()


async def test_a_longer_chain_is_refused_and_nothing_is_recorded(raw, hand):
    await hand.start()
    task = await hand.poll()
    before = await history(raw, hand)
    for too_long in (chain(LIMIT + 1), chain(2 * LIMIT)):
        for fail in (fail_workflow_task, fail_workflow):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await fail(raw, task, too_long)
            assert (caught.value.code().name, caught.value.details()) == ("INVALID_ARGUMENT", TOO_LONG)
    assert await history(raw, hand) == before
    await hand.complete(task, start_timer("t", 600))


async def test_no_bytes_end_a_node(raw, hand, cluster):
    """Groups and causes by the thousand, in every place where a decoder could recurse."""
    nested = b""
    for _ in range(20_000):
        nested = field(4, nested)
    bombs = [b"\x0b" * 1_000_000, b"\xa3\x06" * 1_000_000, nested, field(5, nested), field(4, b"\x0b" * 1_000_000)]
    await hand.start()
    task = await hand.poll()
    refused = 0
    for bomb in bombs:
        for wire in (bomb, field(3, bomb), field(1, task.task_token) + field(3, bomb), field(2, field(6, field(1, bomb)))):
            for method in ("RespondWorkflowTaskFailed", "RespondWorkflowTaskCompleted", "RespondActivityTaskFailed"):
                for _ in raw.channels:
                    try:
                        await raw(method, wire)
                    except grpc.aio.AioRpcError as error:
                        assert error.code().name in ("INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND"), method
                        assert len(error.details()) < 300
                        refused += 1
    assert refused > 100
    assert all(node.running for node in cluster.nodes)
    await hand.terminate()
