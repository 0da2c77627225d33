"""`tenure cluster` as an operator types it."""

import subprocess

from .cluster import BINARY


def tenure(*arguments, node) -> subprocess.CompletedProcess:
    return subprocess.run([BINARY, "cluster", *map(str, arguments), "--address", node.peer], capture_output=True, text=True,
                          timeout=120)


def done(*arguments, node) -> str:
    """What the command says, once it has done its work."""
    said = tenure(*arguments, node=node)
    assert said.returncode == 0, f"{arguments}: {said.stdout}{said.stderr}"
    return said.stdout
