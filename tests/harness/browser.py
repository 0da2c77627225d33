"""A real Chromium, and pages that tell what went wrong in them."""

import shutil
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, async_playwright

# Without these Chromium looks for its maker's hosts, again and again.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@asynccontextmanager
async def chromium():
    path = shutil.which("chromium")
    assert path, "there is no chromium: run scripts/setup --tests"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        await browser.close()


class Visits:
    """Browser profiles, one for each visit. What a page must never do is kept in `faults`."""

    def __init__(self, browser: Browser, base: str):
        self.browser = browser
        self.base = base
        self.contexts = []
        self.faults: list[str] = []

    async def open(self, path: str, **device) -> Page:
        context = await self.browser.new_context(**({"viewport": {"width": 1280, "height": 860}, "timezone_id": "UTC"} | device))
        self.contexts.append(context)
        page = await context.new_page()
        self.watch(page)
        await page.goto(self.base + path)
        return page

    def watch(self, page: Page) -> None:
        host = urlsplit(self.base).netloc
        page.on("pageerror", lambda error: self.faults.append(f"an error in the page: {error}"))
        page.on("dialog", lambda dialog: self.faults.append(f"a dialog opened: {dialog.message}"))
        page.on("console", lambda said: self.faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.on("request", lambda request: self.faults.append(f"asked another host: {request.url}")
                if urlsplit(request.url).scheme in ("http", "https") and urlsplit(request.url).netloc != host else None)

    async def close(self) -> None:
        for context in self.contexts:
            await context.close()
        if self.faults:
            pytest.fail("\n".join(self.faults[:10]))
