"""The web UI in a real browser, on three nodes: what a person sees, finds and does."""

import asyncio
import base64
import json
import re
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness import hand as commands
from harness.browser import PHONE, Visits, chromium
from harness.cluster import Cluster
from harness.rpc import Api, unique

pytestmark = pytest.mark.part("ui")

CUSTOMER = SearchAttributeKey.for_keyword("CustomerId")
EVIL = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@activity.defn
async def book(name: str) -> str:
    if name == "down":
        raise ApplicationError("the carrier does not answer", type="CarrierDown")
    if name == "evil":
        raise ApplicationError(EVIL, type=EVIL)
    return f"booked {name}"


@workflow.defn
class Parcel:
    """Books, then waits until it is picked up."""

    def __init__(self) -> None:
        self.picked_up = False

    @workflow.run
    async def run(self, name: str) -> dict[str, object]:
        if name == "broken":
            raise ApplicationError("the address is wrong", type="BadAddress")
        retries = RetryPolicy(initial_interval=timedelta(seconds=30))
        await workflow.execute_activity(book, name, start_to_close_timeout=timedelta(seconds=10), retry_policy=retries)
        await workflow.wait_condition(lambda: self.picked_up)
        return {"delivered": name, "number": 9007199254740993}

    @workflow.signal(name="pickedUp")
    def pick_up(self) -> None:
        self.picked_up = True

    @workflow.query(name="where")
    def where(self) -> str:
        return "at the door" if self.picked_up else "in the shop"


class Site:
    """The nodes, and a worker of parcels."""

    def __init__(self, cluster, client: Client):
        self.cluster = cluster
        self.client = client
        self.queue = unique("parcels")

    @property
    def base(self) -> str:
        return f"http://{self.cluster.nodes[0].http}"

    def worker(self) -> Worker:
        return Worker(self.client, task_queue=self.queue, workflows=[Parcel], activities=[book],
                      workflow_runner=UnsandboxedWorkflowRunner())

    async def start(self, workflow_id: str, name: str = "shoes", queue: str | None = None, customer: str | None = None, **options):
        attributes = TypedSearchAttributes([SearchAttributePair(CUSTOMER, customer)]) if customer else None
        return await self.client.start_workflow("Parcel", name, id=workflow_id, task_queue=queue or self.queue,
                                                search_attributes=attributes or TypedSearchAttributes.empty, **options)

    async def start_many(self, ids: list[str], customer, queue: str) -> None:
        """A crowd that nobody works for."""
        room = asyncio.Semaphore(64)

        async def one(number: int, workflow_id: str) -> None:
            async with room:
                await self.start(workflow_id, queue=queue, customer=customer(number))

        await asyncio.gather(*(one(number, workflow_id) for number, workflow_id in enumerate(ids)))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser():
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(cluster):
    api = Api(cluster.addresses[0])
    added = AddSearchAttributesRequest(namespace="default",
                                       search_attributes={"CustomerId": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD})
    await api.call("AddSearchAttributes", added)
    await api.close()
    site = Site(cluster, await Client.connect(cluster.addresses[0]))
    async with site.worker():
        yield site


@pytest_asyncio.fixture
async def visits(browser, site):
    visits = Visits(browser, site.base)
    yield visits
    await visits.close()


def workflow_at(workflow_id: str, tab: str = "") -> str:
    return f"/namespaces/default/workflows/{workflow_id}/latest{'/' if tab else ''}{tab}"


async def filter_by(page: Page, query: str) -> None:
    bar = page.get_by_role("combobox", name="Filter")
    await bar.fill(query)
    await bar.press("Escape")
    await bar.press("Enter")


async def open_menu(page: Page, item: str) -> None:
    await page.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name=item).click()


def dialog(page: Page):
    return page.get_by_role("dialog")


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


async def test_a_failed_run_is_reset(site, visits):
    workflow_id = unique("reset")
    handle = await site.start(workflow_id, "broken")
    page = await visits.open(workflow_at(workflow_id))
    await expect(page.locator("h1").locator("..").locator("[data-status=Failed]")).to_be_visible()
    await expect(page.get_by_role("region", name="Result", exact=True)).to_contain_text("the address is wrong")
    await open_menu(page, "Reset")
    await dialog(page).get_by_label("Reason").fill("the address is right now")
    await dialog(page).get_by_role("button", name="Reset").click()
    await expect(page).not_to_have_url(re.compile(handle.first_execution_run_id))
    await expect(page.get_by_role("heading", name=workflow_id)).to_be_visible()
    await page.get_by_role("link", name="Events", exact=True).click()
    # The new run begins with the events of the old one, and fails again: the code is the same.
    await expect(page.get_by_role("option", name=re.compile("the address is right now"))).to_be_visible()


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
    await expect(preview).to_contain_text("25 is not between 0 and 23")
    await page.get_by_label("Cron strings").fill("30 2 * * MON-FRI")
    await page.get_by_label("Time zone").fill("Europe/Berlin")
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


