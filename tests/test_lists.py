"""Lists, counts, batches, search attributes and the end of namespaces, by the official CLI at any node."""

import asyncio
import time

import pytest
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cli import Cli
from harness.commands import request
from harness.rpc import Api, execution, names, history, seconds, start_request, unique

PATIENCE_S = 30


@pytest.fixture
def cli(cluster) -> Cli:
    return Cli(cluster.addresses)


@pytest.fixture
async def space(apis) -> str:
    """A namespace of its own, known at every node."""
    name = unique("space")
    await apis[0].call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=seconds(86_400)))
    for api in apis:
        await until(lambda: told(api, "CountWorkflowExecutions", namespace=name), "the namespace")
    return name


async def told(api: Api, method: str, **fields):
    """The reply, or nothing where a node of the reference server does not know the namespace yet."""
    try:
        return await api.call(method, request(method, **fields)) or True
    except Exception as error:
        return None if "not found" in str(error) else True


async def until(probe, what: str):
    """The first true value of an async `probe`: the reference server lists and batches in its own time."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := await probe()):
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_S} s"
        await asyncio.sleep(0.1)
    return found


async def started(apis, space: str, count: int, type: str = "Order") -> list[str]:
    """Runs with ids that begin in the same way, of which a list shows all."""
    prefix = unique("order")
    ids = [f"{prefix}-{number}" for number in range(count)]
    for number, id in enumerate(ids):
        await apis[number % 3].call("StartWorkflowExecution", start_request(id, "q", namespace=space, type=type))
    await counted(apis, space, f"WorkflowType = '{type}'", count)
    return ids


async def counted(apis, space: str, query: str, count: int) -> None:
    async def right():
        asked = request("CountWorkflowExecutions", namespace=space, query=query)
        return (await apis[1].call("CountWorkflowExecutions", asked)).count == count

    await until(right, f"{count} of {query}")


def ids_of(listed: list[dict]) -> list[str]:
    return sorted(each["execution"]["workflowId"] for each in listed)


@pytest.mark.needs("lists")
async def test_list_and_count(cli, apis, space):
    ids = await started(apis, space, 5)
    (other,) = await started(apis, space, 1, type="Payment")
    await apis[0].call("TerminateWorkflowExecution", w.TerminateWorkflowExecutionRequest(
        namespace=space, workflow_execution=execution(ids[0])))
    await counted(apis, space, "ExecutionStatus = 'Terminated'", 1)
    for _ in range(3):
        assert ids_of(await cli("workflow", "list", "-n", space)) == sorted([*ids, other])
        query = "WorkflowType = 'Order' AND ExecutionStatus = 'Running'"
        listed = await cli("workflow", "list", "-n", space, "--query", query)
        assert ids_of(listed) == sorted(ids[1:])
        assert len(await cli("workflow", "list", "-n", space, "--limit", "2")) == 2
        counts = await cli("workflow", "count", "-n", space, "--query", "WorkflowType = 'Order' GROUP BY ExecutionStatus")
        assert counts["count"] == "5"
        groups = {group["groupValues"][0]: group["count"] for group in counts["groups"]}
        assert groups == {"Running": "4", "Terminated": "1"}
    shown = await cli("workflow", "list", "-n", space, text=True)
    assert "Payment" in shown and "Terminated" in shown
    assert "Total: 6" in await cli("workflow", "count", "-n", space, text=True)


@pytest.mark.needs("lists")
async def test_list_goes_over_all_pages(cli, apis, space):
    ids = await started(apis, space, 25)
    listed = await cli("workflow", "list", "-n", space, "--page-size", "4")
    assert ids_of(listed) == sorted(ids)


@pytest.mark.needs("lists")
async def test_refused_query_is_told(cli, space):
    error = await cli("workflow", "list", "-n", space, "--query", "NoSuch = 1", text=True, fails=True)
    assert "invalid search attribute: NoSuch" in error
    error = await cli("workflow", "count", "-n", space, "--query", "WorkflowType =", text=True, fails=True)
    assert "syntax error" in error


async def batch_of(cli, space: str) -> str:
    """The id of the namespace's only batch, once it is over."""
    async def over():
        listed = await cli("batch", "list", "-n", space)
        return listed and listed[0]["state"] == "BATCH_OPERATION_STATE_COMPLETED" and listed[0]["jobId"]

    return await until(over, "the end of the batch")


