"""Why is it stuck? For each cause a test that brings it about, and what `tenure workflow why` says of it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from datetime import timedelta

import grpc
import pytest
from temporalio import activity as act
from temporalio import workflow
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import request_response_pb2 as op
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.worker import UnsandboxedWorkflowRunner

from harness.cluster import BINARY, Cluster
from harness.commands import command
from harness.hand import (
    Hand,
    activity,
    cancel_external,
    cancel_workflow,
    child,
    complete_workflow,
    fail_workflow,
    signal_external,
    start_timer,
)
from harness.rpc import Api, execution, payloads, seconds, unique
from harness.updates import accept, admitted, named

pytestmark = pytest.mark.tenure


class Why:
    """`tenure workflow why`, asked of each address in turn."""

    def __init__(self, cluster):
        self.addresses, self.asked = cluster.addresses, 0

    async def __call__(self, id: str, *options: str, code: int = 0) -> str:
        self.asked += 1
        address = self.addresses[self.asked % len(self.addresses)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
        child = await asyncio.create_subprocess_exec(
            str(BINARY), "workflow", "why", "--workflow-id", id, *options, env=environment | {"TENURE_ADDRESS": address},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        out, err = (text.decode() for text in await asyncio.wait_for(child.communicate(), 30))
        assert child.returncode == code, f"{child.returncode}\n{out}\n{err}"
        return err if code else out

    async def json(self, id: str, *options: str) -> dict:
        return json.loads(await self(id, *options, "--json"))

    async def first(self, id: str, kind: str, *options: str, seconds: float = 20) -> dict:
        """The first cause, once it is of this kind."""
        deadline = time.monotonic() + seconds
        while True:
            found = await self.json(id, *options)
            cause = found["causes"][0]
            if cause["kind"] == f"CAUSE_KIND_{kind}":
                assert found["summary"].startswith(cause["text"]), found
                return cause
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)


@pytest.fixture
def why(cluster) -> Why:
    return Why(cluster)


# --- it is over ---


async def test_it_completed(why, hand):
    await hand.start()
    await hand.step(complete_workflow())
    cause = await why.first(hand.id, "COMPLETED")
    assert re.fullmatch(r"It completed \S+ ago\.", cause["text"]) and "advice" not in cause


async def test_it_failed(why, hand):
    await hand.start()
    await hand.step(fail_workflow("no stock"))
    cause = await why.first(hand.id, "FAILED")
    assert re.fullmatch(r"It failed \S+ ago: no stock \(Error\)\.", cause["text"])
    assert cause["failure"]["message"] == "no stock" and cause["trouble"]
    assert f"`tenure workflow reset {hand.id} --run-id {hand.run} --to last-task`" in cause["advice"]


async def test_it_timed_out(why, hand):
    await hand.start(workflow_run_timeout=seconds(1))
    cause = await why.first(hand.id, "TIMED_OUT")
    assert cause["text"].endswith("its workflow run timeout of 1s was over."), cause


async def test_it_was_terminated(why, hand):
    await hand.start()
    await hand.terminate("wrong price list")
    cause = await why.first(hand.id, "TERMINATED")
    assert cause["text"].endswith('by "test": wrong price list.'), cause


async def test_it_was_cancelled(why, hand):
    await hand.start()
    await hand.request_cancel()
    await hand.step(cancel_workflow())
    await why.first(hand.id, "CANCELED")


async def test_it_was_continued_as_new(why, hand):
    await hand.start()
    await hand.step(command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", input=payloads("next")))
    next_run = (await hand.describe()).workflow_execution_info.execution.run_id
    cause = await why.first(hand.id, "CONTINUED_AS_NEW", "--run-id", hand.run)
    assert cause["execution"]["runId"] == next_run and next_run in cause["text"], cause
    assert f"`tenure workflow why {hand.id} --run-id {next_run}`" in cause["advice"]


# --- it has not begun ---


async def test_its_start_is_delayed(why, hand):
    await hand.start(workflow_start_delay=seconds(3600))
    cause = await why.first(hand.id, "START_DELAYED")
    assert re.fullmatch(r"It begins in 59m \S+: its start was delayed\.", cause["text"]), cause


async def test_it_waits_for_its_cron_schedule(why, hand):
    await hand.start(cron_schedule="0 0 1 1 *")
    cause = await why.first(hand.id, "CRON_BACKOFF")
    assert '"0 0 1 1 *"' in cause["text"] and cause["next"] > "2026", cause


async def test_it_is_tried_again(why, hand):
    await hand.start(retry_policy={"initial_interval": seconds(600)})
    await hand.step(fail_workflow("no stock"))
    cause = await why.first(hand.id, "RETRY_BACKOFF")
    assert "attempt 2" in cause["text"] and "no stock" in cause["text"], cause


# --- it is paused ---


async def test_it_is_paused(why, hand):
    await hand.start()
    await hand.step(activity("a", hand.queue))
    request = w.PauseWorkflowExecutionRequest(namespace="default", workflow_id=hand.id, identity="ann", reason="no reader")
    await hand.api.call("PauseWorkflowExecution", request)
    cause = await why.first(hand.id, "PAUSED")
    assert cause["text"].endswith('by "ann": no reader.'), cause
    assert cause["advice"] == f"`tenure workflow unpause {hand.id}` lets it go on."
    assert (await why.json(hand.id))["causes"][1]["kind"] == "CAUSE_KIND_ACTIVITY_HELD"


async def test_an_activity_is_paused(why, hand):
    await hand.start()
    await hand.step(activity("a 1", hand.queue))
    await hand.api.call("PauseActivity", w.PauseActivityRequest(
        namespace="default", execution=execution(hand.id), id="a 1", identity="ann", reason="no stock"))
    cause = await why.first(hand.id, "ACTIVITY_PAUSED")
    assert cause["text"].startswith('Activity "a 1" (A) was paused') and cause["text"].endswith('by "ann": no stock.')
    assert f"`temporal activity unpause --workflow-id {hand.id} --activity-id 'a 1'`" in cause["advice"]


# --- its workflow task ---


async def test_nobody_polls_and_nobody_did(why, hand):
    await hand.start(type="Order")
    cause = await why.first(hand.id, "WORKFLOW_TASK_UNPOLLED")
    assert "which no worker polls, and none did lately." in cause["text"] and hand.queue in cause["text"], cause
    assert f'Start a worker with workflow type "Order" on task queue "{hand.queue}"' in cause["advice"]
    assert cause["queue"]["polled"] is False and cause["queue"]["backlog"] == "1", cause


async def test_nobody_polls_any_more(why, hand):
    with suppress(grpc.RpcError):
        await hand.poll(timeout=1)
    await asyncio.sleep(6)
    await hand.start()
    cause = await why.first(hand.id, "WORKFLOW_TASK_UNPOLLED")
    assert re.search(r'which no worker polls \(the last one did \S+ ago: "hand"\)', cause["text"]), cause
    assert cause["queue"]["lastWorker"] == "hand"


async def test_the_worker_that_has_it_in_its_cache_is_gone(why, hand):
    await hand.start()
    await hand.step(sticky=unique("sticky"), sticky_s=3600)
    await hand.signal("s")
    # Its queue was never polled: after a few seconds the task moves to the normal one.
    cause = await why.first(hand.id, "WORKFLOW_TASK_UNPOLLED")
    while cause["queue"].get("sticky"):
        assert "sticky queue" in cause["text"], cause
        await asyncio.sleep(0.2)
        cause = await why.first(hand.id, "WORKFLOW_TASK_UNPOLLED")
    assert cause["taskQueue"] == hand.queue


async def test_the_queue_hands_out_less_than_comes(why, hand, cluster):
    limit = w.UpdateTaskQueueConfigRequest.RateLimitUpdate(rate_limit=RateLimit(requests_per_second=0.01))
    await hand.api.call("UpdateTaskQueueConfig", w.UpdateTaskQueueConfigRequest(
        namespace="default", task_queue=hand.queue, task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        update_queue_rate_limit=limit, identity="test"))
    await hand.start()
    await hand.step(*(activity(str(n), hand.queue, start_to_close=60) for n in range(3)))
    with suppress(grpc.RpcError):
        await hand.poll_activity(timeout=5)
    poll = asyncio.create_task(hand.poll_activity(timeout=30))
    try:
        cause = await why.first(hand.id, "ACTIVITY_QUEUED")
        assert "which workers poll" in cause["text"] and "0.01" in cause["text"], cause
        assert cause["queue"]["rateLimit"] == pytest.approx(0.01)
        assert f"`tenure task-queue describe {hand.queue}`" in cause["advice"]
    finally:
        poll.cancel()
        with suppress(asyncio.CancelledError, grpc.RpcError):
            await poll


async def test_a_worker_has_the_workflow_task(why, hand):
    await hand.start(workflow_task_timeout=seconds(60))
    assert (await hand.poll()).task_token
    cause = await why.first(hand.id, "WORKFLOW_TASK_RUNNING")
    assert re.fullmatch(r'Worker "hand" has its workflow task for \S+; it times out in 59s\.', cause["text"]), cause


async def test_the_workflow_task_fails(why, hand):
    await hand.start()
    await hand.fail_task(await hand.poll(), "a bug")
    found = await why.json(hand.id)
    kinds = {cause["kind"]: cause for cause in found["causes"]}
    cause = kinds["CAUSE_KIND_WORKFLOW_TASK_FAILING"]
    assert "WorkflowWorkerUnhandledFailure: a bug (Error); attempt 2 is next" in cause["text"], cause
    assert cause["attempt"] == 2 and cause["reason"] == "WorkflowWorkerUnhandledFailure"


async def test_a_command_is_refused(why, hand):
    await hand.start()
    task = await hand.poll()
    with pytest.raises(grpc.RpcError):
        await hand.complete(task, start_timer("t", -1))
    causes = (await why.json(hand.id))["causes"]
    failing = [cause for cause in causes if cause["kind"] == "CAUSE_KIND_WORKFLOW_TASK_FAILING"]
    assert "BadStartTimerAttributes" in failing[0]["text"], causes
    assert failing[0]["advice"].startswith("The server refuses what the workflow's code asks for")


async def test_workflow_tasks_time_out(why, hand):
    await hand.start(workflow_task_timeout=seconds(1))
    assert (await hand.poll()).task_token
    await hand.event("WorkflowTaskTimedOut")
    causes = (await why.json(hand.id))["causes"]
    failing = [cause for cause in causes if cause["kind"] == "CAUSE_KIND_WORKFLOW_TASK_FAILING"]
    assert failing and "no answer of a worker in time" in failing[0]["text"], causes


@workflow.defn(name="Changed")
class Before:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(seconds=1))
        await workflow.sleep(timedelta(hours=1))


@act.defn
async def pack() -> None: ...


@workflow.defn(name="Changed")
class After:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(pack, start_to_close_timeout=timedelta(seconds=5))


async def test_the_code_has_changed(why, stage):
    async with stage.worker(Before, workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await stage.start("Changed", task_timeout=timedelta(seconds=2))

        async def sleeps():
            return [event async for event in handle.fetch_history_events() if event.HasField("timer_started_event_attributes")]

        while len(await sleeps()) < 2:
            await asyncio.sleep(0.1)
    async with stage.worker(After, activities=[pack], workflow_runner=UnsandboxedWorkflowRunner()):
        await handle.signal("wake")
        cause = await why.first(handle.id, "WORKFLOW_TASK_FAILING", seconds=40)
    assert cause["reason"] == "NonDeterministicError", cause
    timer = (await sleeps())[0]
    assert int(cause["eventId"]) == timer.event_id and f"at event {timer.event_id}: " in cause["text"], cause
    assert f"completed before event {timer.event_id}" in cause["advice"] and "TMPRL1100" in cause["failure"]["message"]


# --- its activities ---


async def test_nobody_polls_the_queue_of_an_activity(why, hand):
    await hand.start()
    elsewhere = unique("cards")
    await hand.step(activity("a", elsewhere, type="Charge", start_to_close=60))
    cause = await why.first(hand.id, "ACTIVITY_UNPOLLED")
    assert cause["text"].startswith('Activity "a" (Charge) waits') and elsewhere in cause["text"], cause
    assert f'Start a worker with activity type "Charge" on task queue "{elsewhere}"' in cause["advice"]


async def test_an_activity_runs_and_was_asked_to_stop(why, hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, start_to_close=60, heartbeat=30))
    task = await hand.poll_activity()
    cause = await why.first(hand.id, "ACTIVITY_RUNNING")
    assert re.fullmatch(r'Activity "a" \(A\) runs on worker "hand" for \S+; it times out in \S+\.', cause["text"]), cause
    await hand.heartbeat(task, "half")
    cause = await why.first(hand.id, "ACTIVITY_RUNNING")
    assert ", last heartbeat " in cause["text"] and cause["lastHeartbeat"], cause
    await hand.signal("s")
    await hand.step(command("REQUEST_CANCEL_ACTIVITY_TASK", scheduled_event_id=int(cause["eventId"])))
    cause = await why.first(hand.id, "ACTIVITY_RUNNING")
    assert "was asked to be cancelled" in cause["text"] and "heartbeats" in cause["advice"], cause


async def test_an_activity_is_tried_again(why, hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, attempts=20, backoff_s=600, start_to_close=60))
    await hand.fail_activity(await hand.poll_activity(), "card declined", type="CardError")
    cause = await why.first(hand.id, "ACTIVITY_BACKOFF")
    wanted = r'Activity "a" \(A\) failed once, attempt 2 of 20 begins in 9m \S+: card declined \(CardError\)\.'
    assert re.fullmatch(wanted, cause["text"]), cause
    assert cause["failure"]["applicationFailureInfo"]["type"] == "CardError" and cause["worker"] == "hand"


async def test_an_activity_sent_no_heartbeat(why, hand):
    await hand.start()
    await hand.step(activity("a", hand.queue, attempts=5, backoff_s=600, start_to_close=60, heartbeat=1))
    assert (await hand.poll_activity()).task_token
    cause = await why.first(hand.id, "ACTIVITY_BACKOFF")
    assert "Heartbeat timeout" in cause["text"], cause


# --- what else it waits for ---


async def test_it_waits_for_a_timer(why, hand):
    await hand.start()
    await hand.step(start_timer("late", 7200), start_timer("soon", 3600))
    cause = await why.first(hand.id, "TIMER")
    assert re.fullmatch(r'Timer "soon" fires in 59m \S+\.', cause["text"]), cause
    assert (await why.json(hand.id))["summary"].endswith("Besides: 1 timer.")


async def test_it_waits_for_a_child(why, hand):
    await hand.start()
    id = unique("child")
    await hand.step(child(id, hand.queue))
    await hand.event("ChildWorkflowExecutionStarted")
    await hand.beside(hand.id).complete(await ours(hand))
    cause = await why.first(hand.id, "CHILD_RUNNING")
    assert cause["subject"]["childWorkflowId"] == id and f"`tenure workflow why {id}`" in cause["advice"], cause


async def ours(hand):
    """The next workflow task that is of the hand's own workflow: its children share the queue."""
    while (task := await hand.poll()).workflow_execution.workflow_id != hand.id:
        pass
    return task


