"""The pictures of the documentation: the pages in the middle of a day."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)

from harness.browser import PHONE
from harness.pages import workflow_at
from harness.rpc import unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]


async def test_pictures_for_the_documentation(site, visits, pytestconfig):
    """Of pages as they are in the middle of a day; kept with --photographs=DIRECTORY."""
    directory = pytestconfig.getoption("--photographs")
    now = datetime.now(UTC)
    prefix = "order" if directory else unique("order")
    handles = [await site.start(f"{prefix}-{n}", "down" if n % 9 == 8 else "shoes", customer=f"customer-{n % 7}")
               for n in range(40)]
    for handle in handles[:24]:
        await handle.signal("pickedUp")
    await handles[27].terminate("a test")
    report = "nightly-report" if directory else unique("report")
    await site.client.create_schedule(
        report,
        Schedule(
            action=ScheduleActionStartWorkflow("Parcel", "broken", id=report, task_queue=site.queue),
            spec=ScheduleSpec(cron_expressions=["30 2 * * *"], time_zone_name="Europe/Berlin"),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL),
            state=ScheduleState(note="Sales by country"),
        ),
        backfill=[ScheduleBackfill(start_at=now - timedelta(days=7), end_at=now)],
    )

    async def take(name: str, page: Page) -> None:
        if directory:
            await page.screenshot(path=f"{directory}/{name}.png")

    wide = {"viewport": {"width": 1280, "height": 800}}
    page = await visits.open(f"/namespaces/default/workflows?query=WorkflowId%20STARTS_WITH%20'{prefix}-'", **wide)
    await expect(page.get_by_role("list", name="Counts by status")).to_contain_text("1 Terminated")
    await take("ui-workflows", page)
    page = await visits.open(workflow_at(f"{prefix}-35"), **wide)
    # What the server explains, and not what the page makes of the description meanwhile.
    await expect(page.locator("[data-waits] [data-cause=CAUSE_KIND_ACTIVITY_BACKOFF]")).to_have_count(1)
    await expect(page.locator("[data-activity] [data-next]")).to_be_visible()
    await take("ui-workflow", page)
    page = await visits.open(workflow_at(f"{prefix}-3", "timeline?event=5"), color_scheme="dark", **wide)
    await expect(page.locator("[data-event='5']")).to_be_visible()
    await take("ui-timeline", page)
    page = await visits.open(workflow_at(f"{prefix}-30"), **PHONE)
    await expect(page.locator("[data-waits]")).to_contain_text("pickedUp")
    await take("ui-phone", page)
    page = await visits.open("/cluster", viewport={"width": 1520, "height": 640})
    await expect(page.locator("[data-node] [data-state=ready]")).to_have_count(3)
    if directory:
        # Rows are in files after half a minute.
        await expect(page.locator("[data-size]").get_by_text(re.compile("[KM]iB")).first).to_be_visible(timeout=60_000)
    await take("ui-cluster", page)
    page = await visits.open(f"/namespaces/default/schedules/{report}", **wide)
    await expect(page.locator("[data-mark=past]").first).to_be_visible()
    await expect(page.locator("[data-next] time")).to_have_count(10)
    await take("ui-schedule", page)
