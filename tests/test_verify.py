"""Replicas are compared, at the same entry; one that differs leads no more and is rebuilt by one command."""

import asyncio
import subprocess

import pytest

from harness.cluster import BINARY, Cluster, Node, wait_until
from harness.writes import Writes, assert_there

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(180)]

SETTINGS = '[cluster]\nshards = 3\n[raft]\nflush_interval = "1s"\nbalance_after = "1s"\n'


async def until(condition, within: float, what: str):
    return await asyncio.to_thread(wait_until, condition, within, what)


async def verify(cluster: Cluster, node: Node | None = None) -> tuple[dict, list[str]]:
    """What `tenure cluster verify` finds, and the troubles of it."""
    found = await asyncio.to_thread(lambda: cluster.cli("verify", node=node))
    return found, [trouble for shard in found["shards"] for trouble in shard["troubles"]]


def cluster_command(node: Node, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, "cluster", *arguments, "--address", node.peer], capture_output=True, text=True, timeout=60)


async def command(node: Node, *arguments: str) -> subprocess.CompletedProcess:
    return await asyncio.to_thread(cluster_command, node, *arguments)


def damaged(cluster: Cluster, asked: Node) -> dict[tuple[int, int], str]:
    """By shard and node: what is wrong."""
    shards = cluster.cli("status", node=asked)["shards"]
    return {(shard["shard"], it["node"]): it["damage"] for shard in shards for it in shard["replicas"] if it["damage"]}


async def test_replicas_are_the_same_under_load(tmp_path, say):
    with Cluster(tmp_path / "cluster", settings=SETTINGS) as cluster:
        async with Writes(cluster.addresses) as writes:
            await until(lambda: len(writes.acknowledged) > 300, 30, "writes go on")
            found, troubles = await verify(cluster)
            assert not troubles and len(found["shards"]) == 4, found
            for shard in found["shards"]:
                assert len({replica["checksum"] for replica in shard["replicas"]}) == 1 and len(shard["replicas"]) == 3, shard
            rows = sum(shard["replicas"][0]["rows"] for shard in found["shards"])
            assert rows > 600, found
            say(f"{rows} rows compared; {len(writes.acknowledged)} writes meanwhile")
        assert not any(told.failures for told in writes.of.values())
        # One that is not there is named, and nothing is said of the others but that they are the same.
        cluster.nodes[2].kill()
        await until(lambda: all(cluster.leaders().values()) and 3 not in cluster.leaders().values(), 10, "others lead")
        found, troubles = await verify(cluster, cluster.nodes[0])
        assert len(troubles) == 4 and all("on node 3 was not compared" in trouble for trouble in troubles), troubles
        said = await command(cluster.nodes[0], "verify")
        assert said.returncode == 1 and "not all replicas are known to be the same" in said.stderr, said


@pytest.mark.parametrize("every", ["24h", "1s"], ids=["by an operator", "in the background"])
async def test_a_replica_that_differs_is_named_and_rebuilt(tmp_path, say, every):
    """F61."""
    with Cluster(tmp_path / "cluster", settings=SETTINGS + f'compare_every = "{every}"\n') as cluster:
        node = cluster.nodes[1]
        others = [other for other in cluster.nodes if other is not node]
        async with Writes(cluster.addresses) as writes:
            await until(lambda: len(writes.acknowledged) > 200, 30, "writes go on")
        # With a stop, for all its rows to be in files.
        node.stop()
        node.environment["TENURE_SPOILED_SHARD"] = "1"
        node.start()
        del node.environment["TENURE_SPOILED_SHARD"]
        await until(lambda: node.ready, 30, "it is back")
        if every == "24h":
            assert not damaged(cluster, others[0])
            found, troubles = await verify(cluster, others[0])
            assert troubles == [
                f"The replica of shard 1 on node {node.number} has other rows than the others: `tenure cluster rebuild {node.number} 1`."
            ], found
        await until(lambda: (1, node.number) in damaged(cluster, others[0]), 20, "it is told of")
        assert list(damaged(cluster, others[0])) == [(1, node.number)]
        assert "its rows are not those of the other replicas" in damaged(cluster, others[0])[1, node.number]
        assert node.metrics()['tenure_shard_damaged{shard="1"}'] == 1
        await until(lambda: cluster.leaders()[1] not in (0, node.number), 10, "another one leads")
        async with Writes(cluster.addresses) as later:
            await until(lambda: len(later.acknowledged) > 100, 30, "writes go on")
            done = await asyncio.to_thread(lambda: cluster.cli("rebuild", str(node.number), "1", node=others[0]))
            assert done["from"] != node.number, done
            begin = len(later.acknowledged)
            await until(lambda: len(later.acknowledged) > begin + 100, 30, "writes go on")
            say(f"rebuilt from node {done['from']} in {done['seconds']:.2f} s under load")
        assert not any(told.failures for told in later.of.values())
        assert not damaged(cluster, others[0]) and node.metrics()['tenure_shard_damaged{shard="1"}'] == 0
        _, troubles = await verify(cluster)
        assert not troubles, troubles
        # It survives a crash, and leads.
        node.kill()
        node.start()
        await until(lambda: node.ready, 30, "it is back")
        await until(lambda: cluster.transfer_leader(1, node), 20, "it leads")
        _, troubles = await verify(cluster)
        assert not troubles, troubles
        for one in cluster.nodes:
            await assert_there(one.address, writes.acknowledged + later.acknowledged)


async def test_what_cannot_be_rebuilt_says_why(tmp_path):
    with Cluster(tmp_path / "one", count=1, settings=SETTINGS) as cluster:
        said = await command(cluster.nodes[0], "rebuild", "1", "1")
        assert said.returncode != 0 and "shard 1 has no other replica" in said.stderr, said
        said = await command(cluster.nodes[0], "rebuild", "1", "9")
        assert said.returncode != 0 and "this node has no replica of shard 9" in said.stderr, said
        said = await command(cluster.nodes[0], "rebuild", "7", "1")
        assert said.returncode != 0 and "the address of node 7 is not known" in said.stderr, said
        said = await command(cluster.nodes[0], "verify", "--shard", "9")
        assert said.returncode != 0 and "there is no such shard" in said.stderr, said
