"""The list of workflows in a browser: what is found, chosen, ended, kept and followed."""

import re
import time

import pytest
from playwright.async_api import expect

from harness.pages import dialog, filter_by
from harness.rpc import unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]


@pytest.mark.late
@pytest.mark.timeout(300)
async def test_an_order_is_found_among_ten_thousand_signalled_and_seen_to_complete(site, visits, say):
    crowd = unique("crowd")
    started = time.monotonic()
    await site.start_many([f"{crowd}-{n}" for n in range(9_999)], lambda n: f"{crowd}-{n}", unique("nobody"))
    handle = await site.start(f"{crowd}-mine", customer=f"{crowd}-mine")
    say(f"10,000 workflows started in {time.monotonic() - started:.0f} s")

    page = await visits.open("/")
    await expect(page.get_by_role("heading", name="Workflows")).to_be_visible()
    # The attribute is completed from its first letters, and so is its operator.
    bar = page.get_by_role("combobox", name="Filter")
    await bar.press_sequentially("Cust")
    await expect(page.get_by_role("option", name="CustomerId")).to_be_visible()
    await bar.press("ArrowDown")
    await bar.press("Enter")
    await bar.press_sequentially(f"= '{crowd}-mine'")
    started = time.monotonic()
    await bar.press("Escape")
    await bar.press("Enter")
    await expect(page.locator("[data-count]")).to_have_text("1")
    say(f"one of them found in {time.monotonic() - started:.2f} s")
    await page.get_by_role("link", name=f"{crowd}-mine").click()

    await expect(page.locator("[data-waits]")).to_contain_text("Waits for signal pickedUp")
    await expect(page.locator("[data-status=Running]").first).to_be_visible()
    await page.get_by_role("button", name="Send pickedUp").click()
    await expect(dialog(page).get_by_label("Signal", exact=True)).to_have_value("pickedUp")
    await dialog(page).get_by_role("button", name="Send").click()
    # Nobody reloads.
    await expect(page.locator("h1").locator("..").locator("[data-status=Completed]")).to_be_visible()
    await expect(page.get_by_role("region", name="Result", exact=True)).to_contain_text("9007199254740993")
    assert (await handle.result())["delivered"] == "shoes"


async def test_five_hundred_are_terminated_by_a_filter_with_their_progress(site, visits):
    crowd = unique("end")
    await site.start_many([f"{crowd}-{n}" for n in range(500)], lambda n: crowd, unique("nobody"))
    page = await visits.open("/")
    await filter_by(page, f"CustomerId = '{crowd}'")
    await expect(page.locator("[data-count]")).to_have_text("500")
    await page.get_by_role("checkbox", name="Choose all on this page").check()
    await page.get_by_role("button", name="Choose all 500 that match").click()
    await page.get_by_role("region", name="What to do").get_by_role("button", name="Terminate").click()
    await expect(dialog(page).locator("[data-preview]")).to_contain_text("500 workflows")
    await dialog(page).get_by_label("Reason").fill("a test of the pages")
    await dialog(page).get_by_role("button", name="Terminate 500 workflows").click()

    progress = page.locator("[data-progress]")
    await expect(progress).to_contain_text("of 500 done")
    # At 50 a second it takes ten seconds, and is seen on the way.
    await expect(progress).to_have_text(re.compile(r"^\s*([1-9]\d?|[1-4]\d\d) of 500 done"))
    await expect(page.locator("[data-status=Completed]")).to_be_visible(timeout=60_000)
    await expect(progress).to_contain_text("500 of 500 done")
    await page.goto(site.base + f"/namespaces/default/workflows?query=CustomerId%20%3D%20'{crowd}'")
    await expect(page.get_by_role("list", name="Counts by status")).to_contain_text("500 Terminated")


async def test_a_filter_that_does_not_parse_is_told_where_it_is(site, visits):
    page = await visits.open("/")
    await filter_by(page, "WorkflowType = 'a' AND Colour = 'red'")
    await expect(page.get_by_role("alert")).to_contain_text("Colour")
    await expect(page.get_by_role("combobox", name="Filter")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("[data-column]")).to_have_attribute("data-column", "24")


async def test_columns_sorting_and_views_are_kept(site, visits):
    ids = sorted(unique("sorted") for _ in range(3))
    customer = unique("c")
    for workflow_id in ids:
        await site.start(workflow_id, customer=customer)
    page = await visits.open("/")
    await filter_by(page, f"CustomerId = '{customer}'")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(3)
    for wanted, direction in ((ids, "ascending"), (ids[::-1], "descending")):
        await page.get_by_role("button", name="Workflow id").click()
        await expect(page.get_by_role("columnheader", name="Workflow id")).to_have_attribute("aria-sort", direction)
        await expect(rows.locator("td:nth-child(3)")).to_have_text(wanted)
    await page.get_by_role("button", name="Columns").click()
    await dialog(page).get_by_role("checkbox", name="CustomerId").check()
    await dialog(page).get_by_role("button", name="Close").click()
    await expect(rows.first).to_contain_text(customer)
    await page.get_by_role("button", name="Save this view").click()
    await dialog(page).get_by_label("Name").fill("Mine")
    await dialog(page).get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="All", exact=True).click()
    await page.reload()
    await page.get_by_role("button", name="Mine", exact=True).click()
    await expect(rows).to_have_count(3)
    await expect(page.get_by_role("columnheader", name="CustomerId")).to_be_visible()


async def test_a_list_follows_what_happens(site, visits):
    customer = unique("live")
    page = await visits.open(f"/namespaces/default/workflows?query=CustomerId%20%3D%20'{customer}'")
    await expect(page.get_by_text("No workflows are found.")).to_be_visible()
    handle = await site.start(unique("live"), customer=customer)
    await expect(page.locator("tbody [data-status=Running]")).to_have_count(1)
    await handle.signal("pickedUp")
    await expect(page.locator("tbody [data-status=Completed]")).to_have_count(1)