@pytest.mark.needs("lists", "batches")
@pytest.mark.parametrize("verb", ["terminate", "cancel", "delete"])
async def test_verb_with_a_query_is_a_batch(cli, apis, space, verb):
    ids = await started(apis, space, 7)
    (other,) = await started(apis, space, 1, type="Payment")
    await cli("workflow", verb, "-n", space, "--query", "WorkflowType = 'Order'", "--reason", "enough", "--yes", text=True)
    job = await batch_of(cli, space)
    described = await cli("batch", "describe", "-n", space, "--job-id", job)
    counts = described["totalOperationCount"], described["completeOperationCount"]
    assert (described["state"], *counts) == ("BATCH_OPERATION_STATE_COMPLETED", "7", "7")
    assert described["reason"] == "enough"
    if verb == "delete":
        await counted(apis, space, "", 1)
        assert ids_of(await cli("workflow", "list", "-n", space)) == [other]
        return
    event = {"terminate": "WorkflowExecutionTerminated", "cancel": "WorkflowExecutionCancelRequested"}[verb]
    for id in ids:
        assert names(await history(apis[2], id, namespace=space)).count(event) == 1
    assert event not in names(await history(apis[2], other, namespace=space))


@pytest.mark.needs("lists", "batches")
async def test_signal_with_a_query_is_a_batch(cli, apis, space):
    ids = await started(apis, space, 3)
    await cli("workflow", "signal", "-n", space, "--query", "WorkflowType = 'Order'", "--name", "hurry", "--reason", "late",
              "--yes", text=True)
    await batch_of(cli, space)
    for id in ids:
        assert names(await history(apis[0], id, namespace=space))[-1] == "WorkflowExecutionSignaled"


@pytest.mark.needs("lists", "batches")
async def test_batch_is_stopped(cli, apis, space):
    await started(apis, space, 5)
    await cli("workflow", "signal", "-n", space, "--query", "WorkflowType = 'Order'", "--name", "hurry", "--reason", "late",
              "--rps", "0.05", "--yes", text=True)
    (listed,) = await until(lambda: cli("batch", "list", "-n", space), "the batch")
    job = listed["jobId"]
    assert (await cli("batch", "describe", "-n", space, "--job-id", job))["state"] == "BATCH_OPERATION_STATE_RUNNING"
    await cli("batch", "terminate", "-n", space, "--job-id", job, "--reason", "never mind", text=True)

    async def stopped():
        return (await cli("batch", "describe", "-n", space, "--job-id", job))["state"] == "BATCH_OPERATION_STATE_FAILED"

    await until(stopped, "the end of the batch")
    error = await cli("batch", "describe", "-n", space, "--job-id", "none", text=True, fails=True)
    assert "could not find" in error


@pytest.mark.needs("lists")
async def test_search_attributes_are_created_listed_and_removed(cli, apis, space):
    await cli("operator", "search-attribute", "create", "-n", space, "--name", "Town", "--type", "Keyword",
              "--name", "Size", "--type", "Int", text=True)

    async def listed() -> dict:
        return (await cli("operator", "search-attribute", "list", "-n", space))["customAttributes"]

    await until(listed, "the attributes")
    assert await listed() == {"Town": "INDEXED_VALUE_TYPE_KEYWORD", "Size": "INDEXED_VALUE_TYPE_INT"}
    id = unique("order")

    async def accepted():
        try:
            await cli("workflow", "start", "-n", space, "--type", "Order", "--task-queue", "q", "--workflow-id", id,
                      "--search-attribute", 'Town="Ulm"', "--search-attribute", "Size=3")
            return True
        except AssertionError:
            return False

    await until(accepted, "a start with the attributes")
    await counted(apis, space, "Town = 'Ulm' AND Size > 2", 1)
    assert ids_of(await cli("workflow", "list", "-n", space, "--query", "Town STARTS_WITH 'U'")) == [id]
    await cli("operator", "search-attribute", "remove", "-n", space, "--name", "Town", "--yes", text=True)

    async def gone():
        return "Town" not in await listed()

    await until(gone, "the removal")
    assert await listed() == {"Size": "INDEXED_VALUE_TYPE_INT"}
    assert await cli("workflow", "count", "-n", space, "--query", "Size = 3") == {"count": "1"}


@pytest.mark.needs("lists", "namespace-deletion")
async def test_namespace_is_deleted(cli, apis, space):
    ids = await started(apis, space, 5)
    await cli("operator", "namespace", "delete", "-n", space, "--yes", text=True)
    error = await cli("operator", "namespace", "describe", "-n", space, text=True, fails=True)
    assert "not found" in error.lower()
    listed = await cli("operator", "namespace", "list")
    assert not [each for each in listed if space in each["namespaceInfo"]["name"]]

    async def unknown():
        try:
            await cli("workflow", "describe", "-n", space, "--workflow-id", ids[0])
        except AssertionError as error:
            return "Namespace" in str(error)

    await until(unknown, "the end of the name")
    await cli("operator", "namespace", "create", "-n", space, text=True)

    async def empty():
        try:
            return await cli("workflow", "list", "-n", space) == []
        except AssertionError:
            return False

    await until(empty, "the new namespace")
