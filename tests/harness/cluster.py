"""Servers under test as real processes: a cluster of Tenure nodes, or the reference dev server as an oracle."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import grpc
from temporalio.api.workflowservice.v1.request_response_pb2 import DescribeNamespaceRequest
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from .ports import free_ports
from .reaper import dies_with_us

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("TENURE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenure")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "target")
BINARY = Path(os.environ.get("TENURE_BIN") or TARGET / "debug" / "tenure")
TEMPORAL = Path(sys.executable).parent / "temporal"


def wait_until(condition, seconds: float, what: str, every: float = 0.05):
    """Returns the first true value of `condition`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)


class Process:
    """One child process with its output in a file; ended by its own pid only."""

    def __init__(self, arguments: list, log: Path, environment: dict[str, str] | None = None):
        self.arguments = [str(a) for a in arguments]
        self.log = log
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("TENURE_")} | (environment or {})
        self.child: subprocess.Popen | None = None
        self.asked = False

    def start(self) -> None:
        assert not self.running, f"{self.arguments} runs already"
        self.asked = False
        with self.log.open("ab") as log:
            # A group of its own, so that Ctrl-C does not reach it; but our session: the kernel shares processors out among
            # sessions first, and what is nice in one is not nice to another.
            self.child = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, process_group=0,
            )
        dies_with_us(self.child.pid)

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    def send(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """As a power cut of one process: no chance to say goodbye."""
        self.send(signal.SIGKILL)
        if self.child:
            self.child.wait()

    def ask_to_stop(self) -> None:
        """Once: a second signal ends a node at once."""
        if not self.asked:
            self.asked = True
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)

    def stop(self, seconds: float = 15) -> int | None:
        """Gracefully, and by force when that takes too long."""
        if not self.child:
            return None
        self.ask_to_stop()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.child.returncode

    def tail(self, lines: int = 60) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Node(Process):
    """A Tenure node; its configuration file is written when it is made."""

    def __init__(self, home: Path, number: int, ports: tuple[int, int, int], members: dict[int, str], settings: str):
        home.mkdir(parents=True, exist_ok=True)
        self.number = number
        self.home = home
        self.data = home / "data"
        self.address, self.peer, self.http = (f"127.0.0.1:{port}" for port in ports)
        self.config = home / "node.toml"
        listed = "\n".join(f'{n} = "{peer}"' for n, peer in members.items())
        self.config.write_text(
            f'[node]\nid = {number}\ndata_dir = "{self.data}"\n\n'
            f'[listen]\ngrpc = "{self.address}"\npeer = "{self.peer}"\nhttp = "{self.http}"\n\n'
            f"[cluster.members]\n{listed}\n\n{settings}"
        )
        super().__init__([BINARY, "server", "--config", self.config], home / "log")

    def get(self, path: str, seconds: float = 2) -> str | None:
        """The body of an HTTP 200, or None."""
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=seconds) as reply:
                return reply.read().decode()
        except OSError:
            return None

    @property
    def ready(self) -> bool:
        return self.get("/readyz") is not None

    def wait_ready(self, seconds: float = 60) -> None:
        def ready_or_dead():
            if not self.running:
                raise RuntimeError(f"node {self.number} ended with {self.child and self.child.returncode}:\n{self.tail(20)}")
            return self.ready

        wait_until(ready_or_dead, seconds, f"node {self.number} ready")

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels, as the exposition writes them."""
        samples = {}
        for line in (self.get("/metrics", 5) or "").splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def total(self, family: str) -> float:
        """The sum over all labels of one metric."""
        return sum(v for k, v in self.metrics().items() if k == family or k.startswith(family + "{"))


class Cluster:
    """Three nodes (or `count`) on ports of their own, in a directory of their own."""

    def __init__(self, directory: Path, count: int = 3, settings: str = ""):
        assert BINARY.exists(), f"{BINARY} is missing: run scripts/setup, or set TENURE_BIN"
        self.directory, self.settings = directory, settings
        directory.mkdir(parents=True, exist_ok=True)
        ports = free_ports(3 * count)
        groups = [tuple(ports[3 * i : 3 * i + 3]) for i in range(count)]
        self.members = {i + 1: f"127.0.0.1:{group[1]}" for i, group in enumerate(groups)}
        self.nodes = [Node(directory / f"node{i + 1}", i + 1, g, self.members, settings) for i, g in enumerate(groups)]

    def joining(self, number: int, own: str = "") -> Node:
        """A node that is to join, not started; `own`: where it says to be."""
        ports = tuple(free_ports(3))
        members = self.members | {number: own or f"127.0.0.1:{ports[1]}"}
        settings = f"[cluster]\njoin = true\n\n{self.settings}"
        node = Node(self.directory / f"node{number}", number, ports, members, settings)
        node.first = self.nodes[0]
        self.nodes.append(node)
        return node

    def __enter__(self) -> "Cluster":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for node in self.nodes:
            node.ask_to_stop()
        for node in self.nodes:
            node.stop()

    def start(self) -> None:
        for node in self.nodes:
            if not node.running:
                node.start()
        for node in self.nodes:
            node.wait_ready()

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.nodes]

    @property
    def http(self) -> list[str]:
        return [node.http for node in self.nodes]

    def node(self, number: int) -> Node:
        return next(node for node in self.nodes if node.number == number)

    def cli(self, *arguments: str, node: Node | None = None) -> dict:
        """What `tenure cluster ... --json` says; asked of the first running node unless told."""
        node = node or next(n for n in self.nodes if n.running)
        done = subprocess.run(
            [BINARY, "cluster", *arguments, "--address", node.peer, "--json"], capture_output=True, text=True, timeout=30
        )
        # `status` fails when a node is down, and still tells what it knows.
        assert done.stdout, f"tenure cluster {arguments}: {done.stderr}"
        return json.loads(done.stdout)

    def leaders(self) -> dict[int, int]:
        """Shard to the node that leads it, zero when none is known."""
        return {shard["shard"]: shard["leader"] for shard in self.cli("status")["shards"]}

    def busiest(self) -> Node:
        """The running node that leads the most shards."""
        led = list(self.leaders().values())
        return max((n for n in self.nodes if n.running), key=lambda n: led.count(n.number))

    def cut_off(self, node: Node) -> None:
        """Cuts a node off from all others; clients still reach it."""
        self._partition(node, [other.number for other in self.nodes if other is not node])

    def cut_one_way(self, node: Node, other: Node) -> None:
        """What `node` sends does not arrive at `other`; what `other` sends arrives."""
        self._partition(node, [other.number], "--one-way")

    def heal(self, node: Node) -> None:
        self._partition(node, [])

    def _partition(self, node: Node, others: list[int], *options: str) -> None:
        peers = [part for other in others for part in ("--from", str(other))]
        subprocess.run([BINARY, "cluster", "partition", "--address", node.peer, *peers, *options], check=True, timeout=30,
                       stdout=subprocess.DEVNULL)

    def transfer_leader(self, shard: int, to: Node) -> bool:
        """Whether `to` leads the shard now."""
        done = subprocess.run(
            [BINARY, "cluster", "transfer-leader", "--address", to.peer, "--shard", str(shard), "--to", str(to.number)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30,
        )
        return done.returncode == 0

    def locate(self, workflow_id: str, namespace: str = "default") -> dict:
        """Slot, shard and leader of a workflow."""
        return self.cli("locate", "--namespace", namespace, "--workflow-id", workflow_id)

    def logs(self, lines: int = 60) -> str:
        return "\n".join(f"--- node {n.number} ({n.log})\n{n.tail(lines)}" for n in self.nodes)


class Oracle(Process):
    """The reference dev server, in memory or on a file, with its own rate limits raised. Development only."""

    LIMITS = ["frontend.rps", "frontend.namespaceRPS", "frontend.namespaceCount", "matching.rps", "history.rps",
              "history.persistenceMaxQPS", "frontend.persistenceMaxQPS", "matching.persistenceMaxQPS"]

    def __init__(self, directory: Path, file: bool = False, configuration: dict[str, object] | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        port, http = free_ports(2)
        database = ["--db-filename", directory / "oracle.db"] if file else []
        values = dict.fromkeys(self.LIMITS, 100_000) | (configuration or {})
        limits = [part for key, value in values.items() for part in ("--dynamic-config-value", f"{key}={value}")]
        super().__init__(
            [TEMPORAL, "server", "start-dev", "--headless", "--port", port, "--http-port", http, *limits, *database],
            directory / "oracle.log",
        )
        self.addresses, self.http = [f"127.0.0.1:{port}"] * 3, [f"127.0.0.1:{http}"] * 3

    def __enter__(self) -> "Oracle":
        self.start()
        wait_until(self.serves, 60, "the oracle's namespace")
        return self

    def serves(self) -> bool:
        """Its port is open before it is ready."""
        with grpc.insecure_channel(self.addresses[0]) as channel:
            try:
                WorkflowServiceStub(channel).DescribeNamespace(DescribeNamespaceRequest(namespace="default"), timeout=5)
                return True
            except grpc.RpcError:
                return False

    def __exit__(self, *_) -> None:
        self.kill()

    def logs(self, lines: int = 60) -> str:
        return self.tail(lines)

