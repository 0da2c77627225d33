"""Child workflows, and what workflows send to each other."""

import asyncio
import random
import time

import grpc
import pytest
from temporalio.api.common.v1 import Header, Memo, Priority
from temporalio.api.enums.v1 import ParentClosePolicy, WorkflowIdReusePolicy

from harness.cluster import Cluster
from harness.hand import (
    Hand,
    cancel_external,
    cancel_workflow,
    child,
    complete_workflow,
    fail_workflow,
    signal_external,
)
from harness.rpc import Api, data, execution, names, payload, payloads, seconds, unique

POLICY = ParentClosePolicy
REUSE = WorkflowIdReusePolicy
EXISTS = "START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS"


async def start_child(hand: Hand, **fields) -> Hand:
    """A parent that has a started child; gives a hand at the child."""
    await hand.start()
    kid = hand.beside(unique("kid"))
    await hand.step(child(kid.id, kid.queue, **fields))
    await hand.event("ChildWorkflowExecutionStarted")
    return kid


async def refused(call) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    return caught.value.details()


# --- children ---


async def test_child_tells_where_it_comes_from(hand):
    await hand.start()
    kid = hand.beside(unique("kid"))
    fields = dict(control="c", input=payloads("in"), memo=Memo(fields={"m": payload("1")}),
                  header=Header(fields={"h": payload("2")}), priority=Priority(priority_key=2))
    await hand.step(child(kid.id, kid.queue, **fields))
    started = await hand.event("ChildWorkflowExecutionStarted")
    assert started.initiated_event_id == 5
    assert started.workflow_execution.workflow_id == kid.id
    assert started.header.fields["h"].data == b"2"
    initiated = await hand.event("StartChildWorkflowExecutionInitiated")
    assert (initiated.control, initiated.namespace) == ("c", "default")
    assert initiated.parent_close_policy == POLICY.PARENT_CLOSE_POLICY_TERMINATE
    assert initiated.workflow_id_reuse_policy == REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
    pending = (await hand.describe()).pending_children
    assert [(p.workflow_id, p.run_id, p.workflow_type_name, p.initiated_id, p.parent_close_policy) for p in pending] == [
        (kid.id, started.workflow_execution.run_id, "C", 5, POLICY.PARENT_CLOSE_POLICY_TERMINATE)
    ]
    first = await kid.event("WorkflowExecutionStarted")
    parent = execution(hand.id, hand.run)
    assert (first.parent_workflow_execution, first.root_workflow_execution) == (parent, parent)
    assert (first.parent_workflow_namespace, first.parent_initiated_event_id) == ("default", 5)
    assert first.parent_workflow_namespace_id == initiated.namespace_id == started.namespace_id
    assert first.HasField("workflow_run_timeout") and not first.HasField("workflow_execution_timeout")
    assert (data(first.input), first.memo.fields["m"].data, first.priority.priority_key) == ([b"in"], b"1", 2)
    described = await kid.describe()
    info = described.workflow_execution_info
    assert (info.parent_execution, info.root_execution) == (parent, parent)
    assert info.parent_namespace_id == initiated.namespace_id
    assert list(described.workflow_extended_info.request_id_infos) == [f"{hand.run}:5:0"]


@pytest.mark.parametrize("end", ["Completed", "Failed", "Canceled", "Terminated", "TimedOut"])
async def test_parent_hears_how_its_child_ended(hand, end):
    kid = await start_child(hand, **({"workflow_run_timeout": seconds(1)} if end == "TimedOut" else {}))
    if end == "Completed":
        await kid.step(complete_workflow("r"))
    elif end == "Failed":
        await kid.step(fail_workflow("no"))
    elif end == "Canceled":
        await kid.step(cancel_workflow())
    elif end == "Terminated":
        await kid.terminate()
    told = await hand.event(f"ChildWorkflowExecution{end}")
    assert (told.initiated_event_id, told.started_event_id) == (5, 6)
    assert told.workflow_execution.workflow_id == kid.id
    assert told.workflow_type.name == "C"
    if end == "Completed":
        assert data(told.result) == [b"r"]
    if end == "Failed":
        assert told.failure.message == "no"
    assert not (await hand.describe()).pending_children


