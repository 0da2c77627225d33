"""Disks that hang, fail, are slow or full: one node's trouble, and never that of who was told that something is done."""

import asyncio
import time
from contextlib import contextmanager

import grpc
import pytest

from harness.cluster import Cluster, Node, wait_until
from harness.disk import MIB, SmallDisk, disks
from harness.rpc import Api, start_request, unique
from harness.writes import Writes, assert_there

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(180)]

SETTINGS = "[cluster]\nshards = 3\n"


async def until(condition, seconds: float, what: str):
    return await asyncio.to_thread(wait_until, condition, seconds, what)


def leads(cluster: Cluster, node: Node, asked: Node) -> list[int]:
    """The shards that a node leads, as another one says with it."""
    return [shard["shard"] for shard in cluster.cli("status", node=asked)["shards"] if shard["leader"] == node.number]


def healthz(node: Node) -> tuple[int, str]:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://{node.http}/healthz", timeout=2) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


async def test_a_disk_that_hangs_is_noticed(tmp_path, say):
    """F57: the node gives its leaderships away, says what is wrong, and ends; who is served by others notices little."""
    cluster = Cluster(tmp_path / "cluster", settings=SETTINGS)
    disk = disks(cluster)
    with cluster:
        node = cluster.busiest()
        others = [other for other in cluster.nodes if other is not node]
        async with Writes(cluster.addresses) as writes:
            await until(lambda: len(writes.acknowledged) > 200, 30, "writes go on")
            writes.reset()
            begin = time.monotonic()
            disk[node.number].hang()
            code, text = await until(lambda: (it := healthz(node)) and it[0] == 503 and it, 3, "/healthz says it")
            said = time.monotonic() - begin
            assert "the disk has not answered for" in text
            await until(lambda: not leads(cluster, node, others[0]), 4, "leaderships are handed over")
            handed = time.monotonic() - begin
            status = cluster.cli("status", node=others[0])
            of = next(it for it in status["nodes"] if it["node"] == node.number)
            assert not of["ready"] and "the disk has not answered" in of["not_ready_because"], of
            assert any("disk has not answered" in because for because in of["unfit_because"]), of
            assert node.metrics()['tenure_node_unfit{cause="disk_hangs"}'] == 1
            through = len(writes.of[node.address].acknowledged)
            await until(lambda: len(writes.of[node.address].acknowledged) > through + 20, 4, "its own clients are served by the others")
            await until(lambda: not node.running, 20, "the process ends")
            ended = time.monotonic() - begin
            await asyncio.sleep(0.5)
            say(f"/healthz after {said:.1f} s, leaderships away after {handed:.1f} s, ended after {ended:.1f} s")
            for other in others:
                told = writes.of[other.address]
                say(f"node {other.number}: {len(told.acknowledged)} writes, slowest {told.slowest:.2f} s, {len(told.failures)} failed")
                assert not told.failures and told.slowest < 6, told.failures
        assert 9.5 < ended < 12.5, ended
        assert "the disk has not answered for 10 s" in node.tail()
        disk[node.number].heal()
        node.start()
        node.wait_ready()
        for one in cluster.nodes:
            await assert_there(one.address, writes.acknowledged)


async def test_a_disk_that_answers_again_in_time_costs_nothing_more(tmp_path):
    cluster = Cluster(tmp_path / "cluster", settings=SETTINGS)
    disk = disks(cluster)
    with cluster:
        node = cluster.busiest()
        other = next(other for other in cluster.nodes if other is not node)
        async with Writes([other.address]) as writes:
            await until(lambda: len(writes.acknowledged) > 50, 30, "writes go on")
            disk[node.number].hang()
            await until(lambda: healthz(node)[0] == 503 and not leads(cluster, node, other), 6, "leaderships are handed over")
            disk[node.number].heal()
            await until(lambda: healthz(node)[0] == 200 and node.ready, 10, "it is well again")
            fit = lambda: not any(it["unfit_because"] for it in cluster.cli("status", node=other)["nodes"])
            await until(fit, 5, "the others hear of it")
            await until(lambda: all(shard["leader"] for shard in cluster.cli("status", node=node)["shards"]), 10, "it follows")
        assert node.running
        await assert_there(node.address, writes.acknowledged)


async def test_a_sync_that_fails_ends_the_process_and_was_not_acknowledged(tmp_path, say):
    """Of one node, so that nobody else's disk makes up for it."""
    cluster = Cluster(tmp_path / "cluster", count=1, settings=SETTINGS)
    disk = disks(cluster)
    node = cluster.nodes[0]
    with cluster:
        for _ in range(3):
            async with Writes([node.address], writers=8) as writes:
                await until(lambda: len(writes.acknowledged) > 100, 30, "writes go on")
                disk[1].fail()
                await until(lambda: not node.running, 10, "the process ends")
            assert "log write failed" in node.tail()
            disk[1].heal()
            node.start()
            node.wait_ready()
            await assert_there(node.address, writes.acknowledged)
        say(f"{len(writes.acknowledged)} acknowledged in the last round")


