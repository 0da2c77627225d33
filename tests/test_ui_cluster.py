"""The page of the cluster in a browser, and what pages do when their node dies."""

import os
import re
import time

import pytest
from playwright.async_api import expect
from temporalio.client import Client

from harness.browser import Visits
from harness.cluster import Cluster
from harness.rpc import unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]


@pytest.fixture
def mortal(tmp_path):
    # Rows come into files each second, and so the shards' sizes are told.
    with Cluster(tmp_path, settings='[cluster]\nshards = 3\n[raft]\nflush_interval = "1s"\n') as cluster:
        yield cluster


@pytest.mark.own_cluster
async def test_a_dead_node_is_seen_on_the_page_of_another_and_missed_on_its_own(mortal, browser):
    away, here = mortal.nodes[2], mortal.nodes[0]
    visits = Visits(browser, f"http://{here.http}")
    own = Visits(browser, f"http://{away.http}")
    page = await visits.open("/cluster")
    last = await own.open("/namespaces/default/workflows")
    await expect(page.locator("[data-node] [data-state=ready]")).to_have_count(3)
    await expect(page.locator("[data-findings]")).to_contain_text("All 3 nodes serve")
    await expect(last.get_by_role("table", name="Workflows")).to_be_visible()
    for node in range(1, 4):
        await expect(page.locator(f"[data-node='{node}'] [data-cpu]")).to_have_text(re.compile(r"^\d+\.\d\d of \d+$"))
    client = await Client.connect(here.address)
    for _ in range(40):
        await client.start_workflow("Large", os.urandom(32 << 10).hex(), id=unique("large"), task_queue="nobody")
    for shard in range(1, 4):
        size = page.locator(f"[data-shard='{shard}'] [data-size]")
        await expect(size).to_have_text(re.compile(r"^\d\S* [KM]iB$"), timeout=20_000)
    away.kill()
    started = time.monotonic()
    await expect(page.locator("[data-node='3'] [data-state=dead]")).to_be_visible(timeout=3_000)
    await expect(page.locator("[data-findings]")).to_contain_text("Node 3 does not answer")
    assert time.monotonic() - started < 3
    # The page of the node that died says so, and leads to the others.
    await expect(last.locator("[data-unreachable]")).to_contain_text("does not answer")
    async with last.expect_navigation():
        await last.get_by_role("link", name=here.http).click()
    await expect(last.get_by_role("table", name="Workflows")).to_be_visible()
    own.faults = [fault for fault in own.faults if here.http not in fault]
    away.start()
    await expect(page.locator("[data-node='3'] [data-state=ready]")).to_be_visible(timeout=60_000)
    await visits.close()
    await own.close()
