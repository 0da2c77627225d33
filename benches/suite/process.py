"""What the kernel knows of processes."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MB = 1_000_000


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def written_bytes(pid: int) -> int:
    """Bytes that went to the disk, or will go there."""
    return field(f"/proc/{pid}/io", "write_bytes:")


def switches(pid: int) -> int:
    """Context switches, wanted or not, of the threads that there are."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += field(task / "status", "voluntary_ctxt_switches:") + field(task / "status", "nonvoluntary_ctxt_switches:")
        except OSError:
            pass  # It has just ended.
    return total


def resident_mb(pid: int) -> float:
    return field(f"/proc/{pid}/status", "VmRSS:") * 1024 / MB


def peak_mb(pid: int) -> float:
    """The most that was resident since `forget_peak`."""
    return field(f"/proc/{pid}/status", "VmHWM:") * 1024 / MB


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def field(path, name: str) -> int:
    return next(int(line.split()[1]) for line in Path(path).read_text().splitlines() if line.startswith(name))


def disk_bytes(directory: Path) -> int:
    """Of all files in it; some may go meanwhile."""
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.stat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                pass
    return total
