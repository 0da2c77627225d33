"""Fixtures: the servers under test, raw and SDK clients for each address, logs of a test that failed.

With `-n 3` three workers share the tests, each with servers of its own: `harness/sharing.py`.
"""

import asyncio
import functools
import signal
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from harness.cluster import Cluster, Oracle
from harness.hand import Hand
from harness.rpc import Api
from harness.stage import Stage
from programs.missing import MISSING

pytest_plugins = ["harness.pages", "harness.sharing"]


def pytest_configure():
    # `timeout` and CI end us so; as after Ctrl-C, fixtures then still stop their servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--target", choices=["cluster", "oracle"], default="cluster",
                     help="oracle: the reference dev server instead of Tenure, to check the tests themselves")
    parser.addoption("--seed", type=int, default=None, help="of the fault tests; printed by each run")
    parser.addoption("--before", metavar="BINARY", help="an earlier build, to upgrade from")
    parser.addoption("--all", action="store_true", help="all SDK programs, not only the short set")
    parser.addoption("--photographs", metavar="DIRECTORY", help="takes the documentation's pictures of the pages")
    parser.addoption("--rounds", type=int, default=300, help="changes that are looked for in lists")
    parser.addoption("--missing", action="store_true", help="also what is listed as missing")


def pytest_collection_modifyitems(config, items):
    oracle = config.getoption("--target") == "oracle"
    if not config.getoption("--all") and not config.getoption("-k"):
        longer = [item for item in items if is_program(item) and not item.get_closest_marker("short")]
        config.hook.pytest_deselected(items=longer)
        items[:] = [item for item in items if item not in longer]
    for item in items:
        if is_program(item) and asyncio.iscoroutinefunction(item.obj):
            item.obj = within(60, item.obj)
        lacks = {feature for mark in item.iter_markers("needs") for feature in mark.args} & MISSING
        if oracle and item.get_closest_marker("tenure"):
            item.add_marker(pytest.mark.skip(reason="speaks of Tenure itself"))
        elif lacks and not oracle and not of_reference(item) and not config.getoption("--missing"):
            item.add_marker(pytest.mark.skip(reason=f"not built yet: {', '.join(sorted(lacks))}"))


def of_reference(item) -> bool:
    """Whether the test is one of a pair, and this is the one on the reference server."""
    return hasattr(item, "callspec") and item.callspec.params.get("server") == "reference"


def within(seconds: float, test):
    """Ends a test by cancelling it. (The time-out of pytest may strike inside one of the SDK's tasks instead.)"""

    @functools.wraps(test)
    async def limited(*arguments, **named):
        async with asyncio.timeout(seconds):
            return await test(*arguments, **named)

    return limited


def is_program(item) -> bool:
    return "programs" in item.path.parts


@pytest.fixture
def say(record_property):
    """Tells something of a test that is of interest even if it passes; shown when all have ended."""

    def tell(line: str) -> None:
        print(line)
        record_property(TOLD, line)

    return tell


TOLD = "told"


def pytest_terminal_summary(terminalreporter):
    # Of one that failed it is among what the test printed.
    for report in terminalreporter.stats.get("passed", ()):
        if lines := [value for name, value in report.user_properties if name == TOLD]:
            terminalreporter.section(report.nodeid, "-")
            terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def directory():
    with tempfile.TemporaryDirectory(prefix="tenure-test-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def cluster(request, directory):
    """Three nodes that all tests share; whoever wants to hurt nodes starts some of its own."""
    oracle = request.config.getoption("--target") == "oracle"
    # A shard for each node to lead: what more of them do while nothing happens adds up over all workers.
    shared = directory / "shared"
    with Oracle(shared) if oracle else Cluster(shared, settings="[cluster]\nshards = 3\n") as running:
        request.config.stash[SERVERS] = running
        yield running


@pytest.fixture(scope="session")
def reference(directory):
    with Oracle(directory / "reference") as running:
        yield running


@pytest.fixture(scope="session", params=["tenure", "reference"])
def server(request):
    """What speaks the API: our three nodes, and the reference server; for tests that must pass on either."""
    if request.param == "reference":
        return request.getfixturevalue("reference")
    if request.config.getoption("--target") == "oracle":
        pytest.skip("only the reference server")
    return request.getfixturevalue("cluster")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def apis(cluster):
    """A raw client for each address."""
    made = [Api(address) for address in cluster.addresses]
    yield made
    for api in made:
        await api.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def clients(cluster):
    """An SDK client for each address."""
    return [await Client.connect(address) for address in cluster.addresses]


@pytest.fixture
def hand(apis) -> Hand:
    return Hand(apis)


@pytest.fixture
def stage(clients) -> Stage:
    return Stage(clients)


SERVERS = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    servers = getattr(item, "servers", None) or item.config.stash.get(SERVERS, None)
    if report.failed and servers is not None:
        report.sections.append(("server logs", servers.logs()))
