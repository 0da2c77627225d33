"""The pages of schedules in a browser."""

import pytest
from playwright.async_api import expect

from harness.pages import dialog
from harness.rpc import unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]


async def test_a_schedule_is_made_with_its_times_before_it_is_there(site, visits):
    name = unique("nightly")
    page = await visits.open("/namespaces/default/new-schedule")
    await page.get_by_label("Schedule id").fill(name)
    await page.get_by_label("Workflow type").fill("Parcel")
    await page.get_by_label("Task queue").fill(site.queue)
    await page.get_by_label("Input (JSON)").fill('"shoes"')
    preview = page.locator("[data-preview]")
    await page.get_by_label("Cron strings").fill("30 2 * * MON-FRIT")
    await page.get_by_label("Cron strings").fill("30 25 * * *")
    await expect(preview).to_contain_text("Hour is not in range [0-23]")
    await page.get_by_label("Cron strings").fill("30 2 * * MON-FRI")
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    await expect(preview).to_contain_text("at 02:30 from Monday to Friday in Europe/Berlin")
    await expect(preview.get_by_role("listitem")).to_have_count(10)
    expected = [await one.get_attribute("datetime") for one in await preview.locator("time").all()]
    await page.get_by_role("button", name="Make the schedule").click()

    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await expect(page.locator("[data-next] time")).to_have_count(10)
    told = [await one.get_attribute("datetime") for one in await page.locator("[data-next] time").all()]
    assert told == expected, "the page foresaw what the server says"
    await expect(page.locator("[data-mark=next]").first).to_be_visible()

    await page.get_by_role("button", name="Trigger now").click()
    await dialog(page).get_by_role("button", name="Trigger now").click()
    await expect(page.locator("[data-mark=past]")).to_have_count(1)
    await page.get_by_role("button", name="Pause").click()
    await dialog(page).get_by_label("Note").fill("enough")
    await dialog(page).get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused: enough. Nothing is started.")).to_be_visible()
