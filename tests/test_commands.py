"""Our own command's nouns that speak the API, on our three nodes and on the reference server."""

import asyncio
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time
import uuid

import grpc
import pytest
import pytest_asyncio
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.worker.v1 import WorkerHeartbeat, WorkerHostInfo, WorkerPollerInfo, WorkerSlotsInfo
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.api.workflowservice.v1.service_pb2_grpc import (
    WorkflowServiceServicer,
    add_WorkflowServiceServicer_to_server,
)
from temporalio.client import WorkflowHistory

from harness.cluster import BINARY
from harness.commands import request
from harness.hand import Hand, activity, complete_workflow
from harness.ports import free_ports
from harness.rpc import Api, payload, seconds, start_request, unique


class Tenure:
    """The command, at the addresses of a server; every call has all of them."""

    def __init__(self, addresses: list[str]):
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("TENURE_")}
        self.environment |= {"TENURE_ADDRESS": ",".join(addresses), "TERM": "xterm"}

    async def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it prints; of a call that fails, what it says on standard error."""
        child = await asyncio.create_subprocess_exec(
            str(BINARY), *arguments, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        out, err = (text.decode() for text in await asyncio.wait_for(child.communicate(), 60))
        assert child.returncode == code, f"{arguments}: {child.returncode}\n{out}\n{err}"
        assert not hostile(out + err), repr(out + err)
        return err if code else out

    async def json(self, *arguments: str):
        return json.loads(await self(*arguments, "--json"))

    async def lines(self, *arguments: str) -> list:
        return [json.loads(line) for line in (await self(*arguments, "--json")).splitlines()]

    def on_terminal(self, *arguments: str, columns: int = 80, **environment: str) -> str:
        """What it prints on a terminal of its own."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        with subprocess.Popen([str(BINARY), *arguments], env=self.environment | environment,
                              stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL) as child:
            os.close(theirs)
            printed = b""
            while True:
                try:
                    printed += (part := os.read(ours, 4096))
                except OSError:  # the other end is closed
                    break
                if not part:
                    break
            assert child.wait(30) == 0, printed
        os.close(ours)
        return printed.decode()


def hostile(text: str) -> bool:
    """Whether a terminal would act on it, but for the ends of lines."""
    return re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text) is not None


async def eventually(probe, seconds: float = 20):
    """The first true answer; the lists of the reference server lag behind."""
    deadline = time.monotonic() + seconds
    while not (answer := await probe()):
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.2)
    return answer


@pytest.fixture
def tenure(server) -> Tenure:
    return Tenure(server.addresses)


@pytest_asyncio.fixture
async def api(server):
    made = Api(server.addresses[0])
    yield made
    await made.close()


@pytest.fixture
def hand(api) -> Hand:
    return Hand([api])


# --- one workflow ---


async def test_a_workflow_from_start_to_result(tenure, hand):
    started = await tenure.json("workflow", "start", hand.id, "--type", "Greeting", "--task-queue", hand.queue,
                                "--input", '{"name": "Ann"}', "--input", "5")
    assert started["workflowId"] == hand.id and uuid.UUID(started["runId"])
    assert hand.id in await tenure("workflow", "signal", hand.id, "--name", "go", "--input", '"now"')
    result = asyncio.create_task(tenure.json("workflow", "result", hand.id))
    await hand.step(complete_workflow("done"))
    assert (await result)["result"] == "<binary/plain, 4 bytes>"

    shown = await tenure("workflow", "show", hand.id)
    assert re.search(r"^ *1  \d{4}-\d\d-\d\d \S+  WorkflowExecutionStarted +Greeting\(\{\"name\":\"Ann\"\}, 5\)$", shown, re.M)
    assert re.search(r"WorkflowExecutionSignaled +go\(\"now\"\)$", shown, re.M)
    assert "WorkflowExecutionCompleted" in await tenure("workflow", "show", "-w", hand.id, "--follow")
    described = await tenure("workflow", "describe", hand.id)
    assert re.search(r"^Status +Completed$", described, re.M) and re.search(r"^Type +Greeting$", described, re.M)


async def test_a_history_in_json_is_what_sdks_replay(tenure, hand):
    await hand.start()
    await hand.step(complete_workflow("done"))
    printed = await tenure("workflow", "show", hand.id, "--json")
    history = WorkflowHistory.from_json(hand.id, printed)
    assert [event.event_id for event in history.events] == [1, 2, 3, 4, 5]
    assert history.events[0].workflow_execution_started_event_attributes.input == (await hand.events())[
        0].workflow_execution_started_event_attributes.input
    lines = await tenure.lines("workflow", "show", hand.id, "--follow")
    assert lines == json.loads(printed)["events"]


