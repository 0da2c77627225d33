"""Tasks that the server hands out with its reply: the first workflow task of a start, activities of a completion."""

from datetime import timedelta

import pytest
from temporalio import activity, workflow
from temporalio.worker import CustomSlotSupplier, FixedSizeSlotSupplier, SlotPermit, WorkerTuner

from harness.stage import events


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow.defn
class Greeter:
    @workflow.run
    async def run(self) -> list[str]:
        said = [
            await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))
            for name in ("Ann", "Bo")
        ]
        return said


class Watched(CustomSlotSupplier):
    """Two slots to poll with, any number for what is handed out unasked; remembers how each permit was used."""

    def __init__(self) -> None:
        self.eager: list[SlotPermit] = []
        self.used: list[SlotPermit] = []

    async def reserve_slot(self, ctx) -> SlotPermit:
        return SlotPermit()

    def try_reserve_slot(self, ctx) -> SlotPermit | None:
        permit = SlotPermit()
        self.eager.append(permit)
        return permit

    def mark_slot_used(self, ctx) -> None:
        self.used.append(ctx.permit)

    def release_slot(self, ctx) -> None:
        pass


async def test_activities_come_with_the_reply(stage):
    watched = Watched()
    tuner = WorkerTuner.create_composite(
        workflow_supplier=FixedSizeSlotSupplier(10), activity_supplier=watched,
        local_activity_supplier=FixedSizeSlotSupplier(10), nexus_supplier=FixedSizeSlotSupplier(10),
    )
    client = stage.client
    async with stage.worker(Greeter, activities=[greet], tuner=tuner, client=client, max_concurrent_activity_task_polls=1):
        handle = await stage.start(Greeter.run)
        assert await handle.result() == ["hello Ann", "hello Bo"]
    assert len(watched.eager) == 2
    assert [permit for permit in watched.used if permit in watched.eager], "none came with the reply"


@pytest.mark.needs("eager-start")
async def test_the_first_task_comes_with_the_start(stage):
    client = stage.client
    async with stage.worker(Greeter, activities=[greet], client=client):
        handle = await client.start_workflow(
            Greeter.run, id=stage.queue, task_queue=stage.queue, request_eager_start=True
        )
        assert await handle.result() == ["hello Ann", "hello Bo"]
    started = (await events(handle))[0].workflow_execution_started_event_attributes
    assert started.eager_execution_accepted


async def test_eager_activities_may_be_switched_off(stage):
    async with stage.worker(Greeter, activities=[greet], disable_eager_activity_execution=True):
        assert await stage.run(Greeter.run) == ["hello Ann", "hello Bo"]