@pytest.fixture(scope="module")
def slow(directory):
    """Nodes that are in no hurry to elect a leader."""
    settings = '[cluster]\nshards = 3\n[raft]\nlease = "8s"\n'
    with Cluster(directory / "slow", settings=settings) as running:
        yield running


@pytest.mark.own_cluster
@pytest.mark.parametrize("send, kind, text", [
    (cancel_external, "EXTERNAL_CANCEL", "1 cancellation of another workflow is on the way."),
    (signal_external, "EXTERNAL_SIGNAL", "1 signal to another workflow is on the way."),
], ids=["cancel", "signal"])
async def test_what_it_sends_to_another_workflow_is_on_its_way(slow, send, kind, text):
    """For as long as nobody leads the shard of the other one."""
    lead = slow.leaders()
    target = next(id for id in (unique("target") for _ in range(100)) if lead[slow.locate(id)["shard"]] != lead[0])
    far = slow.node(slow.locate(target)["leader"])
    origin = next(id for id in (unique("origin") for _ in range(100)) if slow.locate(id)["leader"] != far.number)
    api = Api(next(node for node in slow.nodes if node is not far).address)
    hand, other, why = Hand([api]), Hand([api]), Why(slow)
    why.addresses = [node.address for node in slow.nodes if node is not far]
    hand.id, other.id = origin, target
    await other.start()
    await hand.start()
    task = await hand.poll()
    far.send(signal.SIGSTOP)
    try:
        await hand.complete(task, send(target))
        cause = await why.first(hand.id, kind)
        assert (cause["text"], cause["more"]) == (text, "1"), cause
    finally:
        far.send(signal.SIGCONT)
    delivered = {"EXTERNAL_CANCEL": "WorkflowExecutionCancelRequested", "EXTERNAL_SIGNAL": "WorkflowExecutionSignaled"}[kind]
    await other.event(delivered)
    assert kind not in str(await why.json(hand.id))
    await api.close()