async def test_grandchild_knows_the_root(hand):
    kid = await start_child(hand)
    grandchild = hand.beside(unique("grandchild"))
    await kid.step(child(grandchild.id, grandchild.queue))
    await kid.event("ChildWorkflowExecutionStarted")
    first = await grandchild.event("WorkflowExecutionStarted")
    assert first.parent_workflow_execution.workflow_id == kid.id
    assert first.root_workflow_execution == execution(hand.id, hand.run)


async def test_results_come_behind_what_else_came_while_a_task_ran(hand):
    await hand.start()
    kids = [hand.beside(unique("kid")) for _ in range(2)]
    await hand.step(*(child(kid.id, kid.queue) for kid in kids))
    await hand.event("ChildWorkflowExecutionStarted", 2)
    task = await hand.poll()
    for kid in kids:
        await kid.step(complete_workflow())
    await until_none_pending(hand)
    await hand.signal("s")
    await hand.complete(task)
    tail = (await hand.event_names())[-5:]
    assert tail == ["WorkflowTaskCompleted", "WorkflowExecutionSignaled", "ChildWorkflowExecutionCompleted",
                    "ChildWorkflowExecutionCompleted", "WorkflowTaskScheduled"]


async def until_none_pending(hand: Hand) -> None:
    deadline = time.monotonic() + 10
    while (await hand.describe()).pending_children:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "reuse, closed, starts",
    [
        (REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, False, False),
        (REUSE.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING, False, True),
        (REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, True, True),
        (REUSE.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, True, False),
        (REUSE.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, True, False),
    ],
)
async def test_id_of_a_child_may_be_taken(hand, reuse, closed, starts):
    other = hand.beside()
    await other.start()
    if closed:
        await other.step(complete_workflow())
    await hand.start()
    await hand.step(child(other.id, other.queue, workflow_id_reuse_policy=reuse))
    if starts:
        await hand.event("ChildWorkflowExecutionStarted")
    else:
        failed = await hand.event("StartChildWorkflowExecutionFailed")
        assert (failed.cause, failed.initiated_event_id, failed.workflow_id) == (1, 5, other.id)


@pytest.mark.parametrize("end", ["complete", "fail", "terminate", "timeout"])
@pytest.mark.parametrize(
    "policy, told",
    [
        (POLICY.PARENT_CLOSE_POLICY_UNSPECIFIED, "WorkflowExecutionTerminated"),
        (POLICY.PARENT_CLOSE_POLICY_TERMINATE, "WorkflowExecutionTerminated"),
        (POLICY.PARENT_CLOSE_POLICY_ABANDON, None),
        (POLICY.PARENT_CLOSE_POLICY_REQUEST_CANCEL, "WorkflowExecutionCancelRequested"),
    ],
)
async def test_closing_parent_tells_its_children(hand, end, policy, told):
    await hand.start(**({"workflow_run_timeout": seconds(1)} if end == "timeout" else {}))
    kid = hand.beside(unique("kid"))
    await hand.step(child(kid.id, kid.queue, parent_close_policy=policy))
    await hand.event("ChildWorkflowExecutionStarted")
    if end == "complete":
        await hand.step(complete_workflow())
    elif end == "fail":
        await hand.step(fail_workflow("no"))
    elif end == "terminate":
        await hand.terminate()
    else:
        await hand.event("WorkflowExecutionTimedOut")
    if told is None:
        await asyncio.sleep(0.3)
        assert await kid.event_names() == ["WorkflowExecutionStarted", "WorkflowTaskScheduled"]
        return
    heard = await kid.event(told)
    assert heard.identity == "history-service"
    if told == "WorkflowExecutionTerminated":
        assert heard.reason == "by parent close policy"
    else:
        assert heard.external_workflow_execution == execution(hand.id, hand.run)
        assert (heard.cause, heard.external_initiated_event_id) == ("", 0)


@pytest.mark.parametrize("policy", [POLICY.PARENT_CLOSE_POLICY_ABANDON, POLICY.PARENT_CLOSE_POLICY_TERMINATE])
async def test_child_of_the_closing_task_is_never_started(hand, policy):
    await hand.start()
    kid = hand.beside(unique("kid"))
    await hand.step(child(kid.id, kid.queue, parent_close_policy=policy), complete_workflow())
    await asyncio.sleep(0.3)
    assert "not found" in await refused(kid.describe())


