"""The pages of a workflow in a browser: what is seen of a run and done with it."""

import re
import time

import pytest
from playwright.async_api import expect
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.common import RawValue

from harness import hand as commands
from harness.pages import dialog, open_menu, workflow_at
from harness.rpc import unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]


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
    page = await visits.open(workflow_at(workflow_id).replace("latest", handle.first_execution_run_id))
    await expect(page.locator("[data-waits]")).to_be_visible()
    await site.client.workflow_service.delete_workflow_execution(DeleteWorkflowExecutionRequest(
        namespace="default", workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=handle.first_execution_run_id)))
    await expect(page.get_by_text("This run has been deleted.")).to_be_visible()


@pytest.mark.late
@pytest.mark.timeout(300)
@pytest.mark.alone
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
