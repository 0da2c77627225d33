"""Namespaces that go: all of one, nothing of another one, and its name is free at once."""

import asyncio
import time

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from temporalio.api.operatorservice.v1 import request_response_pb2 as operator
from temporalio.api.workflowservice.v1 import request_response_pb2 as workflow

from harness.cluster import Cluster
from harness.commands import command, request
from harness.hand import Hand
from harness.rpc import Api, execution, names, payload, payloads, seconds, unique
from harness.stage import eventually

pytestmark = pytest.mark.tenure

GONE_S = 60


async def space(api: Api, name: str = "") -> tuple[str, str]:
    """A namespace, and its id."""
    name = name or unique("space")
    await api.call("RegisterNamespace", request("RegisterNamespace", namespace=name,
                                                workflow_execution_retention_period=seconds(86_400)))
    described = await api.call("DescribeNamespace", request("DescribeNamespace", namespace=name))
    return name, described.namespace_info.id


async def delete(api: Api, name: str) -> str:
    return (await api.call("DeleteNamespace", request("DeleteNamespace", namespace=name))).deleted_namespace


async def is_gone(api: Api, id: str) -> bool:
    try:
        await api.call("DescribeNamespace", request("DescribeNamespace", id=id))
        return False
    except grpc.aio.AioRpcError as error:
        return error.code() == grpc.StatusCode.NOT_FOUND


async def gone(api: Api, id: str) -> None:
    deadline = time.monotonic() + GONE_S
    while not await is_gone(api, id):
        assert time.monotonic() < deadline, f"the namespace is still there after {GONE_S} s"
        await asyncio.sleep(0.1)


async def count(api: Api, namespace: str, query: str = "") -> int:
    counted = request("CountWorkflowExecutions", namespace=namespace, query=query)
    return (await api.call("CountWorkflowExecutions", counted)).count


async def runs(apis: list[Api], namespace: str, number: int) -> list[Hand]:
    """Runs with the same ids in every namespace; every second one is closed."""
    hands = []
    for n in range(number):
        hand = Hand(apis, namespace)
        hand.id, hand.queue = f"w-{n}", "q"
        await hand.start()
        if n % 2:
            await hand.api.call("TerminateWorkflowExecution", request(
                "TerminateWorkflowExecution", namespace=namespace, workflow_execution=execution(hand.id)))
        hands.append(hand)
    return hands


def removed(cluster: Cluster) -> float:
    return sum(node.total("tenure_namespace_runs_removed_total") for node in cluster.nodes)


async def test_the_name_is_free_at_once_and_what_was_there_never_shows(apis, cluster):
    name, first = await space(apis[0])
    old = await runs(apis, name, 20)
    long = Hand(apis, name)
    await long.start()
    for number in range(20):
        await long.signal(f"s{number}", "x" * (200 << 10))
    before = removed(cluster)
    await delete(apis[1], name)
    again, second = await space(apis[2], name)
    assert second != first
    for api in apis:
        assert await count(api, name) == 0
    for hand in old:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await hand.describe()
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
    new = await runs(apis, name, 20)
    await gone(apis[0], first)
    assert removed(cluster) - before >= 21
    for api in apis:
        assert await count(api, name) == 20
        assert await count(api, name, "ExecutionStatus = 'Running'") == 10
    for hand, other in zip(new, old):
        assert (await hand.describe()).workflow_execution_info.execution.run_id == hand.run != other.run
    await delete(apis[0], name)


async def test_parents_and_children_go_together(apis):
    name, id = await space(apis[0])
    parent = Hand(apis, name)
    await parent.start()
    child = dict(workflow_type={"name": "C"}, task_queue={"name": "q"})
    await parent.step(*(command("START_CHILD_WORKFLOW_EXECUTION", workflow_id=f"child-{policy}",
                                parent_close_policy=policy, **child) for policy in (1, 2, 3)))

    async def started():
        return names(await parent.events()).count("ChildWorkflowExecutionStarted") == 3

    await eventually(started)
    await delete(apis[1], name)
    await gone(apis[2], id)


