"""Search attributes across the nodes of a cluster."""

import json

import grpc
import pytest
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.operatorservice.v1 import request_response_pb2 as o
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.commands import command
from harness.hand import Hand
from harness.rpc import describe, seconds, start_request, unique


def given(**values) -> SearchAttributes:
    def payload(value):
        return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())

    return SearchAttributes(indexed_fields={name: payload(value) for name, value in values.items()})


@pytest.fixture
async def namespace(apis) -> str:
    name = unique("space")
    await apis[0].call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=seconds(86_400)))
    return name


async def add(api, namespace: str, name: str, type: int) -> None:
    await api.call("AddSearchAttributes", o.AddSearchAttributesRequest(
        namespace=namespace, search_attributes={name: type}))


async def test_what_one_node_has_added_the_others_know_at_once(apis, namespace):
    for number in range(9):
        name = f"A{number}"
        await add(apis[number % 3], namespace, name, 2)
        for api in apis[number % 3 + 1:] + apis[:number % 3]:
            id = unique("w")
            await api.call("StartWorkflowExecution", start_request(
                id, "q", namespace=namespace, search_attributes=given(**{name: "x"})))
            described = await describe(api, id, namespace=namespace)
            found = described.workflow_execution_info.search_attributes.indexed_fields[name]
            assert (found.data, found.metadata["type"]) == (b'"x"', b"Keyword")


async def test_a_worker_may_use_at_once_what_was_added(apis, namespace):
    for number in range(6):
        hand = Hand(apis, namespace)
        await hand.start()
        task = await hand.poll()
        name = f"A{number}"
        await add(apis[number % 3], namespace, name, 2)
        upsert = command("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", search_attributes=given(**{name: "x"}))
        await hand.complete(task, upsert)
        assert name in (await hand.describe()).workflow_execution_info.search_attributes.indexed_fields


async def test_limits_are_told_and_a_refused_addition_changes_nothing(apis, namespace):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await apis[0].call("AddSearchAttributes", o.AddSearchAttributesRequest(
            namespace=namespace, search_attributes={f"I{n}": 3 for n in range(1001)}))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    for api in apis:
        listed = await api.call("ListSearchAttributes", o.ListSearchAttributesRequest(namespace=namespace))
        assert not listed.custom_attributes
