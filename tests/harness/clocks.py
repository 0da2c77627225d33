"""Clocks that tests move, in builds for tests."""

from .cluster import Cluster, Node


class Clocks:
    """What each node takes the time for. They have to be there before the nodes start."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        for node in cluster.nodes:
            node.environment["TENURE_WRONG_CLOCK"] = str(self.file(node))

    @staticmethod
    def file(node: Node):
        return node.home / "clock"

    def wrong_by(self, seconds: int, *nodes: Node) -> None:
        """Moves clocks by so much from what is right; of all nodes, unless some are named."""
        for node in nodes or self.cluster.nodes:
            written = self.file(node).with_suffix(".new")
            written.write_text(str(seconds))
            written.replace(self.file(node))