async def test_it_waits_for_whoever_is_outside(why, hand):
    await hand.start(workflow_run_timeout=seconds(7200))
    await hand.step()
    cause = await why.first(hand.id, "SIGNAL_OR_UPDATE")
    assert re.search(r"^Nothing is pending: .* It times out in 1h 59m\.$", cause["text"]), cause
    assert f"`tenure workflow query {hand.id} --name __stack_trace`" in cause["advice"]


async def test_an_update_is_not_answered(why, hand):
    await hand.start()
    await hand.step()
    calls = await admitted(hand, "u")
    causes = (await why.json(hand.id))["causes"]
    update = [cause for cause in causes if cause["kind"] == "CAUSE_KIND_UPDATE"]
    assert update and update[0]["text"] == 'Update "u" waits for a worker to accept it.', causes
    task = await hand.poll()
    await hand.complete(task, named(accept("u")), messages=[accept("u")])
    cause = await why.first(hand.id, "UPDATE")
    assert "was accepted (event " in cause["text"], cause
    await hand.terminate()
    for call in calls:
        with suppress(grpc.RpcError):
            await call


async def test_it_was_asked_to_be_cancelled(why, hand):
    await hand.start()
    await hand.step()
    await hand.request_cancel(reason="no stock")
    await hand.step()
    cause = await why.first(hand.id, "CANCEL_REQUESTED")
    assert 'by "test": no stock, and has not ended.' in cause["text"], cause
    assert f"`tenure workflow terminate {hand.id}`" in cause["advice"]


