"""The benchmark: `./scripts/bench`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The servers of the tests are those that are measured.
sys.path.insert(0, str(ROOT / "tests"))
