"""Input that must be refused: with the API's code, or in one line that names the cause. Nothing panics, nothing is lost."""

import os
import shutil
import socket
import subprocess

import grpc
import pytest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import BINARY, Cluster
from harness.hand import Hand, activity, complete_workflow
from harness.ports import free_ports
from harness.rpc import execution, names, payloads, start_request, unique

CODE = grpc.StatusCode


async def check(call, code: grpc.StatusCode, message: str = "") -> None:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    assert caught.value.code() == code, caught.value.details()
    assert message.lower() in caught.value.details().lower()


# --- requests ---


def requests_for(namespace: str, workflow_id: str) -> dict:
    """One valid request of each method that names a namespace and a workflow."""
    target = execution(workflow_id)
    queue = TaskQueue(name="q")
    return {
        "StartWorkflowExecution": start_request(workflow_id, "q", namespace=namespace),
        "SignalWorkflowExecution": w.SignalWorkflowExecutionRequest(
            namespace=namespace, workflow_execution=target, signal_name="s"
        ),
        "RequestCancelWorkflowExecution": w.RequestCancelWorkflowExecutionRequest(
            namespace=namespace, workflow_execution=target
        ),
        "TerminateWorkflowExecution": w.TerminateWorkflowExecutionRequest(
            namespace=namespace, workflow_execution=target
        ),
        "QueryWorkflow": w.QueryWorkflowRequest(namespace=namespace, execution=target, query={"query_type": "q"}),
        "GetWorkflowExecutionHistory": w.GetWorkflowExecutionHistoryRequest(namespace=namespace, execution=target),
        "GetWorkflowExecutionHistoryReverse": w.GetWorkflowExecutionHistoryReverseRequest(
            namespace=namespace, execution=target
        ),
        "DescribeWorkflowExecution": w.DescribeWorkflowExecutionRequest(namespace=namespace, execution=target),
        "ResetStickyTaskQueue": w.ResetStickyTaskQueueRequest(namespace=namespace, execution=target),
        "PollWorkflowTaskQueue": w.PollWorkflowTaskQueueRequest(namespace=namespace, task_queue=queue),
        "PollActivityTaskQueue": w.PollActivityTaskQueueRequest(namespace=namespace, task_queue=queue),
        "DescribeTaskQueue": w.DescribeTaskQueueRequest(namespace=namespace, task_queue=queue),
        "DescribeNamespace": w.DescribeNamespaceRequest(namespace=namespace),
        "RespondActivityTaskCompletedById": w.RespondActivityTaskCompletedByIdRequest(
            namespace=namespace, workflow_id=workflow_id, activity_id="a"
        ),
        "RespondActivityTaskFailedById": w.RespondActivityTaskFailedByIdRequest(
            namespace=namespace, workflow_id=workflow_id, activity_id="a"
        ),
        "RespondActivityTaskCanceledById": w.RespondActivityTaskCanceledByIdRequest(
            namespace=namespace, workflow_id=workflow_id, activity_id="a"
        ),
        "RecordActivityTaskHeartbeatById": w.RecordActivityTaskHeartbeatByIdRequest(
            namespace=namespace, workflow_id=workflow_id, activity_id="a"
        ),
    }


METHODS = sorted(requests_for("", ""))
NO_WORKFLOW = {"PollWorkflowTaskQueue", "PollActivityTaskQueue", "DescribeTaskQueue", "DescribeNamespace"}


@pytest.mark.parametrize("method", METHODS)
async def test_unknown_namespace(apis, method):
    for api in apis:
        await check(api.call(method, requests_for("no-such-namespace", "w")[method]), CODE.NOT_FOUND, "no-such-namespace")


@pytest.mark.parametrize("method", sorted(set(METHODS) - NO_WORKFLOW))
async def test_empty_workflow_id(apis, method):
    with pytest.raises(grpc.RpcError) as caught:
        await apis[0].call(method, requests_for("default", "")[method])
    # An activity without a workflow may be named since lately; there is none of that id.
    allowed = (CODE.INVALID_ARGUMENT, CODE.NOT_FOUND) if method.endswith("ById") else (CODE.INVALID_ARGUMENT,)
    assert caught.value.code() in allowed