# --- limits ---


@pytest.fixture(scope="module")
def small(directory):
    """A node with small limits."""
    limits = "[limits]\nsignals = 10\npending_activities = 2\n"
    with Cluster(directory / "small", count=1, settings=limits) as running:
        yield running


async def test_it_is_close_to_a_limit_and_over_it(small):
    api = Api(small.addresses[0])
    hand, why = Hand([api]), Why(small)
    await hand.start()
    for _ in range(9):
        await hand.signal("s")
    await hand.step()
    causes = (await why.json(hand.id))["causes"]
    assert [cause["text"] for cause in causes][1:] == ["It is close to a limit: 9 of 10 signals."], causes
    await hand.signal("s")
    await hand.step()
    cause = await why.first(hand.id, "LIMIT")
    assert cause["limit"] == {"name": "signals", "used": "10", "limit": "10"}, cause
    await api.close()


async def test_it_asks_for_more_than_a_limit_allows(small):
    api = Api(small.addresses[0])
    hand, why = Hand([api]), Why(small)
    await hand.start()
    with pytest.raises(grpc.RpcError):
        await hand.step(*(activity(str(n), hand.queue) for n in range(3)))
    causes = (await why.json(hand.id))["causes"]
    failing = [cause for cause in causes if cause["kind"] == "CAUSE_KIND_WORKFLOW_TASK_FAILING"]
    assert failing and "PendingActivitiesLimitExceeded" in failing[0]["text"], causes
    await api.close()


