"""Programs from public bug reports of other servers and SDKs. Each states what is right, and passes on the reference."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from harness.cluster import TEMPORAL
from harness.reaper import dies_with_us

FIELD = Path(__file__).parent / "field"
PROGRAMS = sorted(path.stem for path in FIELD.glob("*.py") if path.stem != "common")


async def run(program: str, addresses: list[str]) -> tuple[int | None, str]:
    """The program's exit code, and what it printed."""
    environment = os.environ | {"FIELD_ADDRESSES": ",".join(addresses), "TEMPORAL_CLI": str(TEMPORAL)}
    child = await asyncio.create_subprocess_exec(
        sys.executable, FIELD / f"{program}.py", env=environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    dies_with_us(child.pid)
    try:
        async with asyncio.timeout(150):
            printed, _ = await child.communicate()
        return child.returncode, printed.decode(errors="replace")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(request, cluster):
    """All that are to be tested, at the same time: they mostly wait."""
    wanted = [item.callspec.params["program"] for item in request.session.items if item.path == Path(__file__)]
    tasks = {program: asyncio.create_task(run(program, cluster.addresses)) for program in wanted}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("program", PROGRAMS)
async def test_field(running, program):
    code, printed = await running[program]
    assert code == 0 and "RESULT PASS" in printed, printed
