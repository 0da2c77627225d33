"""Signals and cancellations that a workflow sends to another one, and what comes back when there is none."""

import asyncio

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.exceptions import ApplicationError

from harness.rpc import unique
from harness.stage import ended_as, event_names, events

pytestmark = pytest.mark.needs("external")


@workflow.defn
class Listener:
    """Collects words until it hears `bye`."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: "bye" in self.heard)
        return self.heard

    @workflow.signal
    def hear(self, word: str) -> None:
        self.heard.append(word)


@workflow.defn
class Speaker:
    """Speaks to another workflow, or cancels it; tells what went wrong."""

    @workflow.run
    async def run(self, id: str, run_id: str | None, words: list[str]) -> str:
        other = workflow.get_external_workflow_handle_for(Listener.run, id, run_id=run_id)
        try:
            if not words:
                await other.cancel()
            for word in words:
                await other.signal(Listener.hear, word)
        except ApplicationError as error:
            return error.message
        return "done"


@pytest.mark.parametrize("with_run", [False, True], ids=["by-id", "by-run"])
async def test_signals_arrive_in_order(stage, with_run):
    async with stage.worker(Listener, Speaker):
        listener = await stage.start(Listener.run)
        run = listener.first_execution_run_id if with_run else None
        speaker = await stage.start(Speaker.run, listener.id, run, ["a", "b", "bye"])
        assert await listener.result() == ["a", "b", "bye"]
        assert await speaker.result() == "done"
    assert (await event_names(speaker)).count("ExternalWorkflowExecutionSignaled") == 3
    heard = [e for e in await events(listener) if e.HasField("workflow_execution_signaled_event_attributes")]
    sender = heard[0].workflow_execution_signaled_event_attributes.external_workflow_execution
    assert (sender.workflow_id, sender.run_id) == (speaker.id, speaker.first_execution_run_id)


@pytest.mark.short
async def test_cancel(stage):
    async with stage.worker(Listener, Speaker):
        listener = await stage.start(Listener.run)
        speaker = await stage.start(Speaker.run, listener.id, None, [])
        assert await speaker.result() == "done"
        await ended_as(listener, Status.CANCELED)
    assert "ExternalWorkflowExecutionCancelRequested" in await event_names(speaker)


@pytest.mark.short
@pytest.mark.parametrize("words", [["hello"], []], ids=["signal", "cancel"])
async def test_nobody_there(stage, words):
    async with stage.worker(Speaker):
        speaker = await stage.start(Speaker.run, unique("nobody"), None, words)
        assert "not found" in await speaker.result()
    failed = "SignalExternalWorkflowExecutionFailed" if words else "RequestCancelExternalWorkflowExecutionFailed"
    assert failed in await event_names(speaker)


@pytest.mark.parametrize("words, answer", [(["hello"], "not found"), ([], "done")], ids=["signal", "cancel"])
async def test_a_closed_workflow(stage, words, answer):
    async with stage.worker(Listener, Speaker):
        listener = await stage.start(Listener.run)
        await listener.signal(Listener.hear, "bye")
        await listener.result()
        assert answer in await stage.run(Speaker.run, listener.id, None, words)


@workflow.defn
class Echo:
    """Signals itself, which the API refuses."""

    @workflow.run
    async def run(self) -> str:
        me = workflow.get_external_workflow_handle(workflow.info().workflow_id)
        try:
            await me.signal("hear", "me")
        except ApplicationError as error:
            return error.message
        return "heard"

    @workflow.signal
    def hear(self, word: str) -> None:
        """For nobody."""


async def test_a_signal_to_itself(stage):
    async with stage.worker(Echo):
        assert "not found" in await stage.run(Echo.run)


@workflow.defn
class Ping:
    """Plays ping-pong with another workflow for `rounds` rounds."""

    def __init__(self) -> None:
        self.ball = 0

    @workflow.run
    async def run(self, rival: str, rounds: int, serves: bool) -> int:
        other = workflow.get_external_workflow_handle(rival)
        if serves:
            await other.signal("hit", 1)
        seen = 0
        while seen < rounds:
            await workflow.wait_condition(lambda: self.ball > seen)
            seen = self.ball
            if seen <= rounds:
                await other.signal("hit", seen + 1)
        return seen

    @workflow.signal
    def hit(self, ball: int) -> None:
        self.ball = ball


async def test_ping_pong(stage):
    left, right = unique("left"), unique("right")
    async with stage.worker(Ping):
        second = await stage.start(Ping.run, left, 20, False, id=right)
        first = await stage.start(Ping.run, right, 20, True, id=left)
        assert {await first.result(), await second.result()} == {20, 21}
