"""What holds for all pages of the web UI: they are for everybody, safe, small and quiet."""

import asyncio
import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from harness.browser import PHONE
from harness.pages import EVIL, dialog, filter_by, workflow_at
from harness.rpc import unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]

PAGES = ["workflows", "schedules", "new-schedule", "activities", "batches", "task-queues", "workers"]


def paths_of(site, workflow_id: str) -> list[str]:
    """All pages, those of a workflow among them."""
    return [
        *(f"/namespaces/default/{name}" for name in PAGES), "/namespaces", "/namespaces/default", "/cluster",
        f"/namespaces/default/task-queues/{site.queue}",
        *(workflow_at(workflow_id, tab) for tab in ("", "timeline", "events?event=1", "json", "family", "queries")),
    ]


async def settled(page: Page) -> None:
    """Waits until the page has what it asked for first, and stands still."""
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator("main .loading")).to_have_count(0)
    await page.evaluate("""Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity)
                        .map((one) => one.finished.catch(() => {})))""")


async def test_accessibility(site, visits, say):
    """By the rules of axe; in the dark, by those that are about colours."""
    workflow_id = unique("axe")
    await site.start(workflow_id, "down")
    found = []
    page = await visits.open("/")
    for path in paths_of(site, workflow_id):
        await page.emulate_media(color_scheme="light")
        await page.goto(site.base + path)
        for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            await page.emulate_media(color_scheme=scheme)
            await settled(page)
            for violation in (await Axe().run(page, options=rules)).response["violations"]:
                nodes = [node["html"][:160] for node in violation["nodes"][:3]]
                found.append((violation["impact"], f"{path}, {scheme}: {violation['id']}: {violation['help']} {nodes}"))
    for impact, text in found:
        say(f"{impact}: {text}")
    serious = [text for impact, text in found if impact in ("serious", "critical")]
    assert not serious, "\n".join(serious)


async def test_a_phone(site, visits):
    workflow_id = unique("phone")
    await site.start(workflow_id, "down")
    page = await visits.open("/", **PHONE)
    await page.get_by_role("button", name="Menu").click()
    await page.get_by_role("navigation", name="Pages").get_by_role("link", name="Schedules").click()
    await expect(page.get_by_role("heading", name="Schedules")).to_be_visible()
    await expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
    for path in paths_of(site, workflow_id):
        await page.goto(site.base + path)
        await settled(page)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"], path


async def test_the_keyboard_alone(site, visits):
    workflow_id = unique("keys")
    customer = unique("keys")
    await site.start(workflow_id, customer=customer)
    page = await visits.open("/")
    await expect(page.get_by_role("heading", name="Workflows")).to_be_visible()
    keys = page.keyboard

    async def focused() -> str:
        return await page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || ''")

    async def tab_to(name: str, most: int = 60) -> None:
        for _ in range(most):
            if re.search(name, await focused()):
                return
            await keys.press("Tab")
        raise AssertionError(f"{name} is not reached with Tab; at {await focused()!r}")

    await keys.press("Tab")
    assert "Skip to the page" in await focused()
    await keys.press("/")
    assert await focused() == "Filter"
    await keys.type("Customer")
    await expect(page.get_by_role("option", name="CustomerId")).to_be_visible()
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await keys.type(f"= '{customer}'")
    await keys.press("Escape")
    await keys.press("Enter")
    await expect(page.locator("[data-count]")).to_have_text("1")
    await tab_to(workflow_id)
    await keys.press("Tab")
    await keys.press("Shift+Tab")
    await tab_to(f"^{workflow_id}$")
    await keys.press("Enter")
    await expect(page.get_by_role("heading", name=workflow_id)).to_be_visible()
    await expect(page.get_by_role("button", name="Send pickedUp")).to_be_visible()
    await page.locator("main").focus()
    await tab_to("^Events$")
    await keys.press("Enter")
    await tab_to("History as a list of events")
    await keys.press("ArrowDown")
    await keys.press("ArrowDown")
    await expect(page.locator("[data-event='2']")).to_be_visible()
    await keys.press("End")
    await keys.press("Home")
    await expect(page.locator("[data-event='1']")).to_be_visible()
    await page.locator("main").focus()
    await tab_to("^Signal$")
    await keys.press("Enter")
    await expect(dialog(page)).to_be_visible()
    await keys.press("Escape")
    await expect(dialog(page)).to_have_count(0)
    assert await focused() == "Signal", "the focus is back where it was"
    await keys.press("Enter")
    await expect(dialog(page)).to_be_visible()
    await keys.press("Control+A")
    await keys.type("pickedUp")
    await keys.press("Enter")
    await expect(page.locator("h1").locator("..").locator("[data-status=Completed]")).to_be_visible()


async def test_nothing_of_strangers_is_run(site, visits):
    workflow_id = unique(f"evil {EVIL}")
    handle = await site.start(workflow_id, "evil", memo={"note": EVIL}, static_summary=EVIL)
    await handle.signal(EVIL, EVIL)
    page = await visits.open("/")
    await filter_by(page, f"WorkflowId = '{workflow_id}'")
    await page.get_by_role("link", name=workflow_id).click()
    await expect(page.get_by_role("heading", name=workflow_id)).to_be_visible()
    await expect(page.locator("[data-activity]")).to_contain_text(EVIL)
    for tab in ("Timeline", "Events", "JSON", "Family", "Queries"):
        await page.get_by_role("link", name=tab, exact=True).click()
        await expect(page.get_by_role("link", name=tab, exact=True)).to_have_attribute("aria-current", "page")
        if tab == "Events":
            await page.get_by_role("option", name=re.compile("WorkflowExecutionSignaled")).click()
            await expect(page.locator("[data-event]")).to_contain_text("<script>alert(2)</script>")
    assert await page.locator("main img, main script").count() == 0
    await handle.terminate()


async def test_an_idle_page_asks_next_to_nothing(site, visits, say):
    workflow_id = unique("idle")
    await site.start(workflow_id)
    paths = ("/", workflow_at(workflow_id))
    # At the same time: each in a window of its own is looked at.
    pages = [await visits.open(path) for path in paths]
    await asyncio.sleep(10)
    asked: list[list[str]] = [[], []]
    for page, urls in zip(pages, asked, strict=True):
        assert await page.evaluate("document.visibilityState") == "visible"
        page.on("request", lambda request, urls=urls: urls.append(request.url))
    await asyncio.sleep(20)
    for path, urls in zip(paths, asked, strict=True):
        say(f"{path}: {len(urls)} requests in 20 s")
        assert len(urls) <= 12, urls


async def test_the_budget(site, visits, say):
    page = await visits.open("/")
    await expect(page.get_by_role("table", name="Workflows")).to_be_visible()
    client = await page.context.new_cdp_session(page)
    await client.send("Network.enable")
    await client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: dict[str, int] = {}
    kinds: dict[str, str] = {}
    client.on("Network.responseReceived", lambda event: kinds.__setitem__(event["requestId"], event["response"]["url"]))
    client.on("Network.loadingFinished", lambda event: sizes.__setitem__(event["requestId"], event["encodedDataLength"]))
    await page.reload()
    await expect(page.get_by_role("table", name="Workflows")).to_be_visible()
    paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    files = {kinds[key]: size for key, size in sizes.items() if "/api/" not in kinds[key] and "/tenure/" not in kinds[key]}
    say(f"first paint after {paint:.0f} ms; {len(files)} files, {sum(files.values()) / 1024:.0f} KiB on the wire")
    assert paint < 1000
    assert sum(files.values()) < 300 * 1024