@pytest.mark.own_cluster
@pytest.mark.timeout(240)
async def test_it_goes_although_nodes_are_killed(tmp_path, request, say):
    number = 600
    with Cluster(tmp_path / "cluster") as own:
        request.node.servers = own
        apis = [Api(address) for address in own.addresses]
        (goes, id), (stays, _) = await space(apis[0]), await space(apis[0])
        kept = await runs(apis, stays, 10)
        histories = [await hand.events() for hand in kept]
        await asyncio.gather(*[runs_from(apis, goes, begin, number // 6) for begin in range(6)])
        assert await count(apis[0], goes) == number
        await delete(apis[0], goes)
        began = time.monotonic()
        for _ in range(2):
            node = own.busiest()
            node.kill()
            node.start()
            await asyncio.to_thread(node.wait_ready)
        apis = [Api(address) for address in own.addresses]
        await asyncio.wait_for(until_gone(apis, id), 120)
        say(f"{number} runs were gone {time.monotonic() - began:.1f} s after the namespace was deleted, two nodes killed")
        for hand, before in zip(kept, histories):
            hand.apis = iter(apis * 2)
            assert await hand.events() == before
        assert await count(apis[1], stays) == 10


async def runs_from(apis: list[Api], namespace: str, begin: int, number: int) -> None:
    for n in range(number):
        hand = Hand(apis, namespace)
        hand.id = f"{begin}-{n}"
        await hand.start()


async def until_gone(apis: list[Api], id: str) -> None:
    while True:
        try:
            if await is_gone(apis[0], id):
                return
        except grpc.aio.AioRpcError:
            pass
        await asyncio.sleep(0.2)


# --- nothing of one namespace shows in another ---

SECRET = "of-the-other-namespace"
ID = "shared"
QUEUE = "shared-queue"


# Parts of requests that name something.
MESSAGES = {"execution", "input", "meta", "query", "request", "task_queue", "update_ref", "worker_task_queue",
            "workflow_execution", "workflow_type"}


# Of workflows, and a run that is there already.
NUMBERS = {"task_queue_type": 1, "workflow_id_conflict_policy": 2}


class Other:
    """A namespace with a run that has all that requests may name, and the tokens that its workers and readers have."""

    def __init__(self, apis: list[Api], name: str):
        self.hand = Hand(apis, name)
        self.hand.id, self.hand.queue = ID, QUEUE
        self.tokens: list[bytes] = []

    async def fill(self) -> None:
        hand = self.hand
        memo = {"fields": {"m": payload(SECRET)}}
        await hand.start(input=payloads(SECRET), memo=memo, workflow_task_timeout=seconds(110))
        for number in range(3):
            more = Hand([hand.api], hand.namespace)
            more.id, more.queue = f"more-{number}", f"other-{QUEUE}"
            await more.start(memo=memo)
        await hand.step(command(
            "SCHEDULE_ACTIVITY_TASK", activity_id="activity", activity_type={"name": SECRET}, task_queue={"name": QUEUE},
            input=payloads(SECRET), start_to_close_timeout=seconds(600)))
        activity = await hand.api.call("PollActivityTaskQueue", request(
            "PollActivityTaskQueue", namespace=hand.namespace, task_queue={"name": QUEUE}), 30)
        await hand.signal("s", SECRET)
        task = await hand.poll()
        page = await hand.api.call("GetWorkflowExecutionHistory", request(
            "GetWorkflowExecutionHistory", namespace=hand.namespace, execution=execution(ID), maximum_page_size=1))
        listed = await hand.api.call("ListWorkflowExecutions", request(
            "ListWorkflowExecutions", namespace=hand.namespace, page_size=1))
        self.tokens = [task.task_token, activity.task_token, page.next_page_token, listed.next_page_token]
        assert all(self.tokens)

    async def seen(self) -> list[bytes]:
        """All that there is to see of it."""
        hand, space = self.hand, self.hand.namespace
        replies = [
            await hand.describe(),
            *await hand.events(),
            await hand.api.call("ListWorkflowExecutions", request("ListWorkflowExecutions", namespace=space)),
            await hand.api.call("DescribeNamespace", request("DescribeNamespace", namespace=space)),
            await hand.api.call("ListSearchAttributes", request("ListSearchAttributes", namespace=space)),
        ]
        return [reply.SerializeToString(deterministic=True) for reply in replies]


def methods() -> dict:
    """The types of all requests, by the names of their methods. What ends the namespace comes last."""
    found = {}
    for file in (workflow.DESCRIPTOR, operator.DESCRIPTOR):
        for name, kind in file.message_types_by_name.items():
            method = name.removesuffix("Request")
            if method != name and f"{method}Response" in file.message_types_by_name:
                found[method] = kind
    return dict(sorted(found.items(), key=lambda it: it[0] == "DeleteNamespace"))


def filled(kind, namespace: str, run: str, token: bytes):
    """A request that names the namespace, and in all other fields what the other one has."""
    message = GetMessageClass(kind)()
    texts = {
        "namespace": namespace, "workflow_namespace": namespace, "workflow_id": ID, "run_id": run,
        "first_execution_run_id": run, "activity_id": "activity", "signal_name": "s", "update_id": "u",
        "task_queue": QUEUE, "name": QUEUE, "type": SECRET, "request_id": "r", "identity": "reader", "reason": "r",
        "query_type": "__stack_trace", "sticky_task_queue": QUEUE, "normal_name": QUEUE, "id": "",
    }
    for field in kind.fields:
        if field.type == field.TYPE_STRING and not field.is_repeated and texts.get(field.name):
            setattr(message, field.name, texts[field.name])
        elif field.type == field.TYPE_BYTES and field.name in ("task_token", "next_page_token") and not field.is_repeated:
            setattr(message, field.name, token)
        elif field.name in NUMBERS:
            setattr(message, field.name, NUMBERS[field.name])
        elif field.name in MESSAGES and field.type == field.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(filled(field.message_type, namespace, run, token))
    if kind.name == "ExecuteMultiOperationRequest":
        parts = {"start_workflow": "StartWorkflowExecutionRequest", "update_workflow": "UpdateWorkflowExecutionRequest"}
        for part, name in parts.items():
            inner = filled(kind.file.message_types_by_name[name], namespace, run, token)
            getattr(message.operations.add(), part).CopyFrom(inner)
    return message


async def answer(api: Api, method: str, message) -> tuple[grpc.StatusCode, bytes]:
    try:
        reply = await api.call(method, message, 1)
        return grpc.StatusCode.OK, reply.SerializeToString()
    except grpc.aio.AioRpcError as error:
        return error.code(), (error.details() or "").encode()


@pytest.mark.timeout(300)
async def test_no_request_shows_or_changes_anything_of_another_namespace(apis, say):
    (theirs, _), (ours, ours_id) = await space(apis[0]), await space(apis[0])
    other = Other(apis, theirs)
    await other.fill()
    before = await other.seen()
    assert any(SECRET.encode() in reply for reply in before)
    tried, answered, shown = 0, set(), set()
    for method, kind in methods().items():
        for token in [b"", *other.tokens]:
            has_token = any(field.name in ("task_token", "next_page_token") for field in kind.fields)
            if token and not has_token:
                continue
            for run in ("", other.hand.run):
                await started_again(apis, ours, method)
                message = filled(kind, ours, run, token)
                code, reply = await answer(apis[tried % 3], method, message)
                if code == grpc.StatusCode.UNIMPLEMENTED:
                    assert reply.decode() == f"{method} is not implemented", "all that is built does something"
                    break
                tried += 1
                if code == grpc.StatusCode.OK:
                    answered.add(method)
                # What the request itself says may come back.
                told = reply.replace(message.SerializeToString(), b"")
                assert SECRET.encode() not in told or SECRET.encode() in message.SerializeToString(), method
            else:
                continue
            break
        assert await other.seen() == before, f"{method} changed something"
        if method.startswith(("Describe", "Get", "List", "Scan", "Count")):
            # The same request in the other namespace does show it, where there is something to show.
            code, reply = await answer(apis[0], method, filled(kind, theirs, "", b""))
            if SECRET.encode() in reply:
                shown.add(method)
    await gone(apis[0], ours_id)
    assert await other.seen() == before
    say(f"{tried} requests in a namespace, of which {len(answered)} methods did something, showed nothing of another one")
    assert {"DescribeWorkflowExecution", "GetWorkflowExecutionHistory", "GetWorkflowExecutionHistoryReverse",
            "ListWorkflowExecutions", "ListOpenWorkflowExecutions", "ScanWorkflowExecutions"} <= shown, shown
    assert {"StartWorkflowExecution", "SignalWithStartWorkflowExecution", "SignalWorkflowExecution", "TerminateWorkflowExecution", "DeleteWorkflowExecution", "RequestCancelWorkflowExecution",
            "PollWorkflowTaskQueue", "UpdateNamespace", "DeleteNamespace", "CountWorkflowExecutions"} <= answered, answered
    await delete(apis[0], theirs)


async def started_again(apis: list[Api], namespace: str, method: str) -> None:
    """A run with the same id and queue in a namespace, whatever became of the one before."""
    if method == "DeleteNamespace":
        return
    hand = Hand(apis, namespace)
    hand.id, hand.queue = ID, QUEUE
    await hand.start(workflow_id_conflict_policy=2)