@pytest.mark.parametrize("method", sorted(set(METHODS) - NO_WORKFLOW - {"StartWorkflowExecution"}))
async def test_unknown_workflow(apis, method):
    for api in apis:
        await check(api.call(method, requests_for("default", unique("none"))[method]), CODE.NOT_FOUND)


LONG = "x" * 1001


@pytest.mark.parametrize(
    "fields",
    [
        {"workflow_id": LONG},
        {"request_id": LONG},
        {"workflow_type": {"name": LONG}},
        {"workflow_type": {"name": ""}},
        {"task_queue": {"name": LONG}},
        {"task_queue": {"name": ""}},
        {"workflow_run_timeout": {"seconds": -1}},
        {"workflow_task_timeout": {"seconds": -1}},
        {"retry_policy": {"maximum_attempts": -1}},
        {"retry_policy": {"backoff_coefficient": 0.5}},
    ],
    ids=lambda f: "-".join(f"{k}" for k in f),
)
async def test_start_is_validated(apis, fields):
    id = unique("wf")
    request = start_request(id, "q")
    request.MergeFrom(w.StartWorkflowExecutionRequest(**fields))
    for field, value in fields.items():
        if isinstance(value, dict) and value.get("name") == "":
            getattr(request, field).name = ""
    await check(apis[0].call("StartWorkflowExecution", request), CODE.INVALID_ARGUMENT)
    await check(
        apis[1].call("DescribeWorkflowExecution", w.DescribeWorkflowExecutionRequest(
            namespace="default", execution=execution(id))),
        CODE.NOT_FOUND,
    )


@pytest.mark.parametrize("run_id", ["not-a-uuid", "90682583-8696-4025-a40b-e8db1577279b"])
async def test_run_id_that_is_none(hand, run_id):
    await hand.start()
    code = CODE.INVALID_ARGUMENT if run_id == "not-a-uuid" else CODE.NOT_FOUND
    await check(hand.signal("s", run_id=run_id), code)
    await check(hand.describe(run_id), code)
    await hand.terminate()


BIG = b"x" * ((2 << 20) + 1)


async def test_input_over_two_mebibytes_is_refused(hand):
    await check(hand.start(input=payloads(BIG)), CODE.INVALID_ARGUMENT)
    await check(hand.describe(), CODE.NOT_FOUND)


async def test_signal_over_two_mebibytes_is_refused(hand):
    await hand.start()
    await check(hand.signal("s", BIG), CODE.INVALID_ARGUMENT)
    assert "WorkflowExecutionSignaled" not in await hand.event_names()
    await hand.terminate()


async def test_payload_of_nearly_two_mebibytes_is_served(hand):
    almost = b"x" * ((2 << 20) - 1024)
    await hand.start(input=payloads(almost))
    task = await hand.poll()
    assert task.history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data == almost
    await hand.complete(task, complete_workflow(almost))
    assert (await hand.event_names())[-1] == "WorkflowExecutionCompleted"


async def test_activity_result_over_two_mebibytes_fails_the_activity(hand):
    await hand.start()
    await hand.step(activity("a", hand.queue))
    task = await hand.poll_activity()
    try:
        await hand.complete_activity(task, BIG)
    except grpc.RpcError as error:
        assert error.code() == CODE.INVALID_ARGUMENT
    assert "ActivityTaskCompleted" not in await hand.event_names()
    await hand.terminate()


# --- task tokens ---

BY_TOKEN = {
    "RespondWorkflowTaskCompleted": w.RespondWorkflowTaskCompletedRequest,
    "RespondWorkflowTaskFailed": w.RespondWorkflowTaskFailedRequest,
    "RespondActivityTaskCompleted": w.RespondActivityTaskCompletedRequest,
    "RespondActivityTaskFailed": w.RespondActivityTaskFailedRequest,
    "RespondActivityTaskCanceled": w.RespondActivityTaskCanceledRequest,
    "RecordActivityTaskHeartbeat": w.RecordActivityTaskHeartbeatRequest,
    "RespondQueryTaskCompleted": w.RespondQueryTaskCompletedRequest,
}


