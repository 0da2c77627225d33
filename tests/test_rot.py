"""F54, F59: a byte that is not as it was written, in each kind of file. It is found, it is told where, and the others serve."""

import asyncio
import os
from pathlib import Path

import grpc
import pytest

from harness.cluster import Cluster, Node, wait_until
from harness.rpc import Api, history, payloads, start_request, unique

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(180)]

SETTINGS = '[cluster]\nshards = 3\n[raft]\nflush_interval = "1s"\nbalance_after = "1s"\n'


async def until(condition, within: float, what: str):
    return await asyncio.to_thread(wait_until, condition, within, what)


def flip(path: Path, at: int) -> None:
    """One byte, at a place in the file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x40]))
        os.fsync(file.fileno())


def written(path: Path) -> int:
    """Bytes up to the last that is not zero: files are made longer ahead of what comes."""
    return len(path.read_bytes().rstrip(b"\0"))


def files(node: Node, database: str, pattern: str) -> list[Path]:
    return sorted((node.data / database).glob(pattern), key=lambda path: path.stat().st_size)


async def start_some(api: Api, count: int = 150) -> list[str]:
    """With inputs that no compression makes small."""
    ids = [unique("kept") for _ in range(count)]
    for workflow_id in ids:
        request = start_request(workflow_id, "nobody", input=payloads(os.urandom(4000)))
        await api.call("StartWorkflowExecution", request, timeout=20)
    return ids


async def assert_all_there(node: Node, ids: list[str], within: float) -> int:
    """Returns how many reads failed before they came through."""
    api, failed = Api(node.address), 0
    deadline = asyncio.get_running_loop().time() + within
    for workflow_id in ids:
        while True:
            try:
                assert len(await history(api, workflow_id)) >= 1
                break
            except grpc.RpcError as error:
                failed += 1
                assert asyncio.get_running_loop().time() < deadline, error
                await asyncio.sleep(0.05)
    await api.close()
    return failed


async def ended(node: Node) -> str:
    """Starts a node that cannot; its last words."""
    node.start()
    await until(lambda: not node.running, 30, "it does not start")
    assert node.child.returncode != 0
    return node.tail(3)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
async def test_a_byte_of_the_logs_wal(tmp_path, share):
    """The node must not go on with a part of what it has promised."""
    with Cluster(tmp_path / "cluster", settings='[cluster]\nshards = 3\n') as cluster:
        node = cluster.nodes[0]
        ids = await start_some(Api(cluster.nodes[1].address))
        node.kill()
        wal = files(node, "log", "*.log")[-1]
        before = {path: path.read_bytes() for path in (node.data / "log").iterdir() if path.suffix in (".log", ".sst")}
        flip(wal, int(written(wal) * share))
        damaged = wal.read_bytes()
        for _ in range(2):
            said = await ended(node)
            assert "a file of `log` is damaged" in said and wal.name in said and "replace the node" in said, said
        # Nothing was changed: whoever mends the byte has all of it.
        after = {path: path.read_bytes() for path in before}
        assert after == before | {wal: damaged}
        for other in cluster.nodes[1:]:
            await assert_all_there(other, ids, 5)
        flip(wal, int(written(wal) * share))
        node.start()
        await until(lambda: node.ready, 30, "it is whole again")
        await assert_all_there(node, ids, 10)


@pytest.mark.parametrize("database", ["log", "state"])
async def test_a_byte_of_a_manifest(tmp_path, database):
    with Cluster(tmp_path / "cluster", settings=SETTINGS) as cluster:
        node = cluster.nodes[0]
        ids = await start_some(Api(cluster.nodes[1].address), 30)
        await until(lambda: files(node, "state", "*.sst"), 20, "rows are in files")
        node.kill()
        manifest = files(node, database, "MANIFEST-*")[-1]
        flip(manifest, written(manifest) // 2)
        said = await ended(node)
        assert f"a file of `{database}` is damaged" in said and manifest.name in said, said
        for other in cluster.nodes[1:]:
            await assert_all_there(other, ids, 5)


@pytest.mark.parametrize("part", [0.1, 0.2, 0.45, 0.6])
async def test_a_byte_of_rows(tmp_path, say, part):
    """Whoever reads it first: the start, a compaction, or a leader, which then leads the shard no more. Each says which file it is,
    and the others serve all."""
    with Cluster(tmp_path / "cluster", settings=SETTINGS.replace("1s", "3s", 1)) as cluster:
        node = cluster.busiest()
        others = [other for other in cluster.nodes if other is not node]
        ids = await start_some(Api(others[0].address))
        await until(lambda: sum(path.stat().st_size for path in files(node, "state", "*.sst")) > 400_000, 20, "rows are in files")
        node.kill()
        path = files(node, "state", "*.sst")[-1]
        flip(path, int(path.stat().st_size * part))
        # A compaction comes late.
        node.config.write_text(node.config.read_text().replace("3s", "1h"))
        node.start()
        await until(lambda: not node.running or (node.ready and node.number in cluster.leaders().values()), 60, "it leads, or ends")

        def damaged():
            shards = cluster.cli("status", node=others[0])["shards"]
            return [(shard, replica["damage"]) for shard in shards for replica in shard["replicas"] if replica["damage"]]

        failed = 0
        for one in cluster.nodes:
            if one.running:
                failed += await assert_all_there(one, ids, 30)
        if not node.running:
            assert path.name in node.tail(3), node.tail(10)
            say(f"it ended: {node.tail(1)}")
        elif found := damaged():
            assert all(path.name in damage for _, damage in found), found
            say(f"{failed} reads failed before another node answered: {found[0][1]}")
            await until(lambda: all(shard["leader"] != node.number for shard, _ in damaged()), 10, "it does not lead what it cannot read")
            await asyncio.sleep(3)
            assert all(shard["leader"] not in (0, node.number) for shard, _ in damaged()), "nor does it get that back"
        else:
            say("nobody has read it")
