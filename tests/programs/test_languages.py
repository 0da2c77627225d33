"""The programs of the Go and of the Java SDK: the same ones in both, on three nodes and on the reference server.

`scripts/sdks` builds them. Where it cannot, the tests are skipped and say why. One process plays all programs of a
language on a server. What each tells in the end, and the history that the order leaves, must be the reference's.
"""

import json
import subprocess
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from harness.cluster import ROOT, Cluster, Oracle, wait_until
from harness.performance import Performance
from harness.rpc import DURABLE, name_of

# Building comes in, where nothing is built yet.
pytestmark = pytest.mark.timeout(900)

POINTS = ["paid", "on the way"]
CHECKS = ["retried workflow", "handle outlives its run", "cancellation", "start with a message",
          "asynchronous completion", "long local activity", "time-outs", "errors of clients",
          "replay by another worker"]


def build(language: str) -> Path:
    made = subprocess.run([ROOT / "scripts" / "sdks", language], capture_output=True, text=True, timeout=800)
    if made.returncode == 3:
        pytest.skip(f"{made.stdout.strip()}; scripts/setup --all-sdks installs what is missing")
    assert made.returncode == 0, f"the {language} programs do not build:\n{made.stdout}{made.stderr}"
    return Path(made.stdout.strip())


class Played:
    """All programs of a language on one server."""

    def __init__(self, program: Path, addresses: list[str], log: Path):
        self.address = addresses[-1]
        self.performance = Performance([program, ",".join(addresses), "order", *CHECKS], log)
        for _ in POINTS:
            self.performance.go_on()

    def result(self, name: str):
        told = self.performance.of(name, 120)
        assert told["error"] is None, told["error"]
        return told["result"]

    def order(self) -> dict:
        return without_id(self.result("order"))

    def histories(self) -> dict[str, list[str]]:
        return histories(self.address, self.result("order")["workflow"])


def without_id(result: dict) -> dict:
    return json.loads(json.dumps(result).replace(result["workflow"], "ID"))


def histories(address: str, order: str) -> dict[str, list[str]]:
    """Events of the order and of the runs of its children, without workflow tasks: how many there are is chance."""
    with grpc.insecure_channel(address) as channel:
        service = WorkflowServiceStub(channel)
        return {id.removeprefix(order): chain(service, id)
                for id in (order, f"{order}/delivery", f"{order}/reminder")}


def chain(service: WorkflowServiceStub, id: str) -> list[str]:
    """Of all runs, the first one first."""
    found, run = [], ""
    while True:
        request = w.GetWorkflowExecutionHistoryRequest(
            namespace="default", execution=WorkflowExecution(workflow_id=id, run_id=run))
        reply = service.GetWorkflowExecutionHistory(
            request, timeout=10, metadata=DURABLE["GetWorkflowExecutionHistory"])
        events = reply.history.events
        assert not reply.next_page_token and [e.event_id for e in events] == list(range(1, len(events) + 1))
        found = [shape(e) for e in events if not name_of(e).startswith("WorkflowTask")] + found
        run = events[0].workflow_execution_started_event_attributes.continued_execution_run_id
        if not run:
            return found


# Fields of events that belong to build-id based versioning, which is not there; and the rest of the second that a run
# must be apart from the one that it continues: whether there is any is chance.
NOT_COMPARED = {"prev_auto_reset_points", "worker_version", "first_workflow_task_backoff"}


def shape(event) -> str:
    """Its name and which fields it has; a time of zero is as good as none."""
    attributes = getattr(event, event.WhichOneof("attributes"))
    fields = [field.name for field, value in attributes.ListFields()
              if field.name not in NOT_COMPARED and value != Duration()]
    return f"{name_of(event)}: {' '.join(fields)}"


def names_of(histories: dict[str, list[str]]) -> dict[str, list[str]]:
    return {id: [shape.split(":")[0] for shape in shapes] for id, shapes in histories.items()}