@pytest.mark.parametrize("method", BY_TOKEN)
@pytest.mark.parametrize("token", [b"", b"garbage", b"\x00" * 400, os.urandom(64)], ids=["empty", "text", "zeros", "random"])
async def test_token_that_never_was(apis, method, token):
    request = BY_TOKEN[method](namespace="default", task_token=token)
    with pytest.raises(grpc.RpcError) as caught:
        await apis[0].call(method, request)
    assert caught.value.code() in (CODE.INVALID_ARGUMENT, CODE.NOT_FOUND), caught.value.details()


@pytest.mark.parametrize("method", [m for m in BY_TOKEN if "Activity" in m])
async def test_stale_activity_token_is_not_found(hand, method):
    await hand.start()
    await hand.step(activity("a", hand.queue))
    task = await hand.poll_activity()
    await hand.complete_activity(task)
    await check(hand.api.call(method, BY_TOKEN[method](namespace="default", task_token=task.task_token)), CODE.NOT_FOUND)
    await hand.terminate()


@pytest.mark.parametrize("method", [m for m in BY_TOKEN if "WorkflowTask" in m])
async def test_stale_workflow_task_token_is_not_found(hand, method):
    await hand.start()
    task = await hand.step(activity("a", hand.queue))
    await check(hand.api.call(method, BY_TOKEN[method](namespace="default", task_token=task.task_token)), CODE.NOT_FOUND)
    await hand.terminate()


@pytest.fixture(scope="session")
async def other_namespace(apis):
    name = unique("other")
    await apis[0].call("RegisterNamespace", w.RegisterNamespaceRequest(
        namespace=name, workflow_execution_retention_period={"seconds": 86_400}))
    return name


@pytest.mark.tenure
@pytest.mark.parametrize("method", [m for m in BY_TOKEN if "Query" not in m])
async def test_token_of_another_namespace_is_refused(hand, other_namespace, method):
    """The reference server takes the token's word for it; we do not."""
    await hand.start()
    task = await hand.poll()
    if "Activity" in method:
        await hand.complete(task, activity("a", hand.queue))
        task = await hand.poll_activity()
    before = await hand.events()
    with pytest.raises(grpc.RpcError) as caught:
        await hand.api.call(method, BY_TOKEN[method](namespace=other_namespace, task_token=task.task_token))
    assert caught.value.code() in (CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, CODE.PERMISSION_DENIED)
    assert await hand.events() == before
    await hand.terminate()


async def test_same_ids_in_two_namespaces_do_not_meet(apis, hand, other_namespace):
    there = Hand(apis, other_namespace)
    there.id, there.queue = hand.id, hand.queue
    await hand.start()
    await there.start()
    assert hand.run != there.run
    await there.step(complete_workflow())
    assert (await there.event_names())[-1] == "WorkflowExecutionCompleted"
    assert "WorkflowTaskStarted" not in await hand.event_names()
    await hand.terminate()


# --- polls ---


@pytest.mark.parametrize("method", ["PollWorkflowTaskQueue", "PollActivityTaskQueue"])
@pytest.mark.parametrize("queue", ["", LONG], ids=["none", "long"])
async def test_poll_without_a_usable_queue(apis, method, queue):
    kind = getattr(w, f"{method}Request")
    await check(apis[0].call(method, kind(namespace="default", task_queue=TaskQueue(name=queue))), CODE.INVALID_ARGUMENT)


@pytest.mark.tenure
async def test_what_is_not_there_says_so_by_name(apis):
    request = w.CreateWorkflowRuleRequest(namespace="default")
    await check(apis[0].call("CreateWorkflowRule", request), CODE.UNIMPLEMENTED, "CreateWorkflowRule")


