"""The programs of examples/rust, unchanged on our three nodes and on the reference server."""

import asyncio
import re

import pytest
import pytest_asyncio

from harness import rust

# The options of each, and what it must print.
EXAMPLES = {
    "backup": ([], [r"attempt: \{1: 20\}"]),
    "hello": ([], ["^Hello, Ann!$"]),
    "jobs": (["--count", "200"], [r"^200 jobs in [\d.]+m?s$"]),
    "loyalty": ([], ["^coupon 1 for Ann$", "^coupon 2 for Ann$", "points: 50, coupons: 2"]),
    "nightly": ([], [r"number: 6,\s+orders: 6,\s+total: 36"]),
    "order": ([], ["paid; the driver comes", "status: Completed", '"Pizza: how was it\\?"']),
    "report": ([], [r"number: 3,\s+orders: 6,\s+total: 18"]),
    "subscription": ([], ["^changed from 999 to 1299 cents$", "nothing is for free", "^paid 999 cents in all$"]),
    "trip": ([], ['what: "flight",\\s+destination: "Lisbon"', "no flights to Atlantis",
                  '"cancelled flight",\\s+"cancelled car",\\s+"cancelled hotel"']),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(server):
    """All of them at the same time, each with its worker."""
    tasks = {name: asyncio.create_task(rust.run(name, *options, addresses=server.addresses))
             for name, (options, _) in EXAMPLES.items()}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_tells_its_story(running, name):
    printed = await running[name]
    for expected in EXAMPLES[name][1]:
        assert re.search(expected, printed, re.MULTILINE), f"{expected} is not in:\n{printed}"
