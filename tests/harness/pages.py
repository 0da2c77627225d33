"""What tests of the web UI share: one browser, a site with a worker of parcels, and the words for what stands on its pages."""

import asyncio
from datetime import timedelta

import pytest_asyncio
from playwright.async_api import Page
from temporalio import activity, workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from .browser import Visits, chromium
from .rpc import Api, unique

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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
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
