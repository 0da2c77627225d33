"""What operators do to executions from outside: reset, delete, terminate, pause and change activities."""

import asyncio
import subprocess
from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from temporalio import activity, workflow
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    PauseActivityRequest,
    ResetActivityRequest,
    ResetWorkflowExecutionRequest,
    UnpauseActivityRequest,
    UpdateActivityOptionsRequest,
)
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from harness.cluster import TEMPORAL
from harness.rpc import seconds
from harness.stage import ended_as, event_names, events, eventually

broken: set[str] = set()


@activity.defn
async def fragile(queue: str) -> int:
    if queue in broken:
        raise ApplicationError("broken", type="Broken")
    return activity.info().attempt


@workflow.defn
class Job:
    """Waits for two signals, with an activity after each."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        for step in range(2):
            await workflow.wait_condition(lambda: len(self.signals) > step)
            await workflow.execute_activity(
                fragile, workflow.info().task_queue, activity_id="the-one", start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=1),
            )
        return self.signals

    @workflow.signal
    def step(self, name: str) -> None:
        self.signals.append(name)


@pytest.fixture
async def job(stage):
    async with stage.worker(Job, activities=[fragile]):
        yield await stage.start(Job.run)
    broken.discard(stage.queue)


def execution(handle, run_id: str = "") -> WorkflowExecution:
    return WorkflowExecution(workflow_id=handle.id, run_id=run_id)


# --- reset and delete ---


@pytest.mark.short
@pytest.mark.needs("reset")
async def test_reset_applies_the_signals_again(stage, job):
    await job.signal(Job.step, "a")
    await job.signal(Job.step, "b")
    assert await job.result() == ["a", "b"]
    reply = await stage.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace="default", workflow_execution=execution(job, job.first_execution_run_id), reason="once more",
            workflow_task_finish_event_id=4, request_id=stage.queue,
        )
    )
    again = stage.handle(job.id, reply.run_id)
    assert await again.result() == ["a", "b"]
    assert (await event_names(again)).count("WorkflowTaskFailed") == 1
    current = await stage.handle(job.id).describe()
    assert current.run_id == reply.run_id != job.first_execution_run_id


@pytest.mark.needs("reset")
async def test_reset_of_a_running_workflow_by_the_cli(stage, job):
    await job.signal(Job.step, "a")
    await eventually(lambda: happened(job, "ActivityTaskCompleted"))
    await cli(stage, "workflow", "reset", "--workflow-id", job.id, "--type", "FirstWorkflowTask", "--reason", "test")
    await ended_as(stage.handle(job.id, job.first_execution_run_id), Status.TERMINATED)
    await stage.handle(job.id).signal(Job.step, "b")
    assert await stage.handle(job.id).result() == ["a", "b"]


@pytest.mark.needs("delete")
@pytest.mark.parametrize("how", ["api", "cli"])
async def test_delete(stage, job, how):
    if how == "api":
        await stage.client.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=execution(job))
        )
    else:
        await cli(stage, "workflow", "delete", "--workflow-id", job.id, "--yes")

    async def gone():
        try:
            await stage.handle(job.id).describe()
        except RPCError as error:
            return error.status == RPCStatusCode.NOT_FOUND

    await eventually(gone, 30)


async def test_terminate_by_the_cli(stage, job):
    await cli(stage, "workflow", "terminate", "--workflow-id", job.id, "--reason", "enough")
    with pytest.raises(WorkflowFailureError) as caught:
        await job.result()
    assert isinstance(caught.value.cause, TerminatedError)


async def happened(handle, name: str) -> bool:
    return name in await event_names(handle)


async def cli(stage, *arguments: str) -> None:
    address = stage.client.service_client.config.target_host
    command = [TEMPORAL, *arguments, "--address", address]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


# --- activities ---


async def pending(handle):
    activities = (await handle.describe()).raw_description.pending_activities
    return activities[0] if activities else None


@pytest.fixture
async def failing(stage, job):
    """A job whose activity fails until it is mended."""
    broken.add(stage.queue)
    await job.signal(Job.step, "a")
    await eventually(lambda: tried(job, 3))
    return job


async def tried(handle, times: int) -> bool:
    found = await pending(handle)
    return found is not None and found.attempt >= times


@pytest.mark.short
@pytest.mark.needs("activity-operations")
async def test_pause_and_unpause(stage, failing):
    service = stage.client.workflow_service
    await service.pause_activity(
        PauseActivityRequest(namespace="default", execution=execution(failing), id="the-one", identity="operator")
    )

    async def paused():
        found = await pending(failing)
        return found if found.paused and found.state != 2 else None

    found = await eventually(paused)
    assert found.pause_info.manual.identity == "operator"
    await asyncio.sleep(0.4)
    assert (await pending(failing)).attempt == found.attempt
    broken.discard(stage.queue)
    await service.unpause_activity(
        UnpauseActivityRequest(namespace="default", execution=execution(failing), id="the-one", reset_attempts=True)
    )
    await eventually(lambda: happened(failing, "ActivityTaskCompleted"))
    started = next(e for e in await events(failing) if e.HasField("activity_task_started_event_attributes"))
    assert started.activity_task_started_event_attributes.attempt < found.attempt
    await failing.terminate()


@pytest.mark.needs("activity-operations")
async def test_reset_of_an_activity(stage, failing):
    await stage.client.workflow_service.reset_activity(
        ResetActivityRequest(namespace="default", execution=execution(failing), id="the-one")
    )
    broken.discard(stage.queue)
    await eventually(lambda: happened(failing, "ActivityTaskCompleted"))
    await failing.terminate()


@pytest.mark.needs("activity-operations")
async def test_other_options(stage, failing):
    reply = await stage.client.workflow_service.update_activity_options(
        UpdateActivityOptionsRequest(
            namespace="default", execution=execution(failing), id="the-one",
            activity_options=ActivityOptions(start_to_close_timeout=seconds(7)),
            update_mask=FieldMask(paths=["start_to_close_timeout"]),
        )
    )
    assert reply.activity_options.start_to_close_timeout.ToSeconds() == 7
    assert (await pending(failing)).activity_options.start_to_close_timeout.ToSeconds() == 7
    broken.discard(stage.queue)
    await eventually(lambda: happened(failing, "ActivityTaskCompleted"))
    await failing.terminate()
