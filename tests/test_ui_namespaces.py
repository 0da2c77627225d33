"""The pages of namespaces in a browser."""

import pytest
from playwright.async_api import expect
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from harness.pages import dialog
from harness.rpc import Api, seconds, unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]


async def test_search_attributes_are_added_and_removed(site, visits):
    namespace = unique("space")
    api = Api(site.cluster.addresses[1])
    await api.call("RegisterNamespace", RegisterNamespaceRequest(
        namespace=namespace, workflow_execution_retention_period=seconds(86_400)))
    await api.close()
    page = await visits.open(f"/namespaces/{namespace}")
    rows = page.locator("[data-attribute]")
    await expect(page.get_by_text("None of its own.")).to_be_visible()
    for name, kind in (("Colour", "Keyword"), ("Weight", "Double")):
        await page.get_by_role("button", name="Add", exact=True).click()
        await dialog(page).get_by_label("Name").fill(name)
        await dialog(page).get_by_label("Type").select_option(label=kind)
        await dialog(page).get_by_role("button", name="Add it").click()
        await expect(page.locator(f"[data-attribute={name}]")).to_contain_text(kind)
    # What is refused is told, and the form stays.
    await page.get_by_role("button", name="Add", exact=True).click()
    await dialog(page).get_by_label("Name").fill("WorkflowId")
    await dialog(page).get_by_role("button", name="Add it").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("reserved by system")
    await page.keyboard.press("Escape")

    await page.get_by_role("button", name="Remove Colour").click()
    await expect(dialog(page)).to_contain_text(f"that set Colour in {namespace} fail")
    await dialog(page).get_by_role("button", name="Cancel").click()
    await expect(dialog(page)).to_have_count(0)
    await expect(rows).to_have_count(2)
    await page.get_by_role("button", name="Remove Colour").click()
    await dialog(page).get_by_role("button", name="Remove Colour").click()
    await expect(rows).to_have_count(1)
    await page.reload()
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Weight")
