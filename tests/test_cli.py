"""The official CLI against any node: each command to the next address."""

import json
import os
import subprocess
import sys
import urllib.request

import pytest

from harness.cli import Cli
from harness.cluster import BINARY, wait_until
from harness.ports import free_ports
from harness.rpc import unique
from orders import order_worker


@pytest.fixture
def cli(cluster) -> Cli:
    return Cli(cluster.addresses)


@pytest.fixture
async def order(cli, clients):
    """An order that waits to be picked up, started by the CLI; gives its id."""
    id, queue = unique("order"), unique("orders")
    async with order_worker(clients[0], queue):
        started = await cli(
            "workflow", "start", "--type", "Order", "--workflow-id", id, "--task-queue", queue,
            "--input", json.dumps({"id": id, "linger_s": 0.2}),
        )
        assert started["workflowId"] == id
        for _ in range(100):
            if await status(cli, id) == "Paid":
                break
        else:
            pytest.fail("never paid")
        yield id


async def status(cli, id: str) -> str:
    answer = await cli("workflow", "query", "--workflow-id", id, "--type", "getStatus")
    return answer["queryResult"][0]


async def test_workflow_is_started_signalled_queried_and_shown(cli, order):
    await cli("workflow", "signal", "--workflow-id", order, "--name", "pickedUp", text=True)
    await cli("workflow", "signal", "--workflow-id", order, "--name", "delivered", text=True)
    shown = await cli("workflow", "show", "--workflow-id", order, "--follow", text=True)
    for wanted in ("WorkflowExecutionStarted", "ActivityTaskCompleted", "WorkflowExecutionSignaled", "COMPLETED"):
        assert wanted in shown
    assert await status(cli, order) == "Completed"
    events = (await cli("workflow", "show", "--workflow-id", order))["events"]
    assert events[0]["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"
    assert events[-1]["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED"


async def test_workflow_describe(cli, order):
    described = await cli("workflow", "describe", "--workflow-id", order)
    assert described["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
    assert described["workflowExecutionInfo"]["type"]["name"] == "Order"
    assert order in await cli("workflow", "describe", "--workflow-id", order, text=True)
    await cli("workflow", "terminate", "--workflow-id", order, text=True)


async def test_workflow_execute_waits_for_the_result(cli, clients):
    id, queue = unique("order"), unique("orders")
    async with order_worker(clients[1], queue):
        error = await cli(
            "workflow", "execute", "--type", "Order", "--workflow-id", id, "--task-queue", queue,
            "--input", json.dumps({"id": id, "card": "0000"}), text=True, fails=True,
        )
        assert "workflow failed" in error.lower()
        described = await cli("workflow", "describe", "--workflow-id", id)
        assert described["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_FAILED"


async def test_workflow_cancel(cli, order):
    await cli("workflow", "cancel", "--workflow-id", order, text=True)
    shown = await cli("workflow", "show", "--workflow-id", order, "--follow", text=True)
    assert "CANCELED" in shown


async def test_workflow_terminate(cli, order):
    await cli("workflow", "terminate", "--workflow-id", order, "--reason", "enough", text=True)
    described = await cli("workflow", "describe", "--workflow-id", order)
    assert described["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_TERMINATED"
    assert "not found" in (await cli("workflow", "signal", "--workflow-id", "none", "--name", "s", text=True, fails=True)).lower()


async def test_task_queue_describe(cli, order):
    described = await cli("workflow", "describe", "--workflow-id", order)
    queue = described["executionConfig"]["taskQueue"]["name"]
    shown = await cli("task-queue", "describe", "--task-queue", queue)
    assert shown["pollers"], "the order's worker polls"
    await cli("workflow", "terminate", "--workflow-id", order, text=True)


async def test_operator_namespace(cli):
    name = unique("space")
    await cli("operator", "namespace", "create", "--namespace", name, "--retention", "48h",
              "--description", "made by a test", text=True)
    described = await cli("operator", "namespace", "describe", "--namespace", name)
    assert described["namespaceInfo"]["name"] == name
    assert described["namespaceInfo"]["description"] == "made by a test"
    assert described["config"]["workflowExecutionRetentionTtl"] == "172800s"
    for _ in range(3):
        listed = {n["namespaceInfo"]["name"] for n in await cli("operator", "namespace", "list")}
        assert {name, "default"} <= listed
    assert "already exists" in (
        await cli("operator", "namespace", "create", "--namespace", name, text=True, fails=True)
    ).lower()
    assert "not found" in (
        await cli("operator", "namespace", "describe", "--namespace", unique("none"), text=True, fails=True)
    ).lower()


async def test_operator_search_attribute(cli):
    name = unique("space")
    await cli("operator", "namespace", "create", "--namespace", name, text=True)

    async def listed():
        found = await cli("operator", "search-attribute", "list", "--namespace", name)
        assert found["systemAttributes"]["BuildIds"] == "INDEXED_VALUE_TYPE_KEYWORD_LIST"
        return {name: type.removeprefix("INDEXED_VALUE_TYPE_") for name, type in found.get("customAttributes", {}).items()}

    assert await listed() == {}
    await cli("operator", "search-attribute", "create", "--namespace", name, "--name", "City", "--type", "Keyword",
              "--name", "Size", "--type", "Int", text=True)
    for _ in range(3):
        assert await listed() == {"City": "KEYWORD", "Size": "INT"}
    assert "reserved by system" in await cli(
        "operator", "search-attribute", "create", "--namespace", name, "--name", "RunId", "--type", "Keyword",
        text=True, fails=True)
    start = ("workflow", "start", "--namespace", name, "--type", "T", "--task-queue", "q", "--workflow-id")
    await cli(*start, unique("w"), "--search-attribute", 'City="Oslo"', "--search-attribute", "Size=7")
    for bad, message in (('Size="seven"', "invalid value for search attribute Size of type Int: seven"),
                         ("Colour=1", "has no mapping defined for search attribute Colour")):
        assert message in await cli(*start, unique("w"), "--search-attribute", bad, text=True, fails=True)
    await cli("operator", "search-attribute", "remove", "--namespace", name, "--name", "City", "--yes", text=True)
    for _ in range(3):
        assert await listed() == {"Size": "INT"}


async def test_task_queue_config_set_and_get(cli):
    """F74."""
    queue = ("--task-queue", unique("q"), "--task-queue-type", "activity")
    for limit in (3, 0.5):
        await cli("task-queue", "config", "set", *queue, "--queue-rps-limit", str(limit), "--queue-rps-limit-reason", "why")
        for _ in range(3):
            set_to = (await cli("task-queue", "config", "get", *queue))["queueRateLimit"]
            assert set_to["rateLimit"] == {"requestsPerSecond": limit}
            assert set_to["metadata"]["reason"] == "why"
    await cli("task-queue", "config", "set", *queue, "--queue-rps-limit", "default")
    for _ in range(3):
        assert "rateLimit" not in (await cli("task-queue", "config", "get", *queue))["queueRateLimit"]
    workflows = (*queue[:3], "workflow")
    assert "not allowed" in await cli(
        "task-queue", "config", "set", *workflows, "--queue-rps-limit", "3", text=True, fails=True)


async def test_operator_cluster_health(cli):
    for _ in range(3):
        assert (await cli("operator", "cluster", "health"))["status"] == "SERVING"


async def test_operator_cluster_system_and_describe(cli):
    assert "ServerVersion" in await cli("operator", "cluster", "system", text=True)
    assert "ClusterName" in await cli("operator", "cluster", "describe", text=True)


# --- our own binary ---


def closed_early(arguments: list[str]) -> subprocess.CompletedProcess:
    """Runs a command whose output nobody reads."""
    read, write = os.pipe()
    os.close(read)
    try:
        return subprocess.run([BINARY, *arguments], stdout=write, stderr=subprocess.PIPE, text=True, timeout=30)
    finally:
        os.close(write)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["server", "--help"],
        ["server", "--check"],
        ["server", "start-dev", "--help"],
        ["cluster", "--help"],
        ["cluster", "status"],
        ["cluster", "status", "--json"],
        ["cluster", "status", "--help"],
        ["cluster", "locate", "--workflow-id", "w"],
        ["cluster", "locate", "--workflow-id", "w", "--json"],
        ["cluster", "transfer-leader", "--shard", "1", "--to", "1"],
        ["cluster", "partition"],
    ],
    ids=" ".join,
)
def test_a_command_whose_output_nobody_reads_ends_quietly(cluster, arguments):
    if arguments[0] == "cluster" and "--help" not in arguments and len(arguments) > 1:
        arguments = [*arguments, "--address", cluster.nodes[0].peer]
    run = closed_early(arguments)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_development_server_runs_on_when_nobody_reads_its_output(tmp_path):
    grpc, peer, http = map(str, free_ports(3))
    for read in (True, False):
        server = subprocess.Popen(
            [BINARY, "server", "start-dev", "--port", grpc, "--peer-port", peer, "--http-port", http, "--log-level", "info"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        if not read:
            server.stdout.close()
            server.stderr.close()
        try:
            wait_until(lambda: ready(http), 30, "the server is ready")
            assert server.poll() is None
        finally:
            server.terminate()
            server.wait(30)
        assert server.returncode == 0


def ready(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as reply:
            return reply.status == 200
    except OSError:
        return False
