"""The restaurant's pages in a real browser: what the customer sees, what the driver sees, and what their buttons do."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from harness.browser import PHONE, chromium
from harness.rpc import unique
from harness.rust import Program

expect.set_options(timeout=20_000)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser():
    async with chromium() as running:
        yield running


class Restaurant:
    """The program `food` with a name of its own, and people who look at its pages."""

    def __init__(self, server, directory, browser: Browser, **options):
        self.name = unique("trattoria")
        self.browser = browser
        options = {"name": self.name, "task-queue": self.name, "listen": "127.0.0.1:0", "linger": 0.5} | options
        arguments = [part for key, value in options.items() for part in (f"--{key}", str(value))]
        self.program = Program("food", *arguments, addresses=server.addresses, log=directory / f"{self.name}.log")

    async def __aenter__(self) -> "Restaurant":
        self.program.start()
        self.address = re.search(r"menu: (\S+)", self.program.says("menu: "))[1].rstrip("/")
        self.contexts = []
        return self

    async def __aexit__(self, *_) -> None:
        for context in self.contexts:
            await context.close()
        self.program.kill()

    async def visit(self, path: str, **device) -> Page:
        """Each visitor has a browser profile of their own."""
        context = await self.browser.new_context(**device)
        self.contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: pytest.fail(f"{path}: {error}"))
        await page.goto(self.address + path)
        return page


def order(page: Page, dish: str):
    return page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=dish)).filter(
        has=page.locator(".status"))


async def shows(page: Page, dish: str, status: str) -> None:
    await expect(order(page, dish).locator(".status")).to_have_text(status)


TABLET = {"viewport": {"width": 820, "height": 320}, "has_touch": True}


async def test_an_order_from_the_menu_to_the_doorstep(server, tmp_path, browser, pytestconfig):
    async with Restaurant(server, tmp_path, browser) as trattoria:
        customer, driver = await trattoria.visit("/", **PHONE), await trattoria.visit("/driver", **TABLET)
        await expect(driver.get_by_text("No orders yet.")).to_be_visible()
        await customer.get_by_role("button", name="Order Pizza Margherita").click()
        await customer.get_by_role("button", name="Order Tiramisu").click()

        # The payment provider is down at the first two attempts.
        for page in customer, driver:
            await shows(page, "Pizza Margherita", "Paid")
            await shows(page, "Tiramisu", "Paid")
        pizza = order(driver, "Pizza Margherita")
        await expect(pizza.get_by_role("button", name="Deliver")).to_be_hidden()
        await pizza.get_by_role("button", name="Pick up").click()
        for page in customer, driver:
            await shows(page, "Pizza Margherita", "Picked up")
            await shows(page, "Tiramisu", "Paid")
        await expect(pizza.get_by_role("button", name="Pick up")).to_be_hidden()
        await photograph(pytestconfig, menu=customer, driver=driver)
        # The next step has the focus: a keyboard is enough.
        await expect(pizza.get_by_role("button", name="Deliver")).to_be_focused()
        await driver.keyboard.press("Enter")
        for page in customer, driver:
            await shows(page, "Pizza Margherita", "Completed")
        await expect(order(customer, "Pizza Margherita")).to_contain_text("How was it?")
        await expect(pizza.get_by_role("button")).to_have_count(0)

        # Nothing of it is in the pages or in the process: another visitor, and the customer after a reload.
        await customer.reload()
        await shows(customer, "Pizza Margherita", "Completed")
        await shows(customer, "Tiramisu", "Paid")
        stranger = await trattoria.visit("/")
        await expect(stranger.get_by_text("Nothing ordered yet.")).to_be_visible()


async def test_an_order_that_nobody_picks_up_is_refunded(cluster, tmp_path, browser):
    async with Restaurant(cluster, tmp_path, browser, **{"pickup-within": 1}) as trattoria:
        customer, driver = await trattoria.visit("/"), await trattoria.visit("/driver")
        await customer.get_by_role("button", name="Order Ravioli").click()
        for page in customer, driver:
            await shows(page, "Ravioli", "Refunded")
        await expect(order(customer, "Ravioli")).to_contain_text("You have your money back.")
        await expect(order(driver, "Ravioli").get_by_role("button")).to_have_count(0)


async def test_the_restaurant_goes_on_where_its_process_died(cluster, tmp_path, browser):
    async with Restaurant(cluster, tmp_path, browser) as trattoria:
        customer, driver = await trattoria.visit("/"), await trattoria.visit("/driver")
        await customer.get_by_role("button", name="Order Caprese").click()
        await shows(driver, "Caprese", "Paid")
        trattoria.program.kill()
        await expect(driver.get_by_text("Connection lost.")).to_be_visible()
        # The same address, so that the open pages find it again.
        listen = trattoria.program.arguments.index("--listen") + 1
        trattoria.program.arguments[listen] = trattoria.address.removeprefix("http://")
        trattoria.program.start()
        await expect(driver.get_by_text("Connection lost.")).to_be_hidden()
        await order(driver, "Caprese").get_by_role("button", name="Pick up").click()
        await shows(customer, "Caprese", "Picked up")


async def photograph(config, **pages: Page) -> None:
    """Pictures for the documentation, with --photographs=DIRECTORY."""
    directory = config.getoption("--photographs")
    for name, page in pages.items() if directory else ():
        await page.screenshot(path=f"{directory}/{name}.png", full_page=name == "menu")
