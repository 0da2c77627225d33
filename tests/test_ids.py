"""Ids and tokens mean what they mean in their own namespace, workflow id and run, and nothing anywhere else.

Each test passes against the reference server too (`--target=oracle`).
"""

import uuid
from types import SimpleNamespace

import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.hand import Hand, activity, failure
from harness.rpc import execution, seconds
from test_admin import error
from test_semantics import eventually

# Requests that name a run: how each one does it, and what else it needs.
BY_EXECUTION = {
    "DescribeWorkflowExecution": {},
    "GetWorkflowExecutionHistory": {},
    "GetWorkflowExecutionHistoryReverse": {},
    "ResetStickyTaskQueue": {},
    "QueryWorkflow": {"query": WorkflowQuery(query_type="q")},
    "PauseActivity": {"id": "a1"},
    "UnpauseActivity": {"id": "a1"},
    "ResetActivity": {"id": "a1"},
    "UpdateActivityOptions": {"id": "a1", "restore_original": True},
}
BY_WORKFLOW_EXECUTION = {
    "SignalWorkflowExecution": {"signal_name": "s"},
    "RequestCancelWorkflowExecution": {},
    "TerminateWorkflowExecution": {},
    "DeleteWorkflowExecution": {},
    "ResetWorkflowExecution": {"request_id": "r", "workflow_task_finish_event_id": 4},
    "UpdateWorkflowExecutionOptions": {
        "workflow_execution_options": WorkflowExecutionOptions(), "update_mask": FieldMask()},
}
BY_ACTIVITY_ID = {
    "RespondActivityTaskCompletedById": {},
    "RespondActivityTaskFailedById": {},
    "RespondActivityTaskCanceledById": {},
    "RecordActivityTaskHeartbeatById": {},
}
RUN_METHODS = [*BY_EXECUTION, *BY_WORKFLOW_EXECUTION, *BY_ACTIVITY_ID]

# Requests with a task's token, whose task it is, and what else they need.
TOKEN_METHODS = [
    ("RespondWorkflowTaskCompleted", "workflow", {}),
    ("RespondWorkflowTaskFailed", "workflow", {}),
    ("RespondActivityTaskCompleted", "activity", {}),
    ("RespondActivityTaskFailed", "activity", {"failure": failure("no")}),
    ("RespondActivityTaskCanceled", "activity", {}),
    ("RecordActivityTaskHeartbeat", "activity", {}),
    ("RespondQueryTaskCompleted", "workflow", {}),
]


def about_run(method: str, namespace: str, id: str, run_id: str):
    make = getattr(w, f"{method}Request")
    if method in BY_EXECUTION:
        return make(namespace=namespace, execution=execution(id, run_id), **BY_EXECUTION[method])
    if method in BY_WORKFLOW_EXECUTION:
        return make(namespace=namespace, workflow_execution=execution(id, run_id), **BY_WORKFLOW_EXECUTION[method])
    return make(namespace=namespace, workflow_id=id, run_id=run_id, activity_id="a1", **BY_ACTIVITY_ID[method])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(apis):
    """A second namespace; a workflow with a started workflow task and a started activity; another workflow."""
    other = f"other-{uuid.uuid4().hex[:8]}"
    await apis[0].call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=other, workflow_execution_retention_period=seconds(86400)))

    async def known() -> bool:
        request = w.DescribeWorkflowExecutionRequest(namespace=other, execution=execution("none"))
        return "Namespace" not in (await error(apis[0].call("DescribeWorkflowExecution", request)))[1]

    await eventually(known, 30)
    hand = Hand(apis)
    await hand.start()
    await hand.step(activity("a1", hand.queue, attempts=5, start_to_close=600))
    doing = await hand.poll_activity()
    await hand.signal("s")
    task = await hand.poll()
    stranger = Hand(apis)
    await stranger.start()
    tokens = {"workflow": task.task_token, "activity": doing.task_token}
    return SimpleNamespace(hand=hand, other=other, stranger=stranger, tokens=tokens)


def no_run(id: str, run_id: str) -> tuple[str, str]:
    return "NOT_FOUND", f'workflow execution not found for workflow ID "{id}" and run ID "{run_id}"'


@pytest.mark.parametrize("method", RUN_METHODS)
async def test_a_run_is_known_in_its_namespace_and_under_its_workflow_id_only(world, method):
    hand = world.hand

    async def answer(namespace: str, run_id: str):
        return await error(hand.api.call(method, about_run(method, namespace, hand.id, run_id)))

    assert await answer(world.other, hand.run) == no_run(hand.id, hand.run)
    assert await answer("nope", hand.run) == ("NOT_FOUND", "Namespace nope is not found.")
    assert await answer("", hand.run) == ("INVALID_ARGUMENT", "Namespace is empty.")
    for foreign in (world.stranger.run, str(uuid.uuid4())):
        assert await answer("default", foreign) == no_run(hand.id, foreign)


@pytest.mark.parametrize("method, kind, fields", TOKEN_METHODS)
async def test_a_token_is_good_in_its_namespace_and_for_its_task_only(world, method, kind, fields):
    async def answer(namespace: str, token: bytes):
        request = getattr(w, f"{method}Request")(namespace=namespace, task_token=token, **fields)
        return await error(world.hand.api.call(method, request))

    foreign = "Operation requested with a token from a different namespace."
    assert await answer(world.other, world.tokens[kind]) == ("INVALID_ARGUMENT", foreign)
    assert await answer("nope", world.tokens[kind]) == ("NOT_FOUND", "Namespace nope is not found.")
    assert await answer("default", b"garbage") == ("INVALID_ARGUMENT", "Error deserializing task token.")
    assert await answer("default", b"") == ("INVALID_ARGUMENT", "Task token not set on request.")
    another = world.tokens["activity" if kind == "workflow" else "workflow"]
    assert (await answer("default", another))[0] == "NOT_FOUND"


async def test_a_page_token_is_good_for_its_run_only(world):
    hand, stranger = world.hand, world.stranger

    async def page(namespace: str, id: str, run_id: str, token: bytes = b""):
        return await hand.api.call("GetWorkflowExecutionHistory", w.GetWorkflowExecutionHistoryRequest(
            namespace=namespace, execution=execution(id, run_id), maximum_page_size=2, next_page_token=token))

    token = (await page("default", hand.id, "")).next_page_token
    assert token
    assert (await page("default", hand.id, hand.run, token)).history.events
    assert await error(page("default", stranger.id, "", token)) == no_run(stranger.id, hand.run)
    assert await error(page(world.other, hand.id, "", token)) == no_run(hand.id, hand.run)
    mismatch = "RunId in the request does not match the NextPageToken."
    assert await error(page("default", hand.id, stranger.run, token)) == ("INVALID_ARGUMENT", mismatch)
    assert await error(page("default", hand.id, "", b"garbage")) == ("INVALID_ARGUMENT", "Invalid NextPageToken.")