TASKS = {"balance", "fitness", "flush", "liveness", "readiness", "upkeep of metrics", "watch on room", "watch on the disk"}


def silent_for(node: Node) -> dict[str, float]:
    """Seconds since each task of a node last succeeded."""
    name = "tenure_task_last_success_timestamp_seconds"
    return {key.split('"')[1]: time.time() - value for key, value in node.metrics().items() if key.startswith(name)}


async def test_a_flush_that_hangs_is_seen_by_its_task_and_then_by_all(tmp_path):
    cluster = Cluster(tmp_path / "cluster", settings=SETTINGS + '[raft]\nflush_interval = "1s"\n')
    disk = disks(cluster)
    with cluster:
        node = cluster.nodes[0]
        await until(lambda: set(silent := silent_for(node)) == TASKS and max(silent.values()) < 6, 20, "all tasks succeed")
        async with Writes(cluster.addresses) as writes:
            disk[node.number].hang("data/state/")
            await until(lambda: silent_for(node)["flush"] > 8, 20, "the flush is late")
            others = silent_for(node)
            assert others.pop("flush") > 8 and max(others.values()) < 6, others
            await until(lambda: healthz(node)[0] == 503 and not leads(cluster, node, cluster.nodes[1]), 10, "leaderships go")
            disk[node.number].heal()
            await until(lambda: silent_for(node)["flush"] < 3 and healthz(node)[0] == 200, 10, "it is well again")
        assert node.running and not any(told.failures for told in writes.of.values())


@pytest.mark.parametrize("milliseconds", [60, 120, 250])
async def test_slow_disks_fail_no_call(tmp_path, say, milliseconds):
    """F55: with all disks slow, writes are slow, and that is all that their callers notice."""
    cluster = Cluster(tmp_path / "cluster", settings=SETTINGS)
    disk = disks(cluster)
    with cluster:
        async with Writes(cluster.addresses, writers=4, timeout=30) as writes:
            await until(lambda: len(writes.acknowledged) > 50, 30, "writes go on")
            for one in disk.values():
                one.slow(milliseconds)
            await asyncio.sleep(2)
            writes.reset()
            begin = len(writes.acknowledged)
            await asyncio.sleep(10)
            made = len(writes.acknowledged) - begin
            failures = [failure for told in writes.of.values() for failure in told.failures]
            slowest = max(told.slowest for told in writes.of.values())
            say(f"{milliseconds} ms a sync: {made} writes in 10 s, slowest {slowest:.2f} s, {len(failures)} failed")
            assert not failures and made > 10
            for one in disk.values():
                one.heal()
        await assert_there(cluster.addresses[0], writes.acknowledged)


PATIENT = '[raft]\nelection_min = "700ms"\nlease = "1s"\n'


@pytest.mark.parametrize(("milliseconds", "settings"), [(120, ""), (250, PATIENT)], ids=["120", "250"])
async def test_slow_disks_elect_a_leader(tmp_path, say, milliseconds, settings):
    """A vote waits for the sync that is going on, and for its own: an election has to have time for both."""
    cluster = Cluster(tmp_path / "cluster", settings=SETTINGS + settings)
    disk = disks(cluster)
    with cluster:
        lost = cluster.busiest()
        others = [node for node in cluster.nodes if node is not lost]
        async with Writes([node.address for node in others], writers=4, timeout=30) as writes:
            await until(lambda: len(writes.acknowledged) > 50, 30, "writes go on")
            for one in disk.values():
                one.slow(milliseconds)
            await asyncio.sleep(1)
            lost.kill()
            begin = time.monotonic()
            await until(lambda: all(leader not in (0, lost.number) for leader in cluster.leaders().values()), 20, "others lead")
            say(f"{milliseconds} ms a sync: others lead after {time.monotonic() - begin:.1f} s")
            made = len(writes.acknowledged)
            await until(lambda: len(writes.acknowledged) > made + 50, 30, "writes go on")
            slowest = max(told.slowest for told in writes.of.values())
            say(f"the slowest of {len(writes.acknowledged)} writes took {slowest:.1f} s")
            assert not any(told.failures for told in writes.of.values()) and slowest < 15
            for one in disk.values():
                one.heal()
        await assert_there(others[0].address, writes.acknowledged)


SMALL = SETTINGS + f'''
[disk]
floor_bytes = {32 * MIB}
reserve_bytes = {4 * MIB}
[raft]
flush_interval = "1s"
[memory]
budget_bytes = {32 * MIB}
'''


