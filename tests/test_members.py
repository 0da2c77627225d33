"""Nodes come, go and take each other's places under a load of orders. Nothing is lost, and nodes that stay fail no call."""

import asyncio
import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.cluster import Cluster, wait_until
from harness.fleet import Fleet, Pace, under_way
from harness.tenure_cli import done, tenure

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(300)]


@pytest.fixture
def seed(request) -> int:
    seed = request.config.getoption("--seed")
    return random.randrange(1 << 32) if seed is None else seed


def waits_to_join(node) -> bool:
    """Whether the first node of the cluster has heard that it wants to join."""
    return "does not wait to join" not in tenure("add-node", node.number, "--dry-run", node=node.first).stderr


async def steps(fleet, orders, count: int, what: str) -> None:
    """The fleet goes on."""
    wanted, deadline = fleet.steps_done + count, time.monotonic() + 60
    while fleet.steps_done < wanted and not orders.done():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def members(cluster) -> set[int]:
    return {node["node"] for node in cluster.cli("status")["nodes"]}


def become(cluster, wanted: set[int]) -> None:
    """A node that has no part in a change hears of its end a moment later."""
    wait_until(lambda: members(cluster) == wanted, 10, f"the members are {wanted}")


@pytest.mark.timeout(400)
async def test_a_lost_disk_is_replaced_under_load(tmp_path, seed, say, request):
    """F50: the disk of a node is wiped, one command gives its place to a new node, and the next loss is survived."""
    say(f"seed {seed}")
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        fleet = Fleet(cluster.addresses, 120, seed)
        pace = Pace(start=20, step=8)
        async with under_way(fleet, cluster.addresses, tmp_path, pace) as orders:
            await steps(fleet, orders, 15, "orders are in flight")
            lost, stays = cluster.node(2), cluster.node(1)
            door, third = fleet.doors[1:3]
            door.died()
            lost.kill()
            shutil.rmtree(lost.data)
            # Under its old id it is not let in again.
            lost.start()
            await asyncio.to_thread(wait_until, lambda: not lost.running, 30, "the wiped node ends")
            assert "lost its data directory" in lost.tail(20)
            new = cluster.joining(4)
            new.start()
            await asyncio.to_thread(wait_until, lambda: waits_to_join(new), 30, "the new node waits")
            missed = lambda: tenure("replace-node", 2, 4, "--dry-run", node=stays).returncode == 0
            await asyncio.to_thread(wait_until, missed, 30, "the lost node is missed")
            assert "does not wait to join" in tenure("replace-node", 2, 5, node=stays).stderr
            plan = await asyncio.to_thread(done, "replace-node", 2, 4, "--dry-run", node=stays)
            assert "9 shards would change" in plan and "nothing was done" in plan, plan
            assert await asyncio.to_thread(members, cluster) == {1, 2, 3}
            began = time.monotonic()
            told = await asyncio.to_thread(done, "replace-node", 2, 4, node=stays)
            say(f"replaced in {time.monotonic() - began:.1f} s:\n{told}")
            assert "node 2 was replaced by node 4 in" in told, told
            await asyncio.to_thread(become, cluster, {1, 3, 4})
            await asyncio.to_thread(new.wait_ready)
            fleet.doors.remove(door)
            fleet.add_door(new.address)
            await steps(fleet, orders, 15, "orders go on with the new node")
            # The next loss: what was acknowledged is on the new node, too.
            third.died()
            cluster.node(3).kill()
            await steps(fleet, orders, 15, "orders go on without the third")
            cluster.node(3).start()
            await asyncio.to_thread(cluster.node(3).wait_ready)
            third.came_back()
            again = await asyncio.to_thread(done, "replace-node", 2, 4, node=new)
            assert "node 2 was replaced by node 4" in again, "asked again, it is answered as before"
            pace.hurry()
            await asyncio.wait_for(orders, 120)
        await fleet.check()
        took, what = fleet.calls.longest
        say(f"{fleet.calls.made} calls, {len(fleet.calls.failures)} failed on nodes that stay; the slowest took {took:.2f} s ({what})")
        assert not fleet.calls.failures
        assert "panicked" not in cluster.logs(100_000)
        await fleet.close()


