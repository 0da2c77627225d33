"""Namespaces across the nodes of a cluster."""

import asyncio

import pytest
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster
from harness.rpc import Api, seconds, start_request, unique

TIMES = 2000
AT_ONCE = 16


@pytest.mark.tenure
@pytest.mark.own_cluster
@pytest.mark.timeout(200)
async def test_what_was_created_at_one_node_is_known_at_another(tmp_path, request):
    """Acknowledged here is known there: by the name in a request, and by what the namespace was told since."""
    first, queue = unique("space"), unique("q")

    async def one(apis: list[Api], number: int) -> None:
        here, there = apis[number % 3], apis[(number + 1) % 3]
        name = f"{first}-{number}"
        await here.call("RegisterNamespace", w.RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=seconds(86_400)))
        await there.call("StartWorkflowExecution", start_request("w", queue, namespace=name))

    async def some(apis: list[Api], numbers) -> None:
        for number in numbers:
            await one(apis, number)

    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        apis = [Api(address) for address in cluster.addresses]
        numbers = iter(range(TIMES))
        await asyncio.gather(*[some(apis, numbers) for _ in range(AT_ONCE)])
        for api in apis:
            await api.close()


async def test_what_one_node_was_told_of_a_namespace_the_others_tell(apis):
    name = unique("space")
    await apis[0].call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=seconds(86_400)))
    for number in range(30):
        update = w.UpdateNamespaceRequest(namespace=name)
        update.update_info.description = f"told {number}"
        await apis[number % 3].call("UpdateNamespace", update)
        for api in apis:
            described = await api.call("DescribeNamespace", w.DescribeNamespaceRequest(namespace=name))
            assert described.namespace_info.description == f"told {number}"
