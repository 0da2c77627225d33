"""Runs the load generator of `benches/load`."""

import json
import os
import subprocess
from pathlib import Path

from harness.cluster import TARGET
from harness.reaper import dies_with_us

LOAD = Path(os.environ.get("TENURE_LOAD") or TARGET / "release" / "tenure-load")

# What this process may run on, as it was started.
CORES = sorted(os.sched_getaffinity(0))


def command(addresses: list[str], work: str, **options) -> list[str]:
    """Its command line; an option that is `True` has no value, one that is `None` is left out."""
    arguments = [LOAD, "offer", "--addresses", ",".join(dict.fromkeys(addresses)), "--work", work]
    options.setdefault("deadline", 30)
    for name, value in options.items():
        if value not in (None, False):
            arguments += [f"--{name.replace('_', '-')}"] + ([] if value is True else [value])
    return [str(argument) for argument in arguments]


def offer(addresses: list[str], work: str, *, begins=None, told=None, apart: bool = False, **options) -> dict:
    """Offers load, and gives what became of it. `begins` is called when what is measured begins, `told` with what each
    line on the way says; `apart`: on the core that no server has, where servers were kept off one."""
    whole: dict = {}
    with subprocess.Popen(command(addresses, work, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=move_apart if apart else None) as child:
        dies_with_us(child.pid)
        try:
            for line in child.stdout:
                said = json.loads(line)
                if said.get("begins"):
                    if begins:
                        begins()
                elif said["whole"]:
                    whole = said
                elif told:
                    told(said)
        except BaseException:
            child.kill()
            raise
        failure = child.stderr.read()
    assert child.returncode == 0, f"{' '.join(child.args)} ended with {child.returncode}: {failure}"
    return whole


def move_apart() -> None:
    os.sched_setaffinity(0, set(CORES) - os.sched_getaffinity(0) or CORES)