async def test_a_pending_activity_is_told_with_its_failure_and_its_next_try(site, visits):
    workflow_id = unique("retry")
    await site.start(workflow_id, "down")
    page = await visits.open(workflow_at(workflow_id))
    pending = page.locator("[data-activity]")
    await expect(pending).to_contain_text("book")
    await expect(pending).to_contain_text("the carrier does not answer")
    await expect(pending.locator("[data-attempt]")).to_have_text("2")
    # A countdown, that counts.
    first = await pending.locator("[data-next]").inner_text()
    assert re.fullmatch(r"in \d+s", first), first
    await expect(pending.locator("[data-next]")).not_to_have_text(first)


async def test_a_query_and_the_stack_trace_are_asked_from_the_page(site, visits):
    workflow_id = unique("query")
    await site.start(workflow_id)
    page = await visits.open(workflow_at(workflow_id, "queries"))
    await page.get_by_label("Query").fill("where")
    await page.get_by_role("button", name="Ask", exact=True).click()
    await expect(page.locator("[data-answer]")).to_contain_text("in the shop")
    await page.get_by_role("button", name="Stack trace").click()
    await expect(page.locator("[data-answer]")).to_contain_text("workflow: Parcel")


async def test_a_filter_that_does_not_parse_is_told_where_it_is(site, visits):
    page = await visits.open("/")
    await filter_by(page, "WorkflowType = 'a' AND Colour = 'red'")
    await expect(page.get_by_role("alert")).to_contain_text("Colour")
    await expect(page.get_by_role("combobox", name="Filter")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("[data-column]")).to_have_attribute("data-column", "24")


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


async def test_payloads_that_are_no_text_or_two_megabytes(site, visits):
    binary, large = unique("binary"), unique("large")
    raw = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b"\xff\xfe\x00abc"))
    await site.client.start_workflow("Parcel", raw, id=binary, task_queue=unique("nobody"))
    await site.client.start_workflow("Parcel", "x" * (2_000_000), id=large, task_queue=unique("nobody"))
    page = await visits.open(workflow_at(binary))
    await expect(page.get_by_role("region", name="Input", exact=True).first).to_contain_text("ff fe 00 61 62 63")
    page = await visits.open(workflow_at(large))
    shown = page.get_by_role("region", name="Input", exact=True).first
    await expect(shown).to_contain_text("xxxx …")
    await shown.get_by_role("button", name="Show all 1.9 MiB").click()
    await expect(shown.locator("pre")).to_have_text(re.compile('x"$'))


async def test_a_run_that_is_deleted_while_it_is_looked_at(site, visits):
    workflow_id = unique("deleted")
    handle = await site.start(workflow_id)
    page = await visits.open(workflow_at(workflow_id))
    await expect(page.locator("[data-waits]")).to_be_visible()
    await site.client.workflow_service.delete_workflow_execution(DeleteWorkflowExecutionRequest(
        namespace="default", workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=handle.first_execution_run_id)))
    await expect(page.get_by_text("This run has been deleted.")).to_be_visible()


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


async def test_an_idle_page_asks_next_to_nothing(site, visits, say):
    workflow_id = unique("idle")
    await site.start(workflow_id)
    for path in ("/", workflow_at(workflow_id)):
        page = await visits.open(path)
        await page.wait_for_load_state("load")
        await asyncio.sleep(10)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        await asyncio.sleep(20)
        say(f"{path}: {len(asked)} requests in 20 s")
        assert len(asked) <= 12, asked


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


PAGES = ["workflows", "schedules", "new-schedule", "activities", "batches", "task-queues", "workers"]


