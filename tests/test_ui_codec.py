"""Payloads that only their owner can read, on the pages: a codec server turns them."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio
from playwright.async_api import expect
from temporalio.api.command.v1 import Command, FailWorkflowExecutionCommandAttributes
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import CommandType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.client import Client
from temporalio.common import RawValue

from harness.browser import Visits
from harness.cluster import Cluster
from harness.hand import Hand
from harness.pages import dialog, workflow_at
from harness.rpc import Api, unique

pytestmark = [pytest.mark.tenure, pytest.mark.shares("browser")]


class Codec(BaseHTTPRequestHandler):
    """A codec server as the official UI knows them: turns letters round."""

    protocol_version = "HTTP/1.1"

    broken = False

    def do_OPTIONS(self) -> None:
        self.reply(b"")

    def do_POST(self) -> None:
        assert self.headers["X-Namespace"] == "default"
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.broken:
            self.reply(b"{}", 500)
            return
        turned = [self.decoded(one) if self.path == "/decode" else self.encoded(one) for one in asked["payloads"]]
        self.reply(json.dumps({"payloads": turned}).encode())

    @staticmethod
    def decoded(one: dict) -> dict:
        return {"metadata": {"encoding": text64("json/plain")}, "data": text64(base64.b64decode(one["data"]).decode()[::-1])}

    @staticmethod
    def encoded(one: dict) -> dict:
        return {"metadata": {"encoding": text64("binary/turned")}, "data": text64(base64.b64decode(one["data"]).decode()[::-1])}

    def reply(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "Content-Type, X-Namespace")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def text64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Secrets:
    """A node whose pages know a codec server, which may be told to fail."""

    def __init__(self, cluster: Cluster, client: Client, codec: ThreadingHTTPServer, visits: Visits):
        self.cluster, self.client, self.codec, self.visits = cluster, client, codec, visits

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.codec.server_port}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def codec_node(directory):
    codec = ThreadingHTTPServer(("127.0.0.1", 0), Codec)
    threading.Thread(target=codec.serve_forever, daemon=True).start()
    settings = f'[ui]\ncodec_endpoint = "http://127.0.0.1:{codec.server_port}"\n'
    with Cluster(directory / "codec", count=1, settings=settings) as cluster:
        yield cluster, codec
    codec.shutdown()


@pytest_asyncio.fixture
async def secrets(codec_node, browser):
    cluster, codec = codec_node
    Codec.broken = False
    visits = Visits(browser, f"http://{cluster.nodes[0].http}")
    secrets = Secrets(cluster, await Client.connect(cluster.addresses[0]), codec, visits)
    yield secrets
    visits.faults = [fault for fault in visits.faults if secrets.address not in fault]
    await visits.close()


def turned(text: str) -> Payload:
    return Payload(metadata={"encoding": b"binary/turned"}, data=json.dumps(text)[::-1].encode())


@pytest.mark.own_cluster
async def test_a_workflows_payloads_go_through_the_codec_server(secrets):
    handle = await secrets.client.start_workflow(
        "Secret", RawValue(turned("secret words")), id=unique("secret"), task_queue="nobody", memo={"note": RawValue(turned("for nobody"))})
    page = await secrets.visits.open(workflow_at(handle.id))
    await expect(page.get_by_role("region", name="Input", exact=True)).to_contain_text('"secret words"')
    await expect(page.get_by_text('"for nobody"')).to_be_visible()
    await page.get_by_role("button", name="Signal", exact=True).click()
    await dialog(page).get_by_label("Signal", exact=True).fill("more")
    await dialog(page).get_by_label("Input (JSON)").fill('"more words"')
    await dialog(page).get_by_role("button", name="Send").click()
    await expect(dialog(page)).to_have_count(0)
    events = [event async for event in handle.fetch_history_events()]
    assert list(events[-1].workflow_execution_signaled_event_attributes.input.payloads) == [turned("more words")]
    # A single event shows them, too.
    await page.goto(f"{secrets.visits.base}{workflow_at(handle.id, f'events?event={events[-1].event_id}')}")
    await expect(page.locator(f"[data-event='{events[-1].event_id}']")).to_contain_text('"more words"')


@pytest.mark.own_cluster
async def test_a_failure_whose_words_are_encoded_is_read(secrets):
    """As SDKs send failures whose converter encodes common attributes."""
    hand = Hand([Api(secrets.cluster.addresses[0])])
    await hand.start()
    words = Payload(metadata={"encoding": b"binary/turned"}, data=json.dumps({"message": "the vault is shut", "stack_trace": "at vault.py:7"})[::-1].encode())
    failure = Failure(message="Encoded failure", encoded_attributes=words, application_failure_info=ApplicationFailureInfo(type="Shut"))
    await hand.step(Command(command_type=CommandType.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION,
                            fail_workflow_execution_command_attributes=FailWorkflowExecutionCommandAttributes(failure=failure)))
    page = await secrets.visits.open(workflow_at(hand.id))
    result = page.get_by_role("region", name="Result", exact=True)
    await expect(result).to_contain_text("the vault is shut")
    await result.get_by_text("Stack trace", exact=True).click()
    await expect(result).to_contain_text("at vault.py:7")


@pytest.mark.own_cluster
async def test_a_schedules_input_goes_through_the_codec_server(secrets):
    name = unique("nightly")
    page = await secrets.visits.open("/namespaces/default/new-schedule")
    await page.get_by_label("Schedule id").fill(name)
    await page.get_by_label("Workflow type").fill("Secret")
    await page.get_by_label("Task queue").fill("nobody")
    await page.get_by_label("Input (JSON)").fill('"nightly words"')
    await page.get_by_label("Cron strings").fill("30 2 * * *")
    await page.get_by_role("button", name="Make the schedule").click()
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await expect(page.get_by_text('"nightly words"')).to_be_visible()
    description = await secrets.client.get_schedule_handle(name).describe()
    assert list(description.raw_description.schedule.action.start_workflow.input.payloads) == [turned("nightly words")]


@pytest.mark.own_cluster
async def test_a_codec_server_that_fails_is_told_and_what_came_is_shown(secrets):
    handle = await secrets.client.start_workflow("Secret", RawValue(turned("secret words")), id=unique("secret"), task_queue="nobody")
    Codec.broken = True
    page = await secrets.visits.open(workflow_at(handle.id))
    shown = page.get_by_role("region", name="Input", exact=True)
    await expect(shown).to_contain_text("not decoded: the codec server answers 500")
    await expect(shown).to_contain_text('"sdrow terces"')
    # Nothing is sent as it was typed.
    await page.get_by_role("button", name="Signal", exact=True).click()
    await dialog(page).get_by_label("Signal", exact=True).fill("more")
    await dialog(page).get_by_label("Input (JSON)").fill('"more words"')
    await dialog(page).get_by_role("button", name="Send").click()
    await expect(dialog(page).get_by_role("alert")).to_contain_text("the codec server answers 500")
    assert "Signaled" not in [event.WhichOneof("attributes") async for event in handle.fetch_history_events()][-1]
