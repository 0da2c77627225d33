"""What travels with workflows: memo, search attributes, summaries, headers, codecs, failures, large payloads."""

import asyncio
import base64
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, Interceptor, OutboundInterceptor, WorkflowFailureError
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec, default
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    ActivityInboundInterceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.worker import Interceptor as WorkerInterceptor

from harness.stage import event_names, events

CITY = SearchAttributeKey.for_keyword("ProgramsCity")
SIZE = SearchAttributeKey.for_int("ProgramsSize")


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow.defn
class Announcer:
    """Tells the world about itself until it is told to finish."""

    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, searchable: bool) -> dict:
        if searchable:
            workflow.upsert_search_attributes([CITY.value_set("Bergen"), SIZE.value_unset()])
        workflow.upsert_memo({"mood": "fine", "old": None})
        workflow.set_current_details("all is *well*")
        await workflow.sleep(0.01, summary="a short nap")
        await workflow.execute_activity(
            greet, "you", start_to_close_timeout=timedelta(seconds=10), summary="says hello"
        )
        await workflow.wait_condition(lambda: self.done)
        return dict(workflow.memo())

    @workflow.signal
    def finish(self) -> None:
        self.done = True


@pytest.mark.short
async def test_memo_and_summaries(stage):
    async with stage.worker(Announcer, activities=[greet]):
        handle = await stage.start(
            Announcer.run, False, memo={"from": "client", "mood": "unknown", "old": 1},
            static_summary="announces", static_details="to the *world*",
        )
        await handle.signal(Announcer.finish)
        assert await handle.result() == {"from": "client", "mood": "fine"}
        described = await handle.describe()
    assert await described.memo() == {"from": "client", "mood": "fine"}
    assert (await described.static_summary(), await described.static_details()) == ("announces", "to the *world*")
    happened = await events(handle)
    summaries = [e.user_metadata.summary.data for e in happened if e.user_metadata.HasField("summary")]
    assert summaries == [b'"announces"', b'"a short nap"', b'"says hello"']
    assert any(e.HasField("workflow_properties_modified_event_attributes") for e in happened)


async def test_search_attributes(stage):
    kinds = {CITY.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD, SIZE.name: IndexedValueType.INDEXED_VALUE_TYPE_INT}
    await stage.client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes=kinds)
    )
    async with stage.worker(Announcer, activities=[greet]):
        handle = await stage.start(
            Announcer.run, True,
            search_attributes=TypedSearchAttributes([SearchAttributePair(CITY, "Oslo"), SearchAttributePair(SIZE, 7)]),
        )
        await handle.signal(Announcer.finish)
        await handle.result()
        found = (await handle.describe()).typed_search_attributes
    assert found[CITY] == "Bergen" and SIZE not in found
    assert "UpsertWorkflowSearchAttributes" in await event_names(handle)


# --- headers ---

caller: str = "nobody"


@activity.defn
async def who_asks() -> str:
    return caller


class Carries(Interceptor, WorkerInterceptor):
    """Puts the caller's name into the header of a start, and carries it on to signals, activities and children."""

    def __init__(self, name: str):
        self.name = name

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        payload = self.payload(self.name)

        class Client(OutboundInterceptor):
            async def start_workflow(self, input):
                input.headers = {"caller": payload}
                return await super().start_workflow(input)

        return Client(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        class Activity(ActivityInboundInterceptor):
            async def execute_activity(self, input):
                global caller
                caller = input.headers["caller"].data.decode()
                return await super().execute_activity(input)

        return Activity(next)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput):
        return CarriesOn

    @staticmethod
    def payload(name: str) -> Payload:
        return Payload(metadata={"encoding": b"binary/plain"}, data=name.encode())


class CarriesOn(WorkflowInboundInterceptor):
    headers: dict = {}

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        inbound = self

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input):
                input.headers = inbound.headers
                return super().start_activity(input)

            async def start_child_workflow(self, input):
                input.headers = inbound.headers
                return await super().start_child_workflow(input)

            def continue_as_new(self, input):
                input.headers = inbound.headers
                super().continue_as_new(input)

        super().init(Outbound(outbound))

    async def execute_workflow(self, input) -> Any:
        self.headers = dict(input.headers)
        return await super().execute_workflow(input)


