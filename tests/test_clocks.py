"""F52: one clock that is wrong is one node's trouble. It makes no history, fires no timer and deletes nothing."""

import asyncio
import time

import pytest

from harness.clocks import Clocks
from harness.cluster import Cluster, Node, wait_until
from harness.rpc import Api, describe, seconds, start_request, unique

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(180)]

HOUR, TEN_YEARS = 3600, 3650 * 24 * 3600


async def until(condition, within: float, what: str):
    return await asyncio.to_thread(wait_until, condition, within, what)


def unfit(cluster: Cluster, node: Node, asked: Node) -> list[str]:
    return next(it for it in cluster.cli("status", node=asked)["nodes"] if it["node"] == node.number)["unfit_because"]


def leads(cluster: Cluster, node: Node, asked: Node) -> list[int]:
    return [shard["shard"] for shard in cluster.cli("status", node=asked)["shards"] if shard["leader"] == node.number]


async def start_some(api: Api) -> list[str]:
    """Enough for each shard to get one; they may run for ten minutes."""
    ids = [unique("dated") for _ in range(20)]
    for workflow_id in ids:
        await api.call("StartWorkflowExecution", start_request(workflow_id, "nobody", workflow_run_timeout=seconds(600)), timeout=20)
    return ids


async def assert_dated(api: Api, ids: list[str], since: float) -> None:
    """They run, and began between `since` and now, as right clocks show it."""
    for workflow_id in ids:
        info = (await describe(api, workflow_id)).workflow_execution_info
        began = info.start_time.ToMicroseconds() / 1e6
        assert since - 1 < began < time.time() + 1, f"{workflow_id} began {began - time.time():.1f} s from now"
        assert info.status == 1, info.status


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS], ids=["hour-ahead", "hour-behind", "years-ahead", "years-behind"])
async def test_a_wrong_clock_makes_no_history(tmp_path, wrong, say):
    cluster = Cluster(tmp_path / "cluster", settings="[cluster]\nshards = 3\n")
    clocks = Clocks(cluster)
    with cluster:
        node = cluster.busiest()
        good = [other for other in cluster.nodes if other is not node]
        apis = {one.number: Api(one.address) for one in cluster.nodes}
        since = time.time()
        ids = await start_some(apis[node.number])

        # While it runs.
        begin = time.monotonic()
        clocks.wrong_by(wrong, node)
        ids += await start_some(apis[node.number])
        said = await until(lambda: unfit(cluster, node, good[0]), 5, "it says so")
        word = "ahead of" if wrong > 0 else "behind"
        assert len(said) == 1 and "its clock is " in said[0] and word in said[0], said
        await until(lambda: not leads(cluster, node, good[0]), 5, "it leads nothing")
        say(f"{said[0]}; it leads nothing after {time.monotonic() - begin:.1f} s")
        off = node.metrics()["tenure_clock_off_seconds"]
        assert abs(off - wrong) < 1 and node.metrics()['tenure_node_unfit{cause="clock_off"}'] == 1
        assert "its clock is " in node.tail(200)
        ids += await start_some(apis[node.number])
        await assert_dated(apis[good[0].number], ids, since)

        # From the start, with only one other node.
        for one in cluster.nodes:
            one.kill()
        for one in (node, good[0]):
            one.start()
        await until(lambda: good[0].get("/readyz") is not None, 30, "it has leaders")
        ids += await start_some(apis[node.number])
        await assert_dated(apis[good[0].number], ids, since)

        # Mended while it runs.
        good[1].start()
        clocks.wrong_by(0, node)
        await until(lambda: all(one.ready for one in cluster.nodes), 30, "all nodes are there")
        await until(lambda: not unfit(cluster, node, good[0]), 5, "it is well")
        ids += await start_some(apis[good[1].number])
        await assert_dated(apis[node.number], ids, since)
        for api in apis.values():
            await api.close()