async def test_describe_tells_of_an_activity_that_fails(tenure, hand):
    await hand.start()
    await hand.step(activity("pay", hand.queue, type="charge", attempts=5, backoff_s=3600))
    await hand.fail_activity(await hand.poll_activity(), "no money", "Declined")
    shown = await tenure("workflow", "describe", hand.id)
    assert re.search(r"^pay +charge +Scheduled +2 of 5 +in 59m \d+s +no money \(Declined\)$", shown, re.M), shown
    pending = (await tenure.json("workflow", "describe", hand.id))["pendingActivities"]
    assert (pending[0]["attempt"], pending[0]["lastFailure"]["message"]) == (2, "no money")
    await hand.terminate()


async def test_a_query_is_answered_by_a_worker(tenure, hand):
    await hand.start()
    await hand.step()
    asked = asyncio.create_task(tenure("workflow", "query", hand.id, "--name", "status"))
    task = await hand.poll()
    await hand.answer_query(task, "fine")
    assert await asked == "<binary/plain, 4 bytes>\n"
    await hand.terminate()
    refused = await tenure("workflow", "query", hand.id, "--name", "status", "--reject-if", "not-open", code=1)
    assert "Terminated" in refused


async def test_cancel_terminate_and_delete(tenure, hand):
    await hand.start()
    assert await tenure("workflow", "cancel", hand.id, "--reason", "out of beans") == f"asked to stop {hand.id}\n"
    assert await tenure.json("workflow", "signal", hand.id, "--name", "s") == {"workflowId": hand.id}
    await tenure("workflow", "terminate", hand.id, "--reason", "enough")
    shown = await tenure("workflow", "show", hand.id)
    assert "out of beans" in shown and re.search(r"WorkflowExecutionTerminated +enough by ", shown)
    assert "terminated" in await tenure("workflow", "result", hand.id, code=1)
    assert await tenure("workflow", "delete", hand.id) == f"deleted {hand.id}\n"

    async def gone():
        child = await asyncio.create_subprocess_exec(
            str(BINARY), "workflow", "describe", hand.id, env=tenure.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return await child.wait() == 1
    await eventually(gone, 60)  # the reference server takes its time
    assert "(NOT_FOUND)" in await tenure("workflow", "describe", hand.id, code=1)


async def test_reset_finds_the_task(tenure, hand):
    await hand.start()
    await hand.step()
    await hand.signal("s")
    await hand.step()
    for to, event in [("first-task", 4), ("last-task", 8), ("4", 4)]:
        run = hand.run if to != "4" else first["runId"]
        reset = await tenure.json("workflow", "reset", hand.id, "--run-id", run, "--to", to)
        assert (reset["workflowId"], reset["eventId"]) == (hand.id, event)
        if to == "first-task":
            first = reset
    assert "must be first-task" in await tenure("workflow", "reset", hand.id, "--to", "somewhere", code=2)
    await hand.terminate()


# --- what terminals must not see, and what they may ---


async def test_what_users_wrote_does_no_harm_to_terminals(tenure, api):
    id = unique("\x1b[2J\x9b31m\u202e\r\nwf")
    await api.call("StartWorkflowExecution", start_request(id, unique("q"), input={"payloads": [payload("x")]}))
    # `Tenure` looks at all that is printed.
    assert "\\u{1b}[2J\\u{9b}31m" in await tenure("workflow", "describe", "--workflow-id", id)
    await tenure("workflow", "show", id)
    described = await tenure.json("workflow", "describe", id)
    assert described["workflowExecutionInfo"]["execution"]["workflowId"] == id
    await tenure("workflow", "signal", id, "--name", "\x1b[2J")
    assert "\\u{1b}[2J()" in await tenure("workflow", "show", id)
    await tenure("workflow", "terminate", id)
    await tenure("workflow", "terminate", id, code=1)


async def test_colours_are_for_terminals(tenure, hand):
    await hand.start()
    shown = await asyncio.to_thread(tenure.on_terminal, "workflow", "describe", hand.id)
    assert "\x1b[36mRunning\x1b[0m" in shown
    assert "\x1b" not in await asyncio.to_thread(
        lambda: tenure.on_terminal("workflow", "describe", hand.id, NO_COLOR="1"))
    await hand.terminate()


async def test_tables_fit_the_terminal(tenure, hand):
    hand.id += "-" + "x" * 200
    await hand.start()
    await hand.signal("s" * 300)
    shown = await asyncio.to_thread(lambda: tenure.on_terminal("workflow", "show", hand.id, columns=100, NO_COLOR="1"))
    assert max(len(line) for line in shown.splitlines()) <= 100
    assert max(len(line) for line in (await tenure("workflow", "show", hand.id)).splitlines()) > 300
    await hand.terminate()


# --- errors ---


async def test_errors_say_what_to_do(tenure):
    nobody = free_ports(1)[0]
    error = await tenure("workflow", "list", "--address", f"127.0.0.1:{nobody}", code=1)
    assert f"no server answers at 127.0.0.1:{nobody}: Connection refused" in error and "--address" in error
    error = await tenure("workflow", "query", unique("w"), "--name", "q", code=1)
    assert "(NOT_FOUND)" in error and "tenure workflow list" in error
    error = await tenure("workflow", "describe", "w", "--namespace", "nowhere", code=1)
    assert "(NOT_FOUND)" in error and "tenure namespace create nowhere" in error
    assert "text has quotes" in await tenure("workflow", "signal", "w", "--name", "s", "--input", "Ann", code=2)
    assert "confirm it with --yes" in await tenure("workflow", "terminate", "--query", "WorkflowId = 'w'", code=2)
    assert "confirm it with --yes" in await tenure("namespace", "delete", "default", code=2)


async def test_what_has_no_answer_in_time_is_told_from_what_is_not_there(tenure, hand):
    await hand.start()
    error = await tenure("workflow", "query", hand.id, "--name", "q", "--timeout", "1", code=1)
    assert "no answer from" in error and "within 1 s" in error
    await hand.terminate()


@pytest.mark.tenure
async def test_ports_that_are_not_the_apis_are_told_so(tenure, cluster):
    for address in (cluster.nodes[0].peer, cluster.nodes[0].http):
        error = await tenure("workflow", "list", "--address", address, code=1)
        assert f"what listens at {address} does not speak the API" in error


async def test_an_address_that_does_not_answer_is_passed_over(tenure, hand):
    await hand.start()
    nobody = free_ports(1)[0]
    addresses = f"127.0.0.1:{nobody},{tenure.environment['TENURE_ADDRESS']}"
    assert hand.id in await tenure("workflow", "describe", hand.id, "--address", addresses)
    await hand.terminate()


# --- namespaces, task queues, search attributes ---


async def test_a_namespace_is_created_listed_described_and_changed(tenure):
    name = unique("space")
    await tenure("namespace", "create", name, "--retention", "5d", "--description", "a shop", "--data", "team=orders")
    assert "already" in await tenure("namespace", "create", name, code=1)
    assert re.search(rf"^{name} +Registered +5d +a shop$", await tenure("namespace", "list"), re.M)
    listed = await tenure.lines("namespace", "list")
    assert name in [it["namespaceInfo"]["name"] for it in listed]
    await tenure("namespace", "update", name, "--retention", "36h")
    described = await tenure("namespace", "describe", name)
    for fact in (rf"^Name +{name}$", "^Retention +1d 12h$", "^Description +a shop$", "^Data +team=orders$"):
        assert re.search(fact, described, re.M), described


@pytest.mark.needs("namespace-deletion")
async def test_a_namespace_is_deleted(tenure):
    name = unique("space")
    await tenure("namespace", "create", name)
    assert name in (await tenure.json("namespace", "delete", name, "--yes"))["deletedNamespace"]
    assert "(NOT_FOUND)" in await tenure("namespace", "describe", name, code=1)


@pytest.mark.tenure
async def test_a_deleted_namespace_tells_how_much_is_left(cluster, apis):
    tenure, name = Tenure(cluster.addresses), unique("space")
    await tenure("namespace", "create", name)
    id = (await tenure.json("namespace", "describe", name))["namespaceInfo"]["id"]
    # It stays for an hour, so that it can be looked at.
    deleted = (await apis[0].call("DeleteNamespace", request(
        "DeleteNamespace", namespace=name, namespace_delete_delay=seconds(3600)))).deleted_namespace

    async def through(asked: str):
        shown = await tenure("namespace", "describe", asked)
        assert re.search(rf"^Name +{deleted}$", shown, re.M) and re.search("^State +Deleted$", shown, re.M), shown
        assert re.search("^Left +", shown, re.M), shown
        return re.search("^Left +nothing, but for its name$", shown, re.M)

    await eventually(lambda: through(deleted))
    await eventually(lambda: through(id))
    assert (await tenure.json("namespace", "describe", id))["left"] == "nothing, but for its name"


async def test_a_task_queue_tells_its_backlog_and_pollers(tenure, hand):
    await hand.start()

    async def waiting():
        return re.search("^workflow +1 ", await tenure("task-queue", "describe", hand.queue), re.M)
    await eventually(waiting)
    task = await hand.poll()
    shown = await tenure("task-queue", "describe", "--task-queue", hand.queue)
    assert re.search(r"^workflow +hand +\S+.* ago$", shown, re.M), shown
    both = await tenure.json("task-queue", "describe", hand.queue)
    assert both["workflow"]["pollers"][0]["identity"] == "hand" and "pollers" not in both["activity"]
    await hand.complete(task, complete_workflow())


async def test_workers_are_listed_and_described(tenure, api, hand):
    host = WorkerHostInfo(host_name="host", process_id="7", current_host_cpu_usage=0.5, current_host_mem_usage=0.25)
    slots = WorkerSlotsInfo(current_used_slots=10, slot_supplier_kind="Fixed", total_processed_tasks=1234,
                            total_failed_tasks=2, last_interval_processed_tasks=7)
    key, other = unique("it's"), unique("other")
    said = [
        WorkerHeartbeat(worker_instance_key=key, worker_identity="me", host_info=host, task_queue=hand.queue,
                        sdk_name="temporal-go", sdk_version="1.2", status="WORKER_STATUS_RUNNING",
                        deployment_version=WorkerDeploymentVersion(deployment_name="shop", build_id="b1"),
                        activity_task_slots_info=slots, activity_poller_info=WorkerPollerInfo(current_pollers=2)),
        WorkerHeartbeat(worker_instance_key=other, task_queue=hand.queue, status="WORKER_STATUS_SHUTTING_DOWN"),
    ]
    await api.call("RecordWorkerHeartbeat", w.RecordWorkerHeartbeatRequest(namespace="default", worker_heartbeat=said))
    shown = await tenure("worker", "list", "--task-queue", hand.queue)
    assert re.search(f"^{key} +{hand.queue} +me +host +temporal-go 1.2 +shop/b1 +running", shown, re.M), shown
    assert re.search(f"^{other} +{hand.queue} +shutting down", shown, re.M), shown
    found = await tenure.lines("worker", "list", "--task-queue", hand.queue, "--query", "HostName = 'host' OR BuildId = 'x'")
    assert [it["workerInstanceKey"] for it in found] == [key]
    assert len(await tenure.lines("worker", "list", "-t", hand.queue, "--limit", "1")) == 1
    shown = await tenure("worker", "describe", key)
    assert re.search("^Host +host, process 7$", shown, re.M), shown
    assert re.search("^Load +50% of processors, 25% of memory$", shown, re.M), shown
    assert re.search("^activities +10 +0 +Fixed +1,234 +2 +7 +0$", shown, re.M), shown
    assert (await tenure.json("worker", "describe", key))["workerHeartbeat"]["workerInstanceKey"] == key
    refused = await tenure("worker", "describe", "nobody", code=1)
    assert "Worker nobody not found (NOT_FOUND)" in refused and "tenure worker list" in refused, refused
    assert await tenure("worker", "list", "--task-queue", "nobody polls this") == ""


async def test_search_attributes_are_added_listed_and_removed(tenure):
    name = unique("space")
    await tenure("namespace", "create", name)

    async def listed() -> str:
        return await tenure("search-attribute", "list", "--namespace", name)

    async def added():
        # A namespace is known to the reference server's registry a moment later.
        return "Customer" in await listed()
    await eventually_done(tenure, "search-attribute", "add", "Customer=Keyword", "Total=double", "--namespace", name)
    await eventually(added)
    assert re.search("^Total +Double +namespace$", await listed(), re.M)
    assert re.search("^WorkflowType +Keyword +system$", await listed(), re.M)
    await tenure("search-attribute", "remove", "Total", "--namespace", name)

    async def removed():
        return "Total" not in await listed()
    await eventually(removed)
    assert "there is no type" in await tenure("search-attribute", "add", "A=Number", "--namespace", name, code=2)


async def eventually_done(tenure, *arguments: str, seconds: float = 20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await tenure(*arguments)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)


# --- lists and batches ---


@pytest_asyncio.fixture
async def some(api, tenure):
    """The type of seven workflows, of which two are terminated, once the server lists them so."""
    kind = unique("Kind")
    for number in range(7):
        await api.call("StartWorkflowExecution", start_request(f"{kind}-{number}", kind, type=kind))
    for number in range(2):
        await tenure("workflow", "terminate", f"{kind}-{number}")

    async def counted():
        groups = await tenure("workflow", "count", "--query", f"WorkflowType = '{kind}' GROUP BY ExecutionStatus")
        return [row.split() for row in groups.splitlines()[1:-1]] == [["Running", "5"], ["Terminated", "2"]]
    await eventually(counted)
    yield kind


@pytest.mark.needs("lists")
async def test_workflows_are_listed_page_by_page(tenure, some):
    query = f"WorkflowType = '{some}'"
    newest_first = [f"{some}-{number}" for number in reversed(range(7))]
    listed = await tenure.lines("workflow", "list", "--query", query, "--all")
    assert sorted(it["execution"]["workflowId"] for it in listed) == sorted(newest_first)
    running = await tenure.lines("workflow", "list", "--query", f"{query} AND ExecutionStatus = 'Running'")
    assert [it["execution"]["workflowId"] for it in running] == newest_first[:5]
    rows = (await tenure("workflow", "list", "--query", query)).splitlines()
    assert rows[0].split() == ["STATUS", "WORKFLOW", "ID", "TYPE", "STARTED", "DURATION"]
    assert len(rows) == 8 and sum(row.startswith("Terminated") for row in rows) == 2
    assert len(await tenure.lines("workflow", "list", "--query", query, "--limit", "3")) == 3
    assert await tenure("workflow", "list", "--query", "WorkflowType = 'none'") == ""
    assert "(INVALID_ARGUMENT)" in await tenure("workflow", "list", "--query", "Nothing = 1", code=1)


@pytest.mark.needs("lists")
async def test_workflows_are_counted_in_groups(tenure, some):
    query = f"WorkflowType = '{some}'"
    assert await tenure("workflow", "count", "--query", query) == "7\n"
    assert await tenure.json("workflow", "count", "--query", "WorkflowType = 'none'") == {"count": "0"}
    groups = await tenure("workflow", "count", "--query", f"{query} GROUP BY ExecutionStatus")
    assert [row.split() for row in groups.splitlines()] == [
        ["GROUP", "COUNT"], ["Running", "5"], ["Terminated", "2"], ["(all)", "7"]]
    found = await tenure.json("workflow", "count", "--query", f"{query} GROUP BY ExecutionStatus")
    assert {group["groupValues"][0]: group["count"] for group in found["groups"]} == {"Running": "5", "Terminated": "2"}


@pytest.mark.needs("lists")
async def test_a_server_that_does_not_explain_is_said_to(server, tenure):
    if server.addresses[0] == server.addresses[1]:
        for verb in ("list", "count"):
            assert "does not tell how" in await tenure("workflow", verb, "--explain", code=1)


class Explaining(WorkflowServiceServicer):
    """A server that tells how it finds what a list or a count asks for, to those who want to know."""

    async def GetSystemInfo(self, request, context):
        return w.GetSystemInfoResponse()

    async def ListWorkflowExecutions(self, request, context):
        self.explain(request, context)
        return w.ListWorkflowExecutionsResponse()

    async def CountWorkflowExecutions(self, request, context):
        self.explain(request, context)
        return w.CountWorkflowExecutionsResponse()

    def explain(self, request, context):
        if ("tenure-explain", "1") in context.invocation_metadata():
            plan = f"{request.query}\n  shard 1: index on WorkflowType\x1b[31m"
            context.set_trailing_metadata([("tenure-plan-bin", plan.encode())])


@pytest.mark.tenure
async def test_a_plan_is_shown_where_the_server_tells_it():
    serving = grpc.aio.server()
    add_WorkflowServiceServicer_to_server(Explaining(), serving)
    address = f"127.0.0.1:{free_ports(1)[0]}"
    serving.add_insecure_port(address)
    await serving.start()
    try:
        tenure = Tenure([address])
        query = "WorkflowType = 'Order'"
        for verb in ("list", "count"):
            shown = await tenure("workflow", verb, "--explain", "--query", query)
            assert shown == f"{query}\n  shard 1: index on WorkflowType\\u{{1b}}[31m\n"
            assert (await tenure.json("workflow", verb, "--explain"))["plan"].endswith("WorkflowType\x1b[31m")
    finally:
        await serving.stop(None)


@pytest.mark.tenure
async def test_shards_with_the_same_plan_are_told_of_together(cluster, apis):
    tenure, space = Tenure(cluster.addresses), unique("space")
    await tenure("namespace", "create", space)
    # So many that each shard has some.
    for number in range(30):
        await apis[0].call("StartWorkflowExecution", start_request(f"w-{number}", "q", namespace=space))
    shards = sum(shard["lists_filled_percent"] is not None for shard in cluster.cli("status")["shards"])

    async def plans(verb: str, query: str) -> list[tuple[int, int, str]]:
        """Shards, about how many rows they read, and what they do."""
        told = await tenure("workflow", verb, "--explain", "--query", query, "--namespace", space)
        head = re.compile(r"(\d+) shards?, about (\d+) rows:\n(.*)", re.S)
        heads = [head.fullmatch(block) for block in told.strip().split("\n\n")]
        return [(int(head[1]), int(head[2]), head[3]) for head in heads]

    assert await plans("list", "") == [
        (shards, 30, "scan all runs\nof these, read those with TemporalNamespaceDivision IS NULL\nin the order asked for")]
    assert await plans("list", "WorkflowId STARTS_WITH 'x' ORDER BY StartTime DESC, RunId") == [
        (shards, 0, "read the index of WorkflowId: 0 values, 1 ranges\nsort")]
    # A count goes another way, and sorts nothing.
    assert await plans("count", "") == [(shards, 30, "read the index of ExecutionStatus: 0 values, 1 ranges")]
    assert await plans("count", "GROUP BY WorkflowType") == [
        (shards, 30, "read the index of WorkflowType: 0 values, 1 ranges")]
    assert await plans("count", "WorkflowId STARTS_WITH 'x'") == [
        (shards, 0, "read the index of WorkflowId: 0 values, 1 ranges")]


@pytest.mark.tenure
async def test_the_status_of_a_cluster_tells_what_its_lists_lack(cluster):
    system, *shards = cluster.cli("status")["shards"]
    assert (system["lists_filled_percent"], system["lists_left_out"]) == (None, 0)
    assert all((shard["lists_filled_percent"], shard["lists_left_out"]) == (100, 0) for shard in shards)


@pytest.mark.needs("lists", "batches")
async def test_many_workflows_are_signalled_terminated_and_deleted(tenure, some):
    running = f"WorkflowType = '{some}' AND ExecutionStatus = 'Running'"
    assert await tenure("workflow", "signal", "--query", running, "--name", "s", "--yes") == "signalled 5 workflows\n"
    done = await tenure.json("workflow", "terminate", "--query", running, "--reason", "enough", "--yes")
    assert (done["state"], done["completeOperationCount"]) == ("BATCH_OPERATION_STATE_COMPLETED", "5")
    shown = await tenure("workflow", "show", f"{some}-6")
    assert "WorkflowExecutionSignaled" in shown and "enough" in shown

    async def all_closed():
        return await tenure("workflow", "count", "--query", running) == "0\n"
    await eventually(all_closed)
    job = await tenure.json("workflow", "delete", "--query", f"WorkflowType = '{some}'", "--yes", "--no-wait")
    assert uuid.UUID(job["jobId"])

    shown = await tenure("batch", "describe", job["jobId"])
    assert re.search("^Operation +DeleteWorkflow$", shown, re.M)
    assert job["jobId"] in await tenure("batch", "list")
    await tenure("batch", "stop", str(uuid.uuid4()), code=1)

    async def all_gone():
        return await tenure("workflow", "count", "--query", f"WorkflowType = '{some}'") == "0\n"
    await eventually(all_gone, 60)


@pytest.mark.needs("lists", "batches")
async def test_many_workflows_are_reset_and_cancelled(tenure, api):
    hand = Hand([api])
    await hand.start()
    await hand.step()

    async def listed():
        return await tenure("workflow", "count", "--query", f"WorkflowId = '{hand.id}'") == "1\n"
    await eventually(listed)
    query = f"WorkflowId = '{hand.id}' AND ExecutionStatus = 'Running'"
    assert await tenure("workflow", "reset", "--query", query, "--to", "first-task", "--yes") == "reset 1 workflow\n"
    assert (await hand.describe()).workflow_execution_info.execution.run_id != hand.run

    async def one_runs():
        return await tenure("workflow", "count", "--query", query) == "1\n"
    await eventually(one_runs)
    assert await tenure("workflow", "cancel", "--query", query, "--yes") == "asked to stop 1 workflow\n"
    assert "WorkflowExecutionCancelRequested" in await tenure("workflow", "show", hand.id)
    await hand.terminate()


# --- schedules ---


async def test_a_schedule_from_its_preview_to_its_end(tenure, hand):
    schedule = hand.id
    said = ("--type", "Report", "--task-queue", hand.queue, "--cron", "30 2 * * MON-FRI", "--time-zone", "Europe/Berlin",
            "--input", '"all"', "--memo", 'owner="Ann"', "--remaining-actions", "3")
    preview = await tenure("schedule", "create", schedule, *said, "--dry-run")
    assert re.search(r"^When +at 02:30 from Monday to Friday in Europe/Berlin$", preview, re.M)
    assert re.search(r'^Starts +Report\("all"\)$', preview, re.M)
    rows = re.findall(r"^(\S+ 0[01]:30:00)  (?:Mon|Tue|Wed|Thu|Fri) \S+ 02:30:00 CES?T +in ", preview, re.M)
    assert len(rows) == 3, "no more than it may act"
    missing = await tenure("schedule", "describe", schedule, code=1)
    assert "NOT_FOUND" in missing and "`tenure schedule list`" in missing, "nothing was created"

    created = await tenure("schedule", "create", schedule, *said, "--paused", "--note", "not yet", "--overlap", "buffer-one")
    assert created == f"created {schedule}: at 02:30 from Monday to Friday in Europe/Berlin\n"
    assert "ALREADY_EXISTS" in await tenure("schedule", "create", schedule, *said, code=1)
    described = await tenure("schedule", "describe", "-s", schedule)
    for fact in ("State +Paused", "Note +not yet", "When +at 02:30 from Monday to Friday in Europe/Berlin", "Overlap +BufferOne",
                 "Actions left +3", "Actions +0", 'Memo +owner = "Ann"', f"Workflow id +{schedule}-TIME"):
        assert re.search(f"^{fact}$", described, re.M), fact
    assert rows == re.findall(r"^(\S+ 0[01]:30:00) +in ", described, re.M), "what was shown is what it does"
    found = await tenure.json("schedule", "describe", schedule)
    assert found["schedule"]["action"]["startWorkflow"]["input"] == ["all"]
    assert len(found["info"]["futureActionTimes"]) == 3

    assert await tenure("schedule", "trigger", schedule, "--overlap", "allow-all") == f"triggered {schedule}\n"
    backfill = ("--from", "2026-03-02T00:00:00Z", "--to", "2026-03-04", "--overlap", "allow-all")
    assert (await tenure.json("schedule", "backfill", schedule, *backfill)) == {"scheduleId": schedule}

    async def acted():
        return (await tenure.json("schedule", "describe", schedule))["info"].get("actionCount") == "3"

    await eventually(acted)
    described = await tenure("schedule", "describe", schedule)
    assert re.search(rf"^2026-03-02 01:30:00 .* Running +{schedule}-2026-03-02T01:30:00Z ", described, re.M)

    assert await tenure("schedule", "unpause", schedule, "--reason", "go") == f"unpaused {schedule}\n"
    assert re.search("^State +Acts$", await tenure("schedule", "describe", schedule), re.M)
    assert await tenure("schedule", "pause", schedule, "--reason", "stop") == f"paused {schedule}\n"
    assert re.search("^Note +stop$", await tenure("schedule", "describe", schedule), re.M)
    span = ("--from", "2026-03-27", "--to", "2026-04-01")
    times = await tenure("schedule", "matching-times", schedule, *span)
    assert times.splitlines() == ["2026-03-27 01:30:00", "2026-03-30 00:30:00", "2026-03-31 00:30:00"]
    assert len((await tenure.json("schedule", "matching-times", schedule, *span))["startTime"]) == 3
    assert await tenure("schedule", "delete", schedule) == f"deleted {schedule}\n"
    assert "NOT_FOUND" in await tenure("schedule", "trigger", schedule, code=1)


async def test_a_schedule_is_updated_where_something_is_said(tenure, hand):
    schedule = hand.id
    await tenure("schedule", "create", schedule, "--type", "Report", "--task-queue", "q", "--every", "1h/20m", "--paused",
                 "--until", "2099-01-01", "--jitter", "10s", "--pause-on-failure")

    async def found():
        return await tenure.json("schedule", "describe", schedule)

    before = await found()
    changes = ("--cron", "0 9 * * *", "--except", '{"dayOfWeek": "SUN"}', "--until", "none")
    preview = await tenure.json("schedule", "update", schedule, *changes, "--dry-run")
    meaning = "every day at 09:00 in UTC, except on Sundays, each delayed by up to 10 seconds"
    assert preview["meaning"] == meaning and len(preview["times"]) == 10
    assert preview["schedule"]["policies"] == before["schedule"]["policies"]
    assert await found() == before, "nothing was changed"

    assert await tenure("schedule", "update", schedule, *changes) == f"updated {schedule}: {meaning}\n"
    after = await found()
    assert after["schedule"] == preview["schedule"]
    assert after["schedule"]["action"] == before["schedule"]["action"]
    assert after["schedule"]["policies"]["pauseOnFailure"] and after["schedule"]["state"]["paused"]
    assert after["schedule"]["spec"].keys() == {"structuredCalendar", "excludeStructuredCalendar", "jitter"}
    await tenure("schedule", "update", schedule, "--pause-on-failure=false", "--type", "Other", "--input", "7",
                 "--overlap", "AllowAll", "--remaining-actions", "0", "--except", "none", "--note", "changed")
    after = (await found())["schedule"]
    started = after["action"]["startWorkflow"]
    assert (started["workflowType"]["name"], started["input"], started["workflowId"]) == ("Other", [7], schedule)
    assert after["policies"]["overlapPolicy"] == "SCHEDULE_OVERLAP_POLICY_ALLOW_ALL"
    assert "pauseOnFailure" not in after["policies"] and "excludeStructuredCalendar" not in after["spec"]
    assert after["state"] == {"notes": "changed", "paused": True, "limitedActions": True}
    assert "no actions left" in await tenure("schedule", "update", schedule, "--dry-run")
    await tenure("schedule", "delete", schedule)


@pytest.mark.tenure
async def test_the_memo_of_a_schedule_is_updated(cluster):
    """The reference server does not do it yet."""
    tenure, schedule = Tenure(cluster.addresses), unique("memo")
    await tenure("schedule", "create", schedule, "--type", "T", "--task-queue", "q", "--memo", "a=1", "--memo", "b=2")
    await tenure("schedule", "update", schedule, "--memo", "b=3")
    assert (await tenure.json("schedule", "describe", schedule))["memo"] == {"fields": {"a": 1, "b": 3}}


async def test_schedules_are_listed_and_counted(tenure, hand):
    ids = [f"{hand.id}-{at}" for at in range(3)]
    every = ("--type", "Report", "--task-queue", "q", "--every", "15m")
    for schedule in ids:
        await tenure("schedule", "create", schedule, *every)
    await tenure("schedule", "pause", ids[0], "--reason", "of a test")
    query = ("--query", f"ScheduleId STARTS_WITH '{hand.id}'")
    await eventually(async_all(tenure, ids, query))
    paused = ("--query", f"ScheduleId STARTS_WITH '{hand.id}' AND TemporalSchedulePaused = true")

    async def is_paused():
        return await tenure("schedule", "count", *paused) == "1\n"

    await eventually(is_paused)
    assert await tenure.json("schedule", "count", *query) == {"count": "3"}
    listed = await tenure("schedule", "list", *query)
    assert re.search(rf"^{ids[0]} +Report +every 15 minutes +paused +of a test$", listed, re.M)
    assert re.search(rf"^{ids[1]} +Report +every 15 minutes +in (1?\dm|\d+s|now)", listed, re.M)
    assert len((await tenure("schedule", "list", *query, "--limit", "2")).splitlines()) == 3
    for schedule in ids:
        await tenure("schedule", "delete", schedule)


def async_all(tenure, ids: list[str], query: tuple[str, str]):
    async def listed() -> bool:
        found = await tenure.lines("schedule", "list", *query)
        return sorted(entry["scheduleId"] for entry in found) == ids

    return listed


async def test_a_schedule_that_cannot_be_is_refused_before_it_is_sent(tenure, hand):
    create = ("schedule", "create", hand.id, "--type", "T", "--task-queue", "q")
    for wrong, why in [
        (["--cron", "61 * * * *"], "Minute is not in range"),
        (["--cron", "0 9 * * *", "--time-zone", "Europe/Nowhere"], "time zone|timezone"),
        (["--every", "soon"], "expected number"),
        (["--calendar", '{"weekday": 1}'], "unknown field"),
        (["--from", "noon"], "must be a time"),
        (["--memo", "owner=Ann"], "text has quotes"),
        (["--overlap", "never"], "possible values"),
    ]:
        assert re.search(why, await tenure(*create, *wrong, code=2), re.S), wrong
    assert "INVALID_ARGUMENT" in await tenure(*create, "--every", "1h", "--search-attribute", "NoSuch=1", code=1)
    silent = await tenure(*create, "--cron", "0 0 31 2 *", "--dry-run")
    assert re.search("^When +never$", silent, re.M) and "It has no times to come" in silent
    over = await tenure(*create, "--every", "1h", "--until", "2026-01-01", "--dry-run")
    assert "It has no times to come" in over
    assert (await tenure.json(*create, "--dry-run"))["times"] == []


async def test_a_preview_needs_no_server(tenure):
    tenure.environment["TENURE_ADDRESS"] = "127.0.0.1:1"
    create = ("schedule", "create", "often", "--type", "T", "--task-queue", "q", "--every", "15m", "--dry-run")
    preview = await tenure.json(*create)
    assert preview["meaning"] == "every 15 minutes" and len(preview["times"]) == 10
    assert all(at.endswith((":00:00Z", ":15:00Z", ":30:00Z", ":45:00Z")) for at in preview["times"])
