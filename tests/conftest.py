"""Fixtures: the servers under test, raw and SDK clients for each address, logs of a test that failed."""

import signal
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from harness.cluster import Cluster, Oracle
from harness.hand import Hand
from harness.rpc import Api


def pytest_configure():
    # `timeout` and CI end us so; as after Ctrl-C, fixtures then still stop their servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--target", choices=["cluster", "oracle"], default="cluster",
                     help="oracle: the reference dev server instead of Tenure, to check the tests themselves")
    parser.addoption("--seed", type=int, default=None, help="of the fault tests; printed by each run")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--target") == "oracle":
        for item in items:
            if item.get_closest_marker("tenure"):
                item.add_marker(pytest.mark.skip(reason="speaks of Tenure itself"))


@pytest.fixture(scope="session")
def directory():
    with tempfile.TemporaryDirectory(prefix="tenure-test-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def cluster(request, directory):
    """Three nodes that all tests share; whoever wants to hurt nodes starts some of its own."""
    kind = Oracle if request.config.getoption("--target") == "oracle" else Cluster
    with kind(directory / "shared") as running:
        request.config.stash[SERVERS] = running
        yield running


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


SERVERS = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    servers = getattr(item, "servers", None) or item.config.stash.get(SERVERS, None)
    if report.failed and servers is not None:
        report.sections.append(("server logs", servers.logs()))
