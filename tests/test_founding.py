"""A cluster is founded by a command, and nodes join it with a token."""


import pytest

from harness.cluster import Cluster, Node, wait_until
from harness.ports import free_ports
from harness.tenure_cli import done, tenure

pytestmark = [pytest.mark.tenure, pytest.mark.own_cluster, pytest.mark.timeout(180)]


class Growing(Cluster):
    """Nodes that are told nothing of each other."""

    def __init__(self, directory):
        super().__init__(directory, count=0)

    def __exit__(self, *_) -> None:
        for node in self.nodes:
            node.kill()

    def alone(self, number: int, settings: str, **members: str) -> Node:
        """A node of its own, started; `members`: whom it lists, if anybody."""
        listed = {name.removeprefix("node"): address for name, address in members.items()}
        node = Node(self.directory / f"node{number}", number, tuple(free_ports(3)), listed, f"[cluster]\n{settings}\n")
        self.nodes.append(node)
        node.start()
        return node


def found(cluster, number: int = 1):
    """A cluster of one, and its token."""
    node = cluster.alone(number, "join = true")
    answers = lambda: tenure("status", node=node).stdout
    wait_until(answers, 30, "the node answers")
    said = done("init", node=node)
    assert "is founded, and node" in said, said
    return node, said.split('token = "')[1].split('"')[0]


def ends(node, code: int) -> str:
    """The last line of a node that ends."""
    wait_until(lambda: not node.running, 30, f"node {node.number} ends")
    said = node.tail(3).splitlines()[-1]
    assert node.child.returncode == code, f"{node.child.returncode}: {said}"
    return said


def test_a_cluster_is_founded_and_grows_by_tokens(tmp_path, say):
    with Growing(tmp_path / "cluster") as cluster:
        one, token = found(cluster)
        one.wait_ready()
        again = tenure("init", node=one)
        assert again.returncode == 1 and "node 1 belongs to cluster" in again.stderr, again.stderr
        # At the same time: one after the other is let in.
        others = [cluster.alone(number, f'token = "{token}"') for number in (2, 3)]
        for node in others:
            node.wait_ready()
        grown = lambda: [(n["node"], n["standing"]) for n in cluster.cli("status")["nodes"]]
        wait_until(lambda: grown() == [(1, "member"), (2, "member"), (3, "member")], 30, "there are three members")
        replicas = lambda: {len(shard["replicas"]) for shard in cluster.cli("status")["shards"]}
        wait_until(lambda: replicas() == {3}, 30, "each shard has three replicas")
        # They need no token to start again, and any of them makes one.
        others[0].stop()
        others[0].start()
        others[0].wait_ready()
        assert done("token", "--valid-for", "1h", node=others[0]).startswith("tenure-join-1-")
        say(f"a token has {len(token)} characters")


def test_a_token_that_is_no_good_is_refused_with_a_sentence(tmp_path):
    with Growing(tmp_path / "ours") as ours, Growing(tmp_path / "theirs") as theirs:
        one, token = found(ours)
        _, foreign = found(theirs)
        one.wait_ready()
        refused = ours.alone(4, f'token = "{foreign}"', node1=one.peer, node4="127.0.0.1:1")
        said = ends(refused, 1)
        assert "refused by node 1: the join token is of cluster" in said and "make one with `tenure cluster token` here" in said, said
        # A directory that belongs to a cluster already.
        one.stop()
        one.config.write_text(one.config.read_text().replace("join = true", f'token = "{foreign}"'))
        one.start()
        said = ends(one, 1)
        assert "this node's data directory belongs to cluster" in said and "leave the token out" in said, said
        one.config.write_text(one.config.read_text().replace(foreign, token))
        one.start()
        one.wait_ready()
        expired = done("token", "--valid-for", "0s", node=one).strip()
        said = ends(ours.alone(5, f'token = "{expired}"'), 1)
        assert "refused by node 1: the join token has expired: make another one" in said, said
        said = ends(ours.alone(6, f'token = "{token[:-8]}"'), 2)
        assert "cluster.token" in said and "it is no join token: `tenure cluster token` makes one" in said, said
        waits = ours.alone(7, "join = true")
        wait_until(lambda: tenure("status", node=waits).stdout, 30, "the node answers")
        said = tenure("token", node=waits)
        assert said.returncode == 1, said.stdout
        members = [n["node"] for n in ours.cli("status", node=one)["nodes"]]
        assert members == [1], members