def paths_of(site, workflow_id: str) -> list[str]:
    """All pages, those of a workflow among them."""
    return [
        *(f"/namespaces/default/{name}" for name in PAGES), "/namespaces", "/namespaces/default", "/cluster",
        f"/namespaces/default/task-queues/{site.queue}",
        *(workflow_at(workflow_id, tab) for tab in ("", "timeline", "events?event=1", "json", "family", "queries")),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_accessibility(site, visits, scheme, say):
    workflow_id = unique("axe")
    await site.start(workflow_id, "down")
    found = []
    for path in paths_of(site, workflow_id):
        page = await visits.open(path, color_scheme=scheme)
        await expect(page.locator("h1")).to_be_visible()
        await page.wait_for_timeout(700)
        for violation in (await Axe().run(page)).response["violations"]:
            nodes = [node["html"][:160] for node in violation["nodes"][:3]]
            found.append((violation["impact"], f"{path}: {violation['id']}: {violation['help']} {nodes}"))
        await page.close()
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
        await expect(page.locator("h1")).to_be_visible()
        await page.wait_for_timeout(400)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"], path


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


@pytest.mark.late
@pytest.mark.timeout(300)
async def test_a_history_of_fifty_thousand_events(hand, site, visits, say):
    await hand.start()
    for step in range(25):
        task = await hand.poll()
        more = {"force_create_new_workflow_task": True} if step < 24 else {}
        await hand.complete(task, *(commands.marker(f"{step}-{n}") for n in range(1_996)), timeout=30, **more)
    length = (await hand.describe()).workflow_execution_info.history_length
    assert length > 49_900
    page = await visits.open("/namespaces/default/batches")
    events = page.get_by_role("listbox", name="History as a list of events")
    rows = events.get_by_role("option")
    started = time.monotonic()
    await page.goto(site.base + workflow_at(hand.id, "events"))
    await expect(rows.first).to_be_visible()
    opened = time.monotonic() - started
    await expect(page.locator("[data-events]")).to_have_text(re.compile(rf"^\s*{length:,} events\s*$"), timeout=60_000)
    say(f"{length:,} events: shown after {opened:.2f} s, all there after {time.monotonic() - started:.2f} s")
    assert opened < 2
    assert await rows.count() < 100, "only what is in sight is in the page"
    await events.focus()
    await page.keyboard.press("End")
    await expect(page.locator(f"[data-event='{length}']")).to_be_visible()
    await page.keyboard.press("Home")
    await expect(page.locator("[data-event='1']")).to_be_visible()


@pytest.fixture
def mortal(tmp_path):
    with Cluster(tmp_path) as cluster:
        yield cluster


@pytest.mark.own_cluster
@pytest.mark.tenure
async def test_a_dead_node_is_seen_on_the_page_of_another_and_missed_on_its_own(mortal, browser):
    away, here = mortal.nodes[2], mortal.nodes[0]
    visits = Visits(browser, f"http://{here.http}")
    own = Visits(browser, f"http://{away.http}")
    page = await visits.open("/cluster")
    last = await own.open("/namespaces/default/workflows")
    await expect(page.locator("[data-node] [data-state=ready]")).to_have_count(3)
    await expect(page.locator("[data-findings]")).to_contain_text("All 3 nodes serve")
    await expect(last.get_by_role("table", name="Workflows")).to_be_visible()
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


class Codec(BaseHTTPRequestHandler):
    """A codec server as the official UI knows them: turns letters round."""

    protocol_version = "HTTP/1.1"

    def do_OPTIONS(self) -> None:
        self.reply(b"")

    def do_POST(self) -> None:
        assert self.headers["X-Namespace"] == "default"
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        turned = [self.decoded(one) if self.path == "/decode" else self.encoded(one) for one in asked["payloads"]]
        self.reply(json.dumps({"payloads": turned}).encode())

    @staticmethod
    def decoded(one: dict) -> dict:
        return {"metadata": {"encoding": text64("json/plain")}, "data": text64(base64.b64decode(one["data"]).decode()[::-1])}

    @staticmethod
    def encoded(one: dict) -> dict:
        return {"metadata": {"encoding": text64("binary/turned")}, "data": text64(base64.b64decode(one["data"]).decode()[::-1])}

    def reply(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Content-Type, X-Namespace")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def text64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.own_cluster
@pytest.mark.tenure
async def test_payloads_go_through_the_codec_server(tmp_path, browser):
    codec = ThreadingHTTPServer(("127.0.0.1", 0), Codec)
    threading.Thread(target=codec.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{codec.server_port}"
    with Cluster(tmp_path, count=1, settings=f'[ui]\ncodec_endpoint = "{address}"\n') as cluster:
        client = await Client.connect(cluster.addresses[0])
        secret = RawValue(Payload(metadata={"encoding": b"binary/turned"}, data=b'"sdrow terces"'))
        handle = await client.start_workflow("Secret", secret, id="secret", task_queue="nobody")
        visits = Visits(browser, f"http://{cluster.nodes[0].http}")
        page = await visits.open(workflow_at("secret"))
        await expect(page.get_by_role("region", name="Input", exact=True)).to_contain_text('"secret words"')
        await page.get_by_role("button", name="Signal", exact=True).click()
        await dialog(page).get_by_label("Signal", exact=True).fill("more")
        await dialog(page).get_by_label("Input (JSON)").fill('"more words"')
        await dialog(page).get_by_role("button", name="Send").click()
        await expect(dialog(page)).to_have_count(0)
        sent = [event async for event in handle.fetch_history_events()][-1].workflow_execution_signaled_event_attributes.input.payloads[0]
        assert (sent.metadata["encoding"], sent.data) == (b"binary/turned", b'"sdrow erom"')
        visits.faults = [fault for fault in visits.faults if address not in fault]
        await visits.close()
    codec.shutdown()


async def test_pictures_for_the_documentation(site, visits, pytestconfig):
    """Of pages as they are in the middle of a day; kept with --photographs=DIRECTORY."""
    directory = pytestconfig.getoption("--photographs")
    prefix = "order" if directory else unique("order")
    handles = [await site.start(f"{prefix}-{n}", "down" if n % 9 == 8 else "shoes", customer=f"customer-{n % 7}")
               for n in range(40)]
    for handle in handles[:24]:
        await handle.signal("pickedUp")
    await handles[27].terminate("a test")

    async def take(name: str, page: Page) -> None:
        if directory:
            await page.screenshot(path=f"{directory}/{name}.png")

    wide = {"viewport": {"width": 1280, "height": 800}}
    page = await visits.open(f"/namespaces/default/workflows?query=WorkflowId%20STARTS_WITH%20'{prefix}-'", **wide)
    await expect(page.get_by_role("list", name="Counts by status")).to_contain_text("1 Terminated")
    await take("ui-workflows", page)
    page = await visits.open(workflow_at(f"{prefix}-35"), **wide)
    await expect(page.locator("[data-activity] [data-next]")).to_be_visible()
    await take("ui-workflow", page)
    page = await visits.open(workflow_at(f"{prefix}-3", "timeline?event=5"), color_scheme="dark", **wide)
    await expect(page.locator("[data-event='5']")).to_be_visible()
    await take("ui-timeline", page)
    page = await visits.open(workflow_at(f"{prefix}-30"), **PHONE)
    await expect(page.locator("[data-waits]")).to_contain_text("pickedUp")
    await take("ui-phone", page)
    page = await visits.open("/cluster", **wide)
    await expect(page.locator("[data-node] [data-state=ready]")).to_have_count(3)
    await take("ui-cluster", page)


async def nothing(hand):
    await hand.start()


async def task_runs(hand):
    await hand.start()
    await hand.poll()


async def task_fails(hand):
    await hand.start()
    await hand.fail_task(await hand.poll())


async def activity_waits(hand):
    await hand.start()
    await hand.step(commands.activity("1", hand.queue))


async def activity_runs(hand):
    await activity_waits(hand)
    await hand.poll_activity()


async def activity_is_retried(hand):
    await hand.start()
    await hand.step(commands.activity("1", hand.queue, attempts=5, backoff_s=60))
    await hand.fail_activity(await hand.poll_activity())


async def timer(hand):
    await hand.start()
    await hand.step(commands.start_timer("t", 600))


async def child(hand):
    await hand.start()
    await hand.step(commands.child(f"{hand.id}-child", unique("nobody")))
    await hand.step()


async def signal(hand):
    await hand.start()
    await hand.step()


@pytest.mark.tenure
@pytest.mark.parametrize("happens, kind", [
    (nothing, "WORKFLOW_TASK_UNPOLLED"), (task_runs, "WORKFLOW_TASK_RUNNING"), (task_fails, "WORKFLOW_TASK_FAILING"),
    (activity_waits, "ACTIVITY_UNPOLLED"), (activity_runs, "ACTIVITY_RUNNING"), (activity_is_retried, "ACTIVITY_BACKOFF"),
    (timer, "TIMER"), (child, "CHILD_RUNNING"), (signal, "SIGNAL_OR_UPDATE"),
], ids=lambda value: value if isinstance(value, str) else "")
async def test_why_it_waits(hand, visits, happens, kind):
    await happens(hand)
    page = await visits.open(workflow_at(hand.id))
    await expect(page.locator(f"[data-waits] [data-cause=CAUSE_KIND_{kind}]")).to_have_count(1)
    await expect(page.locator("[data-waits] p").first).not_to_be_empty()
    if kind in ("ACTIVITY_BACKOFF", "TIMER"):
        await expect(page.locator("[data-waits] [data-next]")).to_have_text(re.compile(r"^in \d+"))