@pytest.fixture(scope="module", params=["go", "java"])
def language(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def program(language) -> Path:
    return build(language)


@pytest.fixture(scope="module")
def on_reference(program, language, directory):
    with Oracle(directory / f"reference-for-{language}") as oracle:
        played = Played(program, oracle.addresses, directory / f"{language}-on-reference.log")
        yield played
        played.performance.stop()


@pytest.fixture(scope="module")
def on_nodes(program, language, cluster, directory):
    played = Played(program, cluster.addresses, directory / f"{language}-on-nodes.log")
    yield played
    played.performance.stop()


@pytest.mark.short
def test_order_goes_from_checkout_to_doorstep(on_nodes, on_reference):
    order = on_nodes.order()
    assert order == on_reference.order()
    assert "a tip cannot be negative" in order.pop("negative")
    assert order == {
        "workflow": "ID", "tips": [0, 200], "address": "Side Street 2, checked", "after": "delivered",
        "paid": 'by "Ann": 1600',
        "receipt": {
            "number": "number of ID", "version": 2, "discount": 15, "payment": "ID paid 1600", "tip": 300,
            "address": "Side Street 2, checked", "tracking": "canceled", "reminder": "canceled",
            "delivery": ["to Side Street 2, checked", "leg 1 from 5", "leg 2 from 5", "leg 3 from 5"],
        },
    }


@pytest.mark.short
def test_order_leaves_the_history_that_it_leaves_on_the_reference(on_nodes, on_reference):
    assert on_nodes.histories() == on_reference.histories()


@pytest.mark.short
@pytest.mark.parametrize("name", CHECKS)
def test_program(on_nodes, on_reference, name):
    assert on_nodes.result(name) == on_reference.result(name)


@pytest.mark.short
@pytest.mark.tenure
@pytest.mark.own_cluster
def test_order_goes_on_when_its_leader_is_killed_at_each_point(program, on_reference, tmp_path, request):
    """The worker and the clients are at the two other nodes."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        *others, victim = cluster.nodes
        addresses = [node.address for node in others]
        told = play_order(program, addresses, tmp_path, lambda order: kill_as_leader(cluster, victim, order))
        assert without_id(told) == on_reference.order()
        assert names_of(histories(addresses[0], told["workflow"])) == names_of(on_reference.histories())


@pytest.mark.tenure
@pytest.mark.own_cluster
def test_order_goes_on_after_an_outage_at_each_point(program, on_reference, tmp_path, request):
    """The worker and the clients find the nodes again."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        told = play_order(program, cluster.addresses, tmp_path, lambda _: outage(cluster))
        assert without_id(told) == on_reference.order()
        assert names_of(histories(cluster.addresses[0], told["workflow"])) == names_of(on_reference.histories())


def play_order(program: Path, addresses: list[str], directory: Path, havoc) -> dict:
    """What the order tells in the end; `havoc` is called with its id at each point."""
    performance = Performance([program, ",".join(addresses), "order"], directory / "program.log")
    try:
        for point in POINTS:
            havoc(performance.of(point, 90)["workflow"])
            performance.go_on()
        told = performance.of("order", 90)
        assert told["error"] is None, f"{told['error']}\n{performance.tail()}"
        return told["result"]
    finally:
        performance.stop()


def outage(cluster: Cluster) -> None:
    for node in cluster.nodes:
        node.kill()
    cluster.start()


def kill_as_leader(cluster: Cluster, victim, workflow: str) -> None:
    """Makes the node the leader of the workflow's shard first; one that was killed before comes back for it."""
    if not victim.running:
        victim.start()
        victim.wait_ready()
    shard = cluster.locate(workflow)["shard"]
    wait_until(lambda: cluster.transfer_leader(shard, victim), 30, f"node {victim.number} leads shard {shard}")
    assert cluster.locate(workflow)["leader"] == victim.number
    victim.kill()