async def test_namespace_is_validated(apis):
    day = {"seconds": 86_400}
    bad = [
        w.RegisterNamespaceRequest(namespace="", workflow_execution_retention_period=day),
        w.RegisterNamespaceRequest(namespace=LONG, workflow_execution_retention_period=day),
        w.RegisterNamespaceRequest(namespace=unique("n")),
        w.RegisterNamespaceRequest(namespace=unique("n"), workflow_execution_retention_period={"seconds": -1}),
    ]
    for request in bad:
        await check(apis[0].call("RegisterNamespace", request), CODE.INVALID_ARGUMENT)
    again = w.RegisterNamespaceRequest(namespace="default", workflow_execution_retention_period=day)
    await check(apis[0].call("RegisterNamespace", again), CODE.ALREADY_EXISTS)


# --- garbage on the ports ---


@pytest.mark.tenure
@pytest.mark.parametrize("port", ["address", "peer", "http"])
async def test_garbage_bytes_on_a_port_harm_nobody(cluster, hand, port):
    for node in cluster.nodes:
        host, number = getattr(node, port).split(":")
        for junk in (b"", b"\x00" * 4096, os.urandom(4096), b"GET / HTTP/1.1\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(512)):
            with socket.create_connection((host, int(number)), timeout=5) as wire:
                wire.settimeout(0.3)
                try:
                    wire.sendall(junk)
                    wire.recv(100)
                except OSError:
                    pass
    assert all(node.running for node in cluster.nodes)
    assert "panicked" not in cluster.logs(10_000)
    await hand.start()
    await hand.step(complete_workflow())
    assert (await hand.event_names())[-1] == "WorkflowExecutionCompleted"


@pytest.mark.tenure
@pytest.mark.parametrize("method", ["Raft", "InstallSnapshot", "Forward", "Match", "Hello"])
async def test_stranger_on_the_peer_port_is_refused(cluster, method):
    """No valid identity in the metadata, and a body that is no message."""
    for node in cluster.nodes:
        async with grpc.aio.insecure_channel(node.peer) as channel:
            call = channel.stream_stream(f"/tenure.peer.v1.Peer/{method}")

            async def talk():
                async for _ in call(iter([os.urandom(100)]), timeout=5, metadata=[("tenure-node-id", "1")]):
                    pass

            with pytest.raises(grpc.RpcError) as caught:
                await talk()
            assert caught.value.code() != CODE.DEADLINE_EXCEEDED
        assert node.running


# --- what an operator gets wrong ---


def refusal(arguments: list, environment: dict | None = None) -> str:
    """What a server that must not start says; one line, no panic, soon."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TENURE_")}
    done = subprocess.run(
        [str(a) for a in (BINARY, "server", *arguments)], capture_output=True, text=True, timeout=20,
        env=clean | (environment or {}),
    )
    said = done.stderr + done.stdout
    assert done.returncode in (1, 2), (done.returncode, said)
    assert "panicked" not in said
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    return errors[-1]


@pytest.fixture
def alone(tmp_path):
    """A node that is not started."""
    return Cluster(tmp_path, count=1).node(1)


@pytest.mark.tenure
@pytest.mark.parametrize(
    "was, becomes, named",
    [
        ("[node]", "[node]\ncolour = 1", "colour"),
        ("id = 1", 'id = "one"', "id"),
        ("id = 1", "id = 0", "id"),
        ("[listen]", "[listen]\nnothing =", ""),
        ("[cluster.members]", "[cluster]\nshards = 5000\n\n[cluster.members]", "shards"),
    ],
    ids=["unknown-key", "wrong-type", "zero-id", "no-toml", "too-many-shards"],
)
def test_bad_configuration_is_named(alone, was, becomes, named):
    alone.config.write_text(alone.config.read_text().replace(was, becomes, 1))
    assert named in refusal(["--config", alone.config])
    assert not alone.data.exists(), "nothing was created"


@pytest.mark.tenure
def test_missing_configuration_is_named(tmp_path):
    assert "nowhere.toml" in refusal(["--config", tmp_path / "nowhere.toml"])


@pytest.mark.tenure
def test_bad_environment_variable_is_named(alone):
    assert "colour" in refusal(["--config", alone.config], {"TENURE_NODE__COLOUR": "red"}).lower()


@pytest.mark.tenure
@pytest.mark.parametrize("port", ["address", "peer", "http"])
def test_port_in_use_is_named(alone, port):
    address = getattr(alone, port)
    with socket.create_server(("127.0.0.1", int(address.split(":")[1]))):
        assert address in refusal(["--config", alone.config])


@pytest.mark.tenure
@pytest.mark.own_cluster
def test_data_directory_of_another_node_is_refused(tmp_path):
    import shutil

    with Cluster(tmp_path, count=1) as cluster:
        node = cluster.node(1)
        node.stop()
        copied = tmp_path / "other"
        shutil.copytree(node.data, copied)
        text = node.config.read_text()
        other = tmp_path / "other.toml"
        other.write_text(
            text.replace("id = 1", "id = 2").replace(str(node.data), str(copied)).replace("\n1 = ", "\n2 = ")
        )
        said = refusal(["--config", other])
        assert "node 1" in said or "node id" in said.lower(), said
        node.start()
        node.wait_ready()


@pytest.mark.tenure
@pytest.mark.own_cluster
def test_data_directory_in_use_is_refused(tmp_path):
    with Cluster(tmp_path, count=1) as cluster:
        node = cluster.node(1)
        ports = free_ports(3)
        text = node.config.read_text()
        for address, port in zip((node.address, node.peer, node.http), ports):
            text = text.replace(address, f"127.0.0.1:{port}")
        second = tmp_path / "second.toml"
        second.write_text(text)
        assert str(node.data) in refusal(["--config", second])
        assert node.ready


# --- errors that name their cause (F77) ---


async def test_a_query_that_no_worker_takes_names_the_queue(apis):
    hand = Hand(apis)
    await hand.start()
    await hand.step()
    await check(hand.query("q", timeout=3), CODE.DEADLINE_EXCEEDED, f"no worker of task queue '{hand.queue}' asks for work")
    await hand.terminate()


# --- messages that are too large (F75) ---


@pytest.mark.parametrize("megabytes", [5, 60, 200])
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_that_is_too_large_is_refused_in_words_that_sdks_know(cluster, compression, megabytes):
    request = w.SignalWorkflowExecutionRequest(
        namespace="default", workflow_execution=execution("none"), signal_name="s", input=payloads(b"x" * megabytes * 1_000_000)
    )
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(cluster.addresses[0], options=options) as channel:
        call = channel.unary_unary(
            "/temporal.api.workflowservice.v1.WorkflowService/SignalWorkflowExecution",
            request_serializer=w.SignalWorkflowExecutionRequest.SerializeToString,
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request, timeout=60, compression=compression)
    words = {
        grpc.Compression.NoCompression: f"grpc: received message larger than max ({request.ByteSize()} vs. 4194304)",
        grpc.Compression.Gzip: "grpc: received message after decompression larger than max 4194304",
    }
    assert (caught.value.code(), caught.value.details()) == (CODE.RESOURCE_EXHAUSTED, words[compression])


# --- data directories of which a part is gone (F58) ---


def test_a_node_whose_log_is_gone_refuses_to_start_and_touches_nothing(tmp_path):
    data = tmp_path / "data"
    with Cluster(tmp_path / "cluster", 1) as cluster:
        node = cluster.nodes[0]
        node.stop()
        shutil.copytree(node.data, data)
        shutil.move(node.data / "log", tmp_path / "log")
        rows = {file.name: file.read_bytes() for file in (node.data / "state").iterdir() if file.suffix == ".sst"}
        assert rows
        for make_empty in (False, True):
            if make_empty:
                (node.data / "log").mkdir()
            run = subprocess.run([BINARY, "server", "--config", node.config], capture_output=True, text=True, timeout=60)
            assert run.returncode == 1
            last = run.stderr.splitlines()[-1]
            assert str(node.data / "log") in last and "mounted" in last, run.stderr
        assert rows == {file.name: file.read_bytes() for file in (node.data / "state").iterdir() if file.suffix == ".sst"}
        (node.data / "log").rmdir()
        shutil.move(tmp_path / "log", node.data / "log")
        node.start()
        node.wait_ready(30)