@contextmanager
def small(directory):
    """Three nodes, each with a disk of 96 MiB."""
    cluster = Cluster(directory / "cluster", settings=SMALL)
    disk = {}
    try:
        for node in cluster.nodes:
            disk[node.number] = SmallDisk(node, 96)
        with cluster:
            yield cluster, disk
    finally:
        for one in disk.values():
            one.close()


async def refusals(cluster: Cluster) -> list[str]:
    """What each node answers a start."""
    told = []
    for node in cluster.nodes:
        api = Api(node.address)
        try:
            await api.call("StartWorkflowExecution", start_request(unique("refused"), "nobody"), timeout=5)
            told.append("OK")
        except grpc.RpcError as error:
            told.append(error.code().name)
        await api.close()
    return told


async def test_one_full_disk_is_one_nodes_trouble(tmp_path, say):
    """F56."""
    with small(tmp_path) as (cluster, disk):
        node = cluster.busiest()
        other = next(other for other in cluster.nodes if other is not node)
        assert (disk[node.number].path / "reserve").stat().st_size == 4 * MIB
        async with Writes(cluster.addresses) as writes:
            await until(lambda: len(writes.acknowledged) > 100, 30, "writes go on")
            disk[node.number].leave(16 * MIB)
            await until(lambda: not leads(cluster, node, other), 6, "leaderships are handed over")
            of = next(it for it in cluster.cli("status", node=other)["nodes"] if it["node"] == node.number)
            assert any("its disk has only" in because for because in of["unfit_because"]), of
            assert of["disk_free_bytes"] < 20 * MIB and of["ready"], of
            assert node.metrics()['tenure_node_unfit{cause="disk_full"}'] == 1
            # Hardly any room: it takes no more, and lives.
            disk[node.number].leave(1 * MIB)
            await until(lambda: not (disk[node.number].path / "reserve").exists(), 5, "the reserve is given up")
            disk[node.number].leave(1 * MIB)
            begin = len(writes.acknowledged)
            await asyncio.sleep(5)
            assert len(writes.acknowledged) > begin + 100
            assert node.running
            disk[node.number].clear()
            await until(lambda: not next(it for it in cluster.cli("status", node=other)["nodes"] if it["node"] == node.number)["unfit_because"],
                        5, "it is well again")
            await until(lambda: (disk[node.number].path / "reserve").exists(), 5, "the reserve is taken again")
        failures = [failure for told in writes.of.values() for failure in told.failures]
        say(f"{len(writes.acknowledged)} writes, {len(failures)} failed")
        assert not failures
        await until(lambda: all(replica["lag"] < 10 for shard in cluster.cli("status", node=other)["shards"] for replica in shard["replicas"]),
                    20, "it catches up")
        await assert_there(node.address, writes.acknowledged)


async def test_full_disks_everywhere_refuse_writes_until_there_is_space(tmp_path, say):
    """F56."""
    with small(tmp_path) as (cluster, disk):
        async with Writes(cluster.addresses) as writes:
            await until(lambda: len(writes.acknowledged) > 100, 30, "writes go on")
        for one in disk.values():
            one.leave(16 * MIB)

        async def until_all(code: str, within: float) -> None:
            deadline = time.monotonic() + within
            while (told := await refusals(cluster)) != [code] * 3:
                assert time.monotonic() < deadline, told
                await asyncio.sleep(0.1)

        await until_all("RESOURCE_EXHAUSTED", 10)
        for node in cluster.nodes:
            await assert_there(node.address, writes.acknowledged)
        for one in disk.values():
            one.leave(1 * MIB)
        await until(lambda: not any((one.path / "reserve").exists() for one in disk.values()), 5, "reserves are given up")
        # What is written meanwhile has filled what they left.
        for one in disk.values():
            one.leave(1 * MIB)
        assert await refusals(cluster) == ["RESOURCE_EXHAUSTED"] * 3
        for node in cluster.nodes:
            await assert_there(node.address, writes.acknowledged)
        await asyncio.sleep(3)
        assert all(node.running for node in cluster.nodes), cluster.logs(10)

        # Space is made, and nobody starts anything.
        for one in disk.values():
            one.clear()
        begin = time.monotonic()
        await until_all("OK", 10)
        say(f"writes go on {time.monotonic() - begin:.1f} s after there was space")
        assert all(node.running for node in cluster.nodes)
        for node in cluster.nodes:
            await assert_there(node.address, writes.acknowledged)


async def test_a_node_comes_up_on_its_reserve(tmp_path):
    """F56: a full disk is no crash loop."""
    with small(tmp_path) as (cluster, disk):
        node = cluster.nodes[0]
        async with Writes(cluster.addresses) as writes:
            await until(lambda: len(writes.acknowledged) > 300, 30, "writes go on")
            node.kill()
        disk[node.number].leave(0)
        node.start()
        await until(lambda: node.ready, 30, "it comes up")
        assert "its reserve is given up" in node.tail()
        await assert_there(node.address, writes.acknowledged)
        assert node.running
