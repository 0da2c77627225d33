"""Disks that are slow, hang or fail: a layer below the C library, compiled when it is needed. And small ones, in memory."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .cluster import Cluster, Node
from .reaper import dies_with_us

MIB = 1 << 20

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


class SmallDisk:
    """A file system of its own for a node's data directory, in a mount namespace that goes with the test. It has to be there
    before the node starts, and outlives the node."""

    def __init__(self, node: Node, megabytes: int):
        node.data.mkdir(parents=True)
        mount = f"mount -t tmpfs -o size={megabytes}m tmpfs '{node.data}' && echo there && exec sleep 1000000"
        try:
            self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", mount], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError:
            pytest.skip("there is no unshare to make a small disk with")
        dies_with_us(self.holder.pid)
        if self.holder.stdout.readline() != b"there\n":
            pytest.skip(f"no small disk can be made here: {self.holder.stderr.read().decode().strip()}")
        node.arguments = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--", *node.arguments]
        self.path = Path(f"/proc/{self.holder.pid}/root{node.data}")

    @property
    def free(self) -> int:
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize

    def leave(self, free: int) -> None:
        """Fills it, or clears it, until about so many bytes are free."""
        filling = self.path / "filling"
        filled = filling.stat().st_blocks * 512 if filling.exists() else 0
        wanted = max(0, filled + self.free - free)
        with filling.open("ab") as file:
            if wanted < filled:
                file.truncate(wanted)
            elif wanted > filled:
                os.posix_fallocate(file.fileno(), filled, wanted - filled)

    def clear(self) -> None:
        (self.path / "filling").unlink(missing_ok=True)

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()
