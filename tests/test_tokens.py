"""Tokens that a server gave out are known again, on any node and after a restart; any others are refused by all nodes,
which go on as they are."""

import grpc
import pytest
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster
from harness.hand import Hand, activity, complete_workflow
from harness.rpc import Api, execution, seconds, unique

WORDS = {"task_token": "Error deserializing task token.", "next_page_token": "Invalid NextPageToken."}
# The reference server's words for this one.
OF_WORKERS = "invalid next_page_token"

# A length of 2^60 where a text should be: 30 bytes that ended the process (F1).
CLAIM = bytes.fromhex("010010") + bytes(16) + b"\xfd" + (1 << 60).to_bytes(8, "little") + bytes(2)
MADE_UP = [CLAIM, b"Q" + CLAIM, CLAIM[:19], b"\x01" + bytes(32) + CLAIM, b"\x01", b"junk", b"\xff" * 4096,
           b"\x01\x00\xfc\xff\xff\xff\xff", bytes(range(256))]


def requests(token: bytes):
    """A request of each method that takes a token, with this one in it."""
    for name, message in w.DESCRIPTOR.message_types_by_name.items():
        for field in WORDS:
            if name.endswith("Request") and field in message.fields_by_name:
                request = getattr(w, name)(**{field: token})
                if "namespace" in message.fields_by_name:
                    request.namespace = "default"
                if "execution" in message.fields_by_name and field == "next_page_token":
                    request.execution.workflow_id = "w"
                yield name.removesuffix("Request"), field, request


async def answer(api: Api, method: str, request) -> tuple[str, str]:
    try:
        await api.call(method, request, timeout=5)
        return "OK", ""
    except grpc.RpcError as failed:
        return failed.code().name, failed.details()


@pytest.mark.tenure
async def test_a_made_up_token_is_refused_and_ends_no_node(cluster, apis):
    def seen():
        shards = cluster.cli("status")["shards"]
        return [node.pid for node in cluster.nodes], {s["shard"]: (s["leader"], s.get("term")) for s in shards}

    before, refused = seen(), set()
    for token in MADE_UP:
        for api in apis:
            for method, field, request in requests(token):
                code, message = await answer(api, method, request)
                # There is no archive, whatever page of it is asked for.
                if code != "UNIMPLEMENTED" and method != "ListArchivedWorkflowExecutions":
                    words = OF_WORKERS if method == "ListWorkers" else WORDS[field]
                    assert (code, message) == ("INVALID_ARGUMENT", words), (method, token[:40])
                    refused.add(method)
    assert len(refused) >= 10, sorted(refused)
    assert all(node.running for node in cluster.nodes)
    assert seen() == before


def altered(token: bytes):
    """Copies with one bit of one byte changed, shorter ones and longer ones."""
    for at in range(len(token)):
        yield token[:at] + bytes([token[at] ^ 1 << at % 8]) + token[at + 1:]
    yield from (token[:-1], token[1:], token + b"\0", token[33:])


@pytest.mark.tenure
async def test_tokens_are_good_on_every_node_and_after_a_restart_and_no_altered_one_is(directory):
    with Cluster(directory / "tokens") as cluster:
        apis = [Api(address) for address in cluster.addresses]
        hand = Hand(apis)
        await hand.start(workflow_task_timeout=seconds(60))
        await hand.step(activity("a1", hand.queue, start_to_close=600))
        doing = await hand.poll_activity()
        await hand.signal("s")
        task = await hand.poll()

        async def page(api: Api, token: bytes):
            return await api.call("GetWorkflowExecutionHistory", w.GetWorkflowExecutionHistoryRequest(
                namespace="default", execution=execution(hand.id), maximum_page_size=2, next_page_token=token))

        place = (await page(apis[0], b"")).next_page_token
        for bad in altered(doing.task_token):
            request = w.RecordActivityTaskHeartbeatRequest(namespace="default", task_token=bad)
            assert await answer(hand.api, "RecordActivityTaskHeartbeat", request) == ("INVALID_ARGUMENT", WORDS["task_token"])
        for bad in altered(task.task_token):
            request = w.RespondWorkflowTaskCompletedRequest(namespace="default", task_token=bad)
            assert await answer(hand.api, "RespondWorkflowTaskCompleted", request) == ("INVALID_ARGUMENT", WORDS["task_token"])
        for bad in altered(place):
            request = w.GetWorkflowExecutionHistoryRequest(
                namespace="default", execution=execution(hand.id), next_page_token=bad)
            assert await answer(hand.api, "GetWorkflowExecutionHistory", request) == ("INVALID_ARGUMENT", WORDS["next_page_token"])
        # One kind is not taken for the other.
        request = w.GetWorkflowExecutionHistoryRequest(
            namespace="default", execution=execution(hand.id), next_page_token=task.task_token)
        assert await answer(hand.api, "GetWorkflowExecutionHistory", request) == ("INVALID_ARGUMENT", WORDS["next_page_token"])

        for node in cluster.nodes:
            node.stop()
        cluster.start()
        for api in apis:
            await api.close()
        apis = [Api(address) for address in cluster.addresses]
        hand.apis = iter(apis * 3)
        for api in apis:
            assert [e.event_id for e in (await page(api, place)).history.events] == [3, 4]
            await api.call("RecordActivityTaskHeartbeat", w.RecordActivityTaskHeartbeatRequest(
                namespace="default", task_token=doing.task_token))
        await hand.complete(task, complete_workflow())
        for api in apis:
            await api.close()


async def test_pages_of_namespaces_follow_each_other(apis):
    for api in apis[:2]:
        await api.call("RegisterNamespace", w.RegisterNamespaceRequest(
            namespace=unique("pages"), workflow_execution_retention_period=seconds(86400)))
    found, token = [], b""
    while True:
        reply = await apis[len(found) % len(apis)].call(
            "ListNamespaces", w.ListNamespacesRequest(page_size=1, next_page_token=token))
        found += [n.namespace_info.name for n in reply.namespaces]
        token = reply.next_page_token
        if not token:
            break
    assert len(found) == len(set(found)) >= 3, found
