"""The cluster as any of its nodes describes it: `DescribeCluster` of our own API, for a page that somebody looks at at three
in the morning."""

import os
import time

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from temporalio.api.common.v1 import message_pb2 as _common  # noqa: F401: our messages hold theirs
from temporalio.api.enums.v1 import update_pb2 as _update, workflow_pb2 as _workflow  # noqa: F401
from temporalio.api.failure.v1 import message_pb2 as _failure  # noqa: F401
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from harness.cluster import ROOT, Cluster, wait_until
from harness.rpc import payloads, start_request, unique

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster]


def our_api():
    """Our own service, by the descriptors that are checked in; without its paths in HTTP."""
    files = descriptor_pb2.FileDescriptorSet.FromString((ROOT / "crates/api/src/tenure.bin").read_bytes())
    for file in files.file:
        file.dependency.remove("google/api/annotations.proto")
        for method in file.service[0].method:
            method.ClearField("options")
        descriptor_pool.Default().Add(file)
    return descriptor_pool.Default().FindServiceByName("tenure.api.v1.TenureService")


API = our_api()


class Page:
    """What a node says, as JSON has it."""

    def __init__(self, address: str):
        self.channel = grpc.insecure_channel(address)
        method = API.FindMethodByName("DescribeCluster")
        request, response = (message_factory.GetMessageClass(it) for it in (method.input_type, method.output_type))
        self.request = request()
        self.call = self.channel.unary_unary(
            f"/{API.full_name}/{method.name}", lambda it: it.SerializeToString(), response.FromString)

    def __call__(self) -> dict:
        return json_format.MessageToDict(self.call(self.request, timeout=5))


@pytest.fixture(scope="module")
def nodes(directory):
    with Cluster(directory / "status", settings='[cluster]\nshards = 3\n[raft]\nflush_interval = "1s"\n') as running:
        yield running


def of(found: dict, node: int) -> dict:
    return next(it for it in found["nodes"] if it["id"] == str(node))


def test_each_node_is_described_by_any(nodes):
    for node in nodes.nodes:
        page = Page(node.address)
        # A process that has just begun does not know what it used.
        found = wait_until(lambda: (it := page()) and not it.get("troubles") and all("cpuCores" in of(it, n) for n in (1, 2, 3)) and it,
                           20, "all is well")
        assert found["node"] == str(node.number) and len(found["shards"]) == 4
        assert sum(it.get("leaders", 0) for it in found["nodes"]) == 4
        for other in nodes.nodes:
            it = of(found, other.number)
            assert it["reachable"] and it["ready"] and it["peerAddress"] == other.peer
            assert (it["grpcAddress"], it["httpAddress"]) == (other.address, other.http)
            rss = int(next(line for line in open(f"/proc/{other.pid}/status") if line.startswith("VmRSS")).split()[1]) << 10
            assert rss / 2 < int(it["memoryBytes"]) < rss * 2
            assert int(it["diskUsedBytes"]) > 0 and int(it["diskFreeBytes"]) > 0
            assert 0 < it["cpuCores"] < it["cores"] + 0.1, it
            assert 0 < it["syncP50Ms"] <= it["syncP99Ms"] < 60_000, it
            assert ("clockOffsetMs" in it) == (other is not node) and abs(it.get("clockOffsetMs", 0)) < 200, it
        assert all({replica["node"] for replica in shard["replicas"]} == {"1", "2", "3"} for shard in found["shards"])
        leaders = {shard.get("id", 0): int(shard["leader"]) for shard in found["shards"]}
        assert leaders == nodes.leaders()


def test_each_shard_tells_its_size(nodes):
    with grpc.insecure_channel(nodes.nodes[0].address) as channel:
        for _ in range(40):
            noise = os.urandom(32 << 10).hex()
            WorkflowServiceStub(channel).StartWorkflowExecution(start_request(unique("large"), "nobody", input=payloads(noise)), timeout=30)

    def on_disk():
        shards = {shard.get("id", 0): shard["replicas"] for shard in page()["shards"]}
        assert all(int(replica["logBytes"]) > 0 for replicas in shards.values() for replica in replicas), shards
        return all(int(replica["bytes"]) > 100 << 10 for shard in (1, 2, 3) for replica in shards[shard]) and shards

    page = Page(nodes.nodes[0].address)
    # Rows are flushed each second here.
    shards = wait_until(on_disk, 20, "rows are in files")
    assert sum(int(shards[shard][0]["bytes"]) for shard in (1, 2, 3)) < 40 * (64 << 10) * 2, shards
    told = nodes.cli("status", node=nodes.nodes[1])
    replicas = {shard["shard"]: shard["replicas"] for shard in told["shards"]}
    assert all(replica["bytes"] > 100 << 10 and replica["log_bytes"] > 0 for shard in (1, 2, 3) for replica in replicas[shard]), told
    assert all(it["cpu_cores"] > 0 and it["memory_bytes"] > 0 and it["disk_used_bytes"] > 0 for it in told["nodes"]), told


def until_well(page) -> None:
    troubles = []

    def is_well() -> bool:
        troubles[:] = page().get("troubles", ())
        return not troubles

    try:
        wait_until(is_well, 20, "all is well")
    except TimeoutError as late:
        raise AssertionError(f"{late}: {troubles}") from None


def test_a_dead_node_is_seen_within_three_seconds(nodes):
    dead, *others = sorted(nodes.nodes, key=lambda node: node is nodes.node(1))
    pages = [Page(node.address) for node in others]
    for page in pages:
        until_well(page)
    dead.kill()
    begin = time.monotonic()
    for page in pages:
        found = wait_until(lambda: (it := page()) and not of(it, dead.number).get("reachable") and it, 3, "it is seen")
        assert of(found, dead.number)["reason"] and "memoryBytes" not in of(found, dead.number), found
        assert any(it.startswith(f"Node {dead.number} does not answer: ") for it in found["troubles"]), found
    assert time.monotonic() - begin < 3
    # The others take over what it led.
    wait_until(lambda: all(int(shard.get("leader", 0)) not in (0, dead.number) for shard in pages[0]()["shards"]), 20,
               "new leaders")
    dead.start()
    dead.wait_ready()
    until_well(pages[0])


def is_missed(node: dict) -> bool:
    return bool(node.get("troubles")) and (not node.get("reachable") or bool({"1", "2"} & set(node.get("unheardBy", ()))))


def test_a_node_that_is_cut_off_is_seen_from_both_sides(nodes):
    cut, other = nodes.node(3), nodes.node(1)
    inside, outside = Page(cut.address), Page(other.address)
    until_well(outside)
    nodes.cut_off(cut)
    try:
        found = wait_until(
            lambda: (it := inside()) and not any(of(it, node).get("reachable") for node in (1, 2)) and it, 3, "inside")
        assert "cut off by fault injection" in of(found, 1)["reason"], found
        wait_until(lambda: is_missed(of(outside(), 3)), 5, "outside")
    finally:
        nodes.heal(cut)
    until_well(outside)
