"""What is measured: three nodes of ours, the reference server on a file and in memory, and the generator's own mock."""

import os
import shutil
import subprocess
from pathlib import Path

import grpc
from harness.cluster import TEMPORAL, Cluster, Oracle, Process, wait_until
from harness.ports import free_ports
from temporalio.api.workflowservice.v1.request_response_pb2 import DescribeNamespaceRequest
from temporalio.api.workflowservice.v1.service_pb2_grpc import WorkflowServiceStub

from . import process
from .generator import CORES, LOAD

# Counters of a node, by what they are called here.
COUNTERS = {
    "entries": "tenure_raft_proposals_total",
    "appends": "tenure_log_entries_total",
    "syncs": "tenure_log_syncs_total",
    "log_bytes": "tenure_log_bytes_total",
}

# What a node's budget is divided among.
BUDGETED = {
    "tenure_storage_block_cache_bytes",
    "tenure_storage_memtable_bytes",
    "tenure_shard_state_cache_bytes",
    "tenure_raft_tail_bytes",
    "tenure_request_bytes_in_progress",
}

# Limits of the reference server, beyond those that the tests lift.
LIFTED = {
    "frontend.namespaceRPS.visibility": 100_000,
    "frontend.globalNamespaceRPS": 100_000,
    "system.enableActivityEagerExecution": "true",
    "history.maxTotalUpdates": 0,
    "history.maxInFlightUpdates": 0,
}


class Server:
    """One that is measured; `inner` is what starts and stops it."""

    key = title = ""
    # How much of the long scenarios it is given.
    share = 1.0

    def __init__(self, directory: Path, options, apart: bool = False):
        self.directory = directory
        directory.mkdir(parents=True)
        # Servers inherit what their parent may run on.
        self.cores = (CORES[:-1] or CORES) if apart else CORES
        self.inner = self.make(options)

    def make(self, options):
        raise NotImplementedError

    def __enter__(self) -> "Server":
        os.sched_setaffinity(0, self.cores)
        self.inner.__enter__()
        return self

    def __exit__(self, *_) -> None:
        self.inner.__exit__()
        os.sched_setaffinity(0, CORES)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def addresses(self) -> list[str]:
        return self.inner.addresses

    @property
    def pids(self) -> list[int]:
        return [self.inner.pid]

    def sample(self) -> dict[str, float]:
        """Counters of all its processes together."""
        return {
            "cpu": sum(map(process.cpu_seconds, self.pids)),
            "written": sum(map(process.written_bytes, self.pids)),
            "switches": sum(map(process.switches, self.pids)),
        }

    def forget_peaks(self) -> None:
        for pid in self.pids:
            process.forget_peak(pid)

    def peak_mb(self) -> float:
        """Of the process with the most."""
        return max(map(process.peak_mb, self.pids))

    def resident_mb(self) -> float:
        return sum(map(process.resident_mb, self.pids))

    def budgeted_mb(self) -> float | None:
        """What counts against a node's budget, of the node with the most; `None` where there is no budget."""
        return None

    def disk_bytes(self) -> int:
        return process.disk_bytes(self.directory)

    def kill(self) -> None:
        self.inner.kill()

    def stop(self) -> None:
        self.inner.stop()

    def start(self) -> None:
        """Again; until it serves."""
        self.inner.start()
        wait_until(lambda: serves(self.addresses[0]), 600, f"{self.title} serves")


class Tenure(Server):
    key, title = "tenure", "Tenure, 3 nodes"

    def make(self, options):
        return Cluster(self.directory, count=options.nodes,
                       settings=f"[cluster]\nshards = {options.shards}\n[memory]\nbudget_bytes = {options.budget_mib << 20}\n")

    @property
    def pids(self) -> list[int]:
        return [node.pid for node in self.inner.nodes if node.running]

    def metrics(self) -> list[dict[str, float]]:
        return [node.metrics() for node in self.inner.nodes if node.running]

    def sample(self) -> dict[str, float]:
        metrics = self.metrics()
        return super().sample() | {name: sum(family(node, metric) for node in metrics) for name, metric in COUNTERS.items()}

    def budgeted_mb(self) -> float:
        return max(sum(family(node, part) for part in BUDGETED) for node in self.metrics()) / process.MB

    def kill(self) -> None:
        for node in self.inner.nodes:
            node.kill()

    def stop(self) -> None:
        self.inner.__exit__()

    def start(self) -> None:
        self.inner.start()


class File(Server):
    key, title, share = "file", "reference, file", 0.02

    def make(self, options):
        return Oracle(self.directory, file=True, configuration=LIFTED)


class Memory(Server):
    key, title, share = "memory", "reference, memory", 0.02

    def make(self, options):
        return Oracle(self.directory, configuration=LIFTED)


class Mock(Server):
    key, title = "mock", "mock"

    def make(self, options):
        return MockProcess(self.directory)


class MockProcess(Process):
    def __init__(self, directory: Path):
        self.addresses = [f"127.0.0.1:{free_ports(1)[0]}"]
        super().__init__([LOAD, "mock", "--listen", self.addresses[0]], directory / "log")

    def __enter__(self) -> "MockProcess":
        self.start()
        wait_until(lambda: serves(self.addresses[0]), 30, "the mock serves")
        return self

    def __exit__(self, *_) -> None:
        self.kill()


ALL = {server.key: server for server in (Tenure, File, Memory, Mock)}


def family(samples: dict[str, float], name: str) -> float:
    """A metric, over all its labels."""
    return sum(value for key, value in samples.items() if key == name or key.startswith(name + "{"))


def serves(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            WorkflowServiceStub(channel).DescribeNamespace(DescribeNamespaceRequest(namespace="default"), timeout=5)
            return True
        except grpc.RpcError:
            return False


def reference_version() -> str:
    return subprocess.run([TEMPORAL, "--version"], capture_output=True, text=True, check=True).stdout.strip()