# --- signals and cancellations ---


async def test_signal_and_cancellation_of_another_workflow(hand):
    other = hand.beside()
    await other.start()
    await hand.start()
    await hand.step(signal_external(other.id, control="c", input=payloads("in")), cancel_external(other.id, reason="why"))
    sent = await hand.event("ExternalWorkflowExecutionSignaled")
    assert (sent.initiated_event_id, sent.control, sent.namespace) == (5, "c", "default")
    assert sent.workflow_execution == execution(other.id)
    asked = await hand.event("ExternalWorkflowExecutionCancelRequested")
    assert (asked.initiated_event_id, asked.workflow_execution) == (6, execution(other.id))
    signaled = await other.event("WorkflowExecutionSignaled")
    assert (signaled.signal_name, data(signaled.input), signaled.identity) == ("s", [b"in"], "history-service")
    assert signaled.external_workflow_execution == execution(hand.id, hand.run)
    cancelled = await other.event("WorkflowExecutionCancelRequested")
    assert (cancelled.cause, cancelled.external_initiated_event_id, cancelled.identity) == ("why", 6, "history-service")
    assert cancelled.external_workflow_execution == execution(hand.id, hand.run)


@pytest.mark.parametrize("target", ["unknown", "other run", "closed", "not a child", "itself"])
async def test_signal_and_cancellation_that_reach_nobody(hand, target):
    other = hand.beside()
    await hand.start()
    await other.start()
    id, run_id, fields, cancels = other.id, "", {}, "RequestCancelExternalWorkflowExecutionFailed"
    if target == "unknown":
        id = unique("nobody")
    elif target == "other run":
        run_id = "0c9bcb3c-9a0c-4a2a-8d0b-6f0c1c6b9b4c"
    elif target == "closed":
        await other.terminate()
        cancels = "ExternalWorkflowExecutionCancelRequested"
    elif target == "not a child":
        fields = {"child_workflow_only": True}
    else:
        id = hand.id
    await hand.step(signal_external(id, run_id=run_id, **fields), cancel_external(id, run_id, **fields))
    failed = await hand.event("SignalExternalWorkflowExecutionFailed")
    assert (failed.cause, failed.initiated_event_id) == (1, 5)
    answered = await hand.event(cancels)
    assert answered.initiated_event_id == 6


async def test_parent_cancels_its_child(hand):
    kid = await start_child(hand)
    await hand.step(cancel_external(kid.id, child_workflow_only=True))
    await kid.event("WorkflowExecutionCancelRequested")
    await hand.event("ExternalWorkflowExecutionCancelRequested")
    await kid.step(cancel_workflow())
    await hand.event("ChildWorkflowExecutionCanceled")


@pytest.mark.tenure
async def test_signal_with_the_start_of_a_child_reaches_it(hand):
    await hand.start()
    kid = hand.beside(unique("kid"))
    await hand.step(child(kid.id, kid.queue), signal_external(kid.id, child_workflow_only=True))
    await hand.event("ExternalWorkflowExecutionSignaled")
    assert "WorkflowExecutionSignaled" in await kid.event_names()


@pytest.mark.parametrize(
    "commands, message",
    [
        (lambda: [child("", "q")], "BadStartChildExecutionAttributes: Required field WorkflowId is not set on "
         "StartChildWorkflowExecutionCommand. WorkflowType=C Namespace=default"),
        (lambda: [child("x", "q", workflow_run_timeout=seconds(-1))], "BadStartChildExecutionAttributes: Invalid "
         "WorkflowRunTimeout on StartChildWorkflowExecutionCommand: negative duration. WorkflowId=x WorkflowType=C "
         "Namespace=default"),
        (lambda: [signal_external("")], "BadSignalWorkflowExecutionAttributes: WorkflowId is not set on "
         "SignalExternalWorkflowExecutionCommand. Namespace= RunId= SignalName=s"),
        (lambda: [signal_external("x", "")], "BadSignalWorkflowExecutionAttributes: SignalName is not set on "
         "SignalExternalWorkflowExecutionCommand. WorkflowId=x Namespace= RunId="),
        (lambda: [cancel_external("x", "abc")], "BadRequestCancelExternalWorkflowExecutionAttributes: Invalid RunId "
         "set on RequestCancelExternalWorkflowExecutionCommand. WorkflowId=x RunId=abc Namespace="),
        (lambda: [child("x", "q"), cancel_external("x")], "BadRequestCancelExternalWorkflowExecutionAttributes: Start "
         "and RequestCancel for child workflow is not allowed in same workflow task. WorkflowId=x RunId= Namespace="),
        (lambda: [child("x", "q", namespace="nowhere")], "Namespace nowhere is not found."),
        (lambda: [signal_external("x", namespace="nowhere")], "Namespace nowhere is not found."),
    ],
)
async def test_bad_commands(hand, commands, message):
    await hand.start()
    task = await hand.poll()
    assert await refused(hand.complete(task, *commands())) == message
    expected = "WorkflowTaskStarted" if message.startswith("Namespace") else "WorkflowTaskFailed"
    assert expected in await hand.event_names()
    assert ("WorkflowTaskFailed" in await hand.event_names()) == (expected == "WorkflowTaskFailed")


