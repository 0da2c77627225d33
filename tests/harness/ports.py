"""Ports for the servers of tests, which runs and workers at the same time on one machine never share."""

import socket

# Below the range from which the system picks outgoing ports, so that a restarted node finds its own again.
FIRST, LAST = 15_000, 31_000
BLOCK = 800


class Ports:
    """A block of ports that one process has to itself.

    A probe alone would not do: a port is free between the probe and the server's start, and whenever a test has killed the
    node that it belongs to. So a process holds its block by its first port, which stays bound until the process ends, and
    hands out the others in turn.
    """

    def __init__(self) -> None:
        self.held, self.first = claim()
        self.given = 0

    def next(self) -> int:
        """The next port that nobody listens on; one comes again only after all others of the block."""
        for _ in range(BLOCK):
            port = self.first + 1 + self.given % (BLOCK - 1)
            self.given += 1
            if held := bound(port):
                held.close()
                return port
        raise OSError(f"all ports from {self.first} on are in use")


def claim() -> tuple[socket.socket, int]:
    """A block that no other process has, and the socket that keeps it."""
    for first in range(FIRST, LAST, BLOCK):
        if held := bound(first):
            return held, first
    raise OSError(f"all {len(range(FIRST, LAST, BLOCK))} blocks of ports are taken")


def bound(port: int) -> socket.socket | None:
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
        return probe
    except OSError:
        probe.close()
        return None


ports: Ports | None = None


def free_ports(count: int) -> list[int]:
    """Ports for servers on 127.0.0.1."""
    global ports
    ports = ports or Ports()
    return [ports.next() for _ in range(count)]