@workflow.defn
class Heir:
    """Who asked for this workflow, for its next run, and for its child."""

    @workflow.run
    async def run(self, left: int, found: list[str]) -> list[str]:
        found.append(await workflow.execute_activity(who_asks, start_to_close_timeout=timedelta(seconds=10)))
        if left == 2:
            workflow.continue_as_new(args=[1, found])
        if left == 1:
            return await workflow.execute_child_workflow(Heir.run, args=[0, found])
        return found


@pytest.mark.needs("children", "continue-as-new")
async def test_headers_go_to_activities_children_and_the_next_run(stage):
    interceptor = Carries(stage.queue)
    with_name = stage.client_with(interceptors=[interceptor])
    async with stage.worker(Heir, activities=[who_asks], interceptors=[interceptor]):
        handle = await with_name.start_workflow(Heir.run, args=[2, []], id=stage.queue, task_queue=stage.queue)
        assert await handle.result() == [stage.queue] * 3


# --- codecs and failures ---


class Base64(PayloadCodec):
    """Nothing of what the user sends is readable on the server."""

    async def encode(self, payloads):
        return [
            Payload(metadata={"encoding": b"binary/base64"}, data=base64.b64encode(p.SerializeToString())) for p in payloads
        ]

    async def decode(self, payloads):
        return [Payload.FromString(base64.b64decode(p.data)) for p in payloads]


@workflow.defn
class Secretive:
    def __init__(self) -> None:
        self.name = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self.name))
        said = await workflow.execute_activity(greet, self.name, start_to_close_timeout=timedelta(seconds=10))
        if self.name == "nobody":
            raise ApplicationError("sesame refused", "sesame", type="Refused")
        return said

    @workflow.signal
    def tell(self, name: str) -> None:
        self.name = name

    @workflow.query
    def told(self) -> str:
        return self.name


@pytest.mark.parametrize("name", ["sesame", "nobody"])
async def test_a_codec_and_encoded_failures(stage, name):
    converter: DataConverter = dataclasses.replace(
        default(), payload_codec=Base64(), failure_converter_class=DefaultFailureConverterWithEncodedAttributes
    )
    client: Client = stage.client_with(data_converter=converter)
    async with stage.worker(Secretive, activities=[greet], client=client):
        handle = await client.start_workflow(Secretive.run, id=stage.queue, task_queue=stage.queue)
        await handle.signal(Secretive.tell, name)
        assert await handle.query(Secretive.told) == name
        if name == "sesame":
            assert await handle.result() == "hello sesame"
        else:
            with pytest.raises(WorkflowFailureError) as caught:
                await handle.result()
            assert (caught.value.cause.message, caught.value.cause.details[0]) == ("sesame refused", "sesame")
    assert all(b"sesame" not in event.SerializeToString() for event in await events(handle))


@workflow.defn
class Unlucky:
    @workflow.run
    async def run(self) -> None:
        try:
            try:
                raise ApplicationError("root", {"deep": [1, 2]}, type="Root")
            except ApplicationError as root:
                raise ApplicationError("middle", type="Middle") from root
        except ApplicationError as middle:
            raise ApplicationError("top", type="Top", non_retryable=True) from middle


async def test_a_chain_of_failures(stage):
    async with stage.worker(Unlucky):
        with pytest.raises(WorkflowFailureError) as caught:
            await stage.run(Unlucky.run)
    top = caught.value.cause
    assert [top.type, top.cause.type, top.cause.cause.type] == ["Top", "Middle", "Root"]
    assert top.non_retryable and top.cause.cause.details[0] == {"deep": [1, 2]}


@activity.defn
async def grow(text: str, times: int) -> str:
    return text * times


@workflow.defn
class Hoarder:
    @workflow.run
    async def run(self, text: str) -> int:
        grown = [
            workflow.execute_activity(grow, args=[text, 10], start_to_close_timeout=timedelta(seconds=20))
            for _ in range(5)
        ]
        return sum(len(each) for each in await asyncio.gather(*grown))


async def test_large_payloads(stage):
    """Five megabytes go through one history, in results of one each."""
    async with stage.worker(Hoarder, activities=[grow], max_cached_workflows=0):
        handle = await stage.start(Hoarder.run, "x" * 100_000)
        assert await handle.result() == 5_000_000
        assert sum(len(e.SerializeToString()) for e in await events(handle)) > 5_000_000


async def test_a_payload_that_is_too_large(stage):
    with pytest.raises(RPCError) as caught:
        await stage.start(Hoarder.run, "x" * 3_000_000)
    assert caught.value.status == RPCStatusCode.INVALID_ARGUMENT