# --- whatever there is ---


async def test_there_is_no_such_run(why, hand):
    missing = "01890000-0000-7000-8000-000000000000"
    assert hand.id in await why(hand.id, code=1)
    error = await why(hand.id, "--run-id", missing, code=1)
    assert hand.id in error and missing in error


async def test_the_namespace_is_gone(why, cluster, hand):
    name = unique("ns")
    await hand.api.call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period=seconds(86400)))
    hand.namespace = name
    await hand.start()
    await hand.terminate()
    cause = await why.first(hand.id, "TERMINATED", "--namespace", name)
    assert f"{hand.id} --namespace {name} --run-id" in cause["advice"], cause
    request = op.DeleteNamespaceRequest(namespace=name, namespace_delete_delay=seconds(20))
    deleted = (await hand.api.call("DeleteNamespace", request)).deleted_namespace
    error = await why(hand.id, "--namespace", name, code=1)
    assert f"{name} is not found" in error, error
    # What is left of it has another name, and tells nothing either.
    error = await why(hand.id, "--namespace", deleted, code=1)
    assert "invalid state: Deleted" in error, error


async def test_ids_and_failures_may_be_anything(why, hand):
    hand.id = f"-{hand.id}\x1b[2J'\n\u202e"
    await hand.start()
    await hand.step(activity("\x1b]0;x\x07" * 30, hand.queue, attempts=3, backoff_s=600, start_to_close=60))
    await hand.fail_activity(await hand.poll_activity(), "\x9b31m" + "long " * 20_000)
    out = await why(hand.id)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out), repr(out)
    assert len(await why(hand.id, "--json")) < 20_000


async def test_of_many_activities_the_first_are_told(why, hand):
    await hand.start()
    await hand.step(*(activity(str(n), hand.queue, start_to_close=60) for n in range(2000)))
    found = await why.json(hand.id)
    of_activities = [cause for cause in found["causes"] if "ACTIVITY" in cause["kind"]]
    assert len(of_activities) == 11 and of_activities[-1]["text"] == "And 1990 activities more wait in task queues.", found
    assert len(json.dumps(found)) < 20_000


async def test_a_person_reads_it(why, hand):
    await hand.start(type="Order")
    await why.first(hand.id, "WORKFLOW_TASK_UNPOLLED")
    out = await why(hand.id)
    assert re.search(rf"^Workflow id  {hand.id}$", out, re.M) and "\nA workflow task waits" in out and "\n  Start a worker" in out