# --- leaders die ---

PARENTS = 50
CHILDREN = 3


@pytest.mark.tenure
@pytest.mark.own_cluster
@pytest.mark.timeout(300)
async def test_children_start_and_report_once_while_leaders_die(tmp_path, request, say):
    seed = request.config.getoption("--seed")
    seed = random.randrange(1 << 32) if seed is None else seed
    say(f"seed {seed}")
    chance = random.Random(seed)
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        apis = [Api(node.address) for node in cluster.nodes]
        parents = [Hand(apis) for _ in range(PARENTS)]
        families = [(parent, [parent.beside(unique("kid")) for _ in range(CHILDREN)]) for parent in parents]
        stop = asyncio.Event()
        kills = asyncio.create_task(kill_leaders(cluster, stop, chance))
        began = time.monotonic()
        await asyncio.gather(*(raise_family(parent, kids) for parent, kids in families))
        took = time.monotonic() - began
        stop.set()
        killed = await kills
        for parent, kids in families:
            happened = await patiently(parent.event_names)
            for event in ("StartChildWorkflowExecutionInitiated", "ChildWorkflowExecutionStarted",
                          "ChildWorkflowExecutionCompleted"):
                assert happened.count(event) == CHILDREN, happened
            assert "StartChildWorkflowExecutionFailed" not in happened
            told = {e.child_workflow_execution_started_event_attributes.workflow_execution.run_id
                    for e in await patiently(parent.events) if e.HasField("child_workflow_execution_started_event_attributes")}
            runs = {(await patiently(kid.describe)).workflow_execution_info.execution.run_id for kid in kids}
            assert told == runs
        say(f"{PARENTS * CHILDREN} children in {took:.1f} s, {killed} leaders killed meanwhile")
        for api in apis:
            await api.close()


async def patiently(call, *arguments, seconds: float = 60):
    """Tries again while nodes are down: each call goes to the next address."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await call(*arguments)
        except grpc.RpcError as error:
            passing = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
            if not passing or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def raise_family(parent: Hand, kids: list[Hand]) -> None:
    request_id = unique("start")
    await patiently(lambda: parent.start(request_id=request_id))
    await work(parent, lambda: [child(kid.id, kid.queue) for kid in kids])
    await asyncio.gather(*(work(kid, lambda: [complete_workflow("r")]) for kid in kids))
    await patiently(parent.event, "ChildWorkflowExecutionCompleted", CHILDREN, 120)


async def work(hand: Hand, commands) -> None:
    """Does one task; one whose answer is lost comes again, or was taken."""
    while True:
        try:
            task = await hand.poll(timeout=5)
            if task.task_token:
                await hand.complete(task, *commands())
                return
        except grpc.RpcError:
            await asyncio.sleep(0.05)
        try:
            if "WorkflowTaskCompleted" in await hand.event_names():
                return
        except (grpc.RpcError, AssertionError):
            pass


async def kill_leaders(cluster: Cluster, stop: asyncio.Event, chance: random.Random) -> int:
    killed = 0
    while not stop.is_set():
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        node = await asyncio.to_thread(cluster.busiest)
        node.kill()
        killed += 1
        await asyncio.sleep(chance.uniform(0.2, 1))
        node.start()
        await asyncio.to_thread(node.wait_ready)
    return killed
