"""Programs from public bug reports of other servers and SDKs. Each states what is right, and passes on the reference."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cluster import TEMPORAL

FIELD = Path(__file__).parent / "field"
PROGRAMS = sorted(path.stem for path in FIELD.glob("*.py") if path.stem != "common")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("program", PROGRAMS)
def test_field(cluster, program):
    environment = os.environ | {"FIELD_ADDRESSES": ",".join(cluster.addresses), "TEMPORAL_CLI": str(TEMPORAL)}
    done = subprocess.run(
        [sys.executable, FIELD / f"{program}.py"], env=environment, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0 and "RESULT PASS" in done.stdout, done.stdout + done.stderr
