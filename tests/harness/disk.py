"""Disks that are slow, hang or fail: a layer below the C library, compiled when it is needed."""

import errno
import shutil
import subprocess
from pathlib import Path

import pytest

from .cluster import Cluster, Node

SOURCE = Path(__file__).with_name("disk.c")


class Disk:
    """The disk of one node, as its syncs find it. It has to be there before the node starts."""

    def __init__(self, node: Node):
        self.says = node.home / "disk"
        self.heal()
        node.environment |= {"LD_PRELOAD": str(layer(node.home)), "TENURE_TEST_DISK": str(self.says)}

    def heal(self) -> None:
        self._say(0, 0)

    def slow(self, milliseconds: int) -> None:
        self._say(milliseconds, 0)

    def hang(self, part: str = "") -> None:
        """`part` is what paths of the files have that this is true of."""
        self._say(-1, 0, part)

    def fail(self, part: str = "") -> None:
        self._say(0, errno.EIO, part)

    def _say(self, milliseconds: int, error: int, part: str = "") -> None:
        # In one piece: it is read all the time.
        draft = self.says.with_suffix(".new")
        draft.write_text(f"{milliseconds} {error} {part}")
        draft.replace(self.says)


def disks(cluster: Cluster) -> dict[int, Disk]:
    """A disk for each node, by its number."""
    return {node.number: Disk(node) for node in cluster.nodes}


def layer(directory: Path) -> Path:
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("there is no C compiler to make a disk with")
    library = directory / "disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, SOURCE, "-ldl"], check=True)
    return library