async def test_three_four_three_while_the_coordinator_is_killed(tmp_path, seed, say, request):
    """A node comes and goes again under load, and meanwhile whoever leads the system shard is killed."""
    say(f"seed {seed}")
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        fleet = Fleet(cluster.addresses, 60, seed)
        pace = Pace(start=10, step=6)
        async with under_way(fleet, cluster.addresses, tmp_path, pace) as orders:
            await steps(fleet, orders, 10, "orders are in flight")
            new = cluster.joining(4)
            new.start()
            await asyncio.to_thread(wait_until, lambda: waits_to_join(new), 30, "the new node waits")
            for verb, expected in (("add-node", {1, 2, 3, 4}), ("remove-node", {1, 2, 3})):
                # Not the one that is asked by whoever follows the change, nor the one that comes and goes.
                leader = (await asyncio.to_thread(cluster.leaders))[0]
                asked = next(node for node in cluster.nodes[:3] if node.number != leader)
                command = asyncio.create_task(asyncio.to_thread(done, verb, 4, node=asked))
                await asyncio.sleep(fleet.random.uniform(0, 1.5))
                if leader != 4:
                    fleet.doors[leader - 1].died()
                    cluster.node(leader).kill()
                    await steps(fleet, orders, 5, "orders go on without the coordinator")
                    cluster.node(leader).start()
                    await asyncio.to_thread(cluster.node(leader).wait_ready)
                    fleet.doors[leader - 1].came_back()
                say(f"{verb}, node {leader} killed: {(await command).strip().splitlines()[-1]}")
                await asyncio.to_thread(become, cluster, expected)
                await steps(fleet, orders, 5, "orders go on")
            await asyncio.to_thread(ends_as_removed, new)
            new.start()
            await asyncio.to_thread(ends_as_removed, new)
            pace.hurry()
            await asyncio.wait_for(orders, 120)
        await fleet.check()
        assert not fleet.calls.failures
        await fleet.close()


def ends_as_removed(node) -> None:
    """The node ends by itself, with a code of its own and a sentence."""
    wait_until(lambda: not node.running, 30, "the removed node ends")
    said = node.tail(3).splitlines()[-1]
    assert node.child.returncode == 3, f"{node.child.returncode}: {said}"
    assert said.startswith(f"tenure: node {node.number} was removed from this cluster"), said


async def test_what_cannot_be_is_refused_with_a_sentence(tmp_path):
    """Bad input: a sentence that says what is wrong and what to do, and nothing changed."""
    with Cluster(tmp_path / "cluster") as cluster:
        one = cluster.node(1)
        before = cluster.cli("status")["nodes"]
        for arguments, sentence in [
            (("replace-node", 2, 4), "node 2 runs, and only one that is lost is replaced: stop it for good"),
            (("replace-node", 2, 2), "a node does not take its own place"),
            (("add-node", 3), "node 3 is a member already"),
            (("add-node", 0), "a node's id is 1 or more"),
            (("add-node", 4), "node 4 does not wait to join at node"),
            (("remove-node", 9), "there is no node 9 in this cluster"),
            (("cancel-change",), "nothing is being changed"),
        ]:
            said = tenure(*arguments, node=one)
            assert said.returncode != 0 and sentence in said.stderr, f"{arguments}: {said.stdout}{said.stderr}"
        # An address at which nobody reaches the new node.
        lost = cluster.joining(5, own="no-such-host.invalid:7234")
        lost.start()
        wait_until(lambda: waits_to_join(lost), 30, "the new node waits")
        said = tenure("add-node", 5, node=one).stderr
        assert "node 5 says that it is at \"no-such-host.invalid:7234\", which node" in said, said
        lost.kill()
        # A build that is too old.
        old = cluster.joining(6)
        old.environment["TENURE_KNOWN_LEVEL"] = "10"
        old.start()
        wait_until(lambda: waits_to_join(old), 30, "the old node waits")
        said = tenure("add-node", 6, node=one).stderr
        assert "the build of node 6 knows feature level 10, and the cluster is at" in said and "start a newer one" in said, said
        old.kill()
        # Two operators at the same moment: one of them is told of the other.
        rivals = [cluster.joining(number) for number in (7, 8)]
        for rival in rivals:
            rival.start()
        wait_until(lambda: all(waits_to_join(rival) for rival in rivals), 30, "both wait")
        with ThreadPoolExecutor() as operators:
            both = list(operators.map(lambda rival: tenure("add-node", rival.number, node=one), rivals))
        refusals = [said.stderr for said in both if said.returncode]
        assert len(refusals) == 1 and "is being added: wait until that is done, or undo it" in refusals[0], both
        added = rivals[0 if both[0].returncode == 0 else 1].number
        become(cluster, {1, 2, 3, added})
        done("remove-node", added, node=one)
        become(cluster, {1, 2, 3})
        assert cluster.cli("status")["nodes"][0]["standing"] == "member"
        assert {node["node"] for node in cluster.cli("status")["nodes"]} == {node["node"] for node in before}
