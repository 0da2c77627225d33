"""Workflows are paused and go on, by the official CLI and by ours; whoever waits for one waits through its pause."""

import asyncio
import json
import subprocess
from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness.cluster import BINARY, TEMPORAL, Cluster
from harness.rpc import unique

DEADLINE_S = 30
# The SDK's own enum does not know it.
PAUSED = 8

calls = []


@activity.defn
async def charge(name: str) -> str:
    calls.append(name)
    return f"charged {name}"


@workflow.defn
class Order:
    def __init__(self) -> None:
        self.paid = False

    @workflow.run
    async def run(self, name: str) -> str:
        await workflow.wait_condition(lambda: self.paid)
        return await workflow.execute_activity(charge, name, start_to_close_timeout=timedelta(seconds=10))

    @workflow.signal
    def pay(self) -> None:
        self.paid = True

    @workflow.query
    def is_paid(self) -> bool:
        return self.paid


def temporal(server, *arguments: str) -> subprocess.CompletedProcess:
    command = [TEMPORAL, "workflow", *arguments, "--address", server.addresses[0]]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def tenure(server, *arguments: str) -> subprocess.CompletedProcess:
    command = [BINARY, "workflow", *arguments, "--address", ",".join(server.addresses)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


async def described(client: Client, order: str) -> w.DescribeWorkflowExecutionResponse:
    request = w.DescribeWorkflowExecutionRequest(namespace="default", execution=WorkflowExecution(workflow_id=order))
    return await client.workflow_service.describe_workflow_execution(request)


async def eventually(probe):
    async with asyncio.timeout(DEADLINE_S):
        while not await probe():
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("command", [temporal, tenure], ids=["official", "ours"])
async def test_an_order_waits_through_a_pause(cluster, command):
    client = await Client.connect(cluster.addresses[0])
    queue, order = unique("pauses"), unique("order")
    worker = Worker(client, task_queue=queue, workflows=[Order], activities=[charge], workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        handle = await client.start_workflow(Order.run, order, id=order, task_queue=queue)
        assert not await handle.query(Order.is_paid)
        result = asyncio.create_task(handle.result())

        options = ("--reason", "the card reader is down")
        named = (order,) if command is tenure else ("--workflow-id", order)
        paused = await asyncio.to_thread(command, cluster, "pause", *named, *options)
        assert paused.returncode == 0, paused.stderr
        again = await asyncio.to_thread(command, cluster, "pause", *named, *options)
        assert again.returncode != 0 and "already paused" in again.stderr

        found = await described(client, order)
        info = found.workflow_extended_info.pause_info
        assert found.workflow_execution_info.status == PAUSED and info.reason == "the card reader is down" and info.identity
        shown = await asyncio.to_thread(tenure, cluster, "describe", order)
        assert "the card reader is down" in shown.stdout and "Paused" in shown.stdout, shown
        await handle.signal(Order.pay)
        query = w.QueryWorkflowRequest(namespace="default", execution=WorkflowExecution(workflow_id=order),
                                       query=WorkflowQuery(query_type="is_paid"))
        assert (await client.workflow_service.query_workflow(query)).query_rejected.status == PAUSED
        listed = await asyncio.to_thread(tenure, cluster, "list", "--query", f"ExecutionStatus = 'Paused' AND WorkflowId = '{order}'",
                                         "--json")
        assert json.loads(listed.stdout)["status"] == "WORKFLOW_EXECUTION_STATUS_PAUSED"
        assert not result.done() and order not in calls

        going_on = await asyncio.to_thread(command, cluster, "unpause", *named, "--reason", "it is up again")
        assert going_on.returncode == 0, going_on.stderr
        assert await asyncio.wait_for(result, DEADLINE_S) == f"charged {order}"
        assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED and calls.count(order) == 1


async def test_a_pause_outlives_the_nodes(tmp_path, request):
    """All nodes are killed during the pause; a timer fires meanwhile, and its workflow sees it when it is unpaused."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        client = await Client.connect(cluster.addresses[0])
        queue, order = unique("pauses"), unique("order")
        worker = Worker(client, task_queue=queue, workflows=[Order], activities=[charge],
                        workflow_runner=UnsandboxedWorkflowRunner())
        async with worker:
            handle = await client.start_workflow(Order.run, order, id=order, task_queue=queue)
            assert not await handle.query(Order.is_paid)
        done = await asyncio.to_thread(tenure, cluster, "pause", order)
        assert done.returncode == 0, done.stderr
        await handle.signal(Order.pay)
        for node in cluster.nodes:
            node.kill()
        for node in cluster.nodes:
            node.start()
        for node in cluster.nodes:
            node.wait_ready()
        client = await Client.connect(cluster.addresses[0])
        handle = client.get_workflow_handle(order)

        async def still_paused():
            try:
                return (await described(client, order)).workflow_execution_info.status == PAUSED
            except RPCError:
                return False

        await eventually(still_paused)
        async with Worker(client, task_queue=queue, workflows=[Order], activities=[charge],
                          workflow_runner=UnsandboxedWorkflowRunner()):
            assert (await asyncio.to_thread(tenure, cluster, "unpause", order)).returncode == 0
            assert await asyncio.wait_for(handle.result(), DEADLINE_S) == f"charged {order}"
