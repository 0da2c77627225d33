"""Plays scenarios on a server, several at a time."""

import asyncio
import random
import sys
from typing import Callable

import grpc
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.http import HttpApi
from harness.rpc import execution

from .driver import Driver, record
from .registry import Scenario

# Most of them wait, so that many at once take three nodes on two cores hardly longer than few.
AT_ONCE = 32
TIMEOUT_S = 90


async def play_all(
    scenarios: list[Scenario], addresses: list[str], http: list[str], *, at_once: int = AT_ONCE, seed: int = 0,
    done: Callable[[str, dict], None] = lambda name, found: None,
) -> dict[str, dict]:
    """The record of each scenario by its name. `http`: the HTTP port of each address."""
    apis = [HttpApi(address, port) for address, port in zip(addresses, http, strict=True)]
    order = list(scenarios)
    random.Random(seed).shuffle(order)
    room = asyncio.Semaphore(at_once)
    found: dict[str, dict] = {}

    async def one(scenario: Scenario) -> None:
        async with room:
            found[scenario.name] = await play(scenario, apis)
            done(scenario.name, found[scenario.name])

    try:
        await asyncio.gather(*[one(scenario) for scenario in order])
    finally:
        for api in apis:
            await api.close()
    return dict(sorted(found.items()))


async def play(scenario: Scenario, apis: list[HttpApi]) -> dict:
    driver = Driver(apis, http=scenario.http)
    ending = ""
    try:
        await asyncio.wait_for(scenario.play(driver), TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        ending = f"{error.code().name}: {error.details()}"
    except Exception as error:
        ending = f"{type(error).__name__}: {error}"
    await driver.leave()
    try:
        found = await record(driver, ending)
    except grpc.aio.AioRpcError as error:
        found = {"aborted": f"no record: {error.code().name}: {error.details()}"}
    await clear_away(driver)
    return found


async def clear_away(driver: Driver) -> None:
    """Ends what still runs, so that it does not load the server meanwhile."""
    for namespace, schedule_id in {(call.request.namespace, call.request.schedule_id) for call in driver.calls
                                   if hasattr(call, "request") and getattr(call.request, "schedule_id", "")}:
        try:
            await driver.plain[0].call("DeleteSchedule", w.DeleteScheduleRequest(
                namespace=namespace, schedule_id=schedule_id))
        except grpc.aio.AioRpcError:
            pass
    for workflow_id in {call.request.workflow_id for call in driver.calls if hasattr(call, "request")
                        and hasattr(call.request, "workflow_id") and call.request.workflow_id}:
        try:
            await driver.plain[0].call("TerminateWorkflowExecution", w.TerminateWorkflowExecutionRequest(
                namespace=driver.namespace, workflow_execution=execution(workflow_id)))
        except grpc.aio.AioRpcError:
            pass
    for call in [call for call in driver.calls if getattr(call, "method", "") == "StartActivityExecution" and call.reply]:
        try:
            await driver.plain[0].call("TerminateActivityExecution", w.TerminateActivityExecutionRequest(
                namespace=call.request.namespace, activity_id=call.request.activity_id, run_id=call.reply.run_id))
        except grpc.aio.AioRpcError:
            pass


class Progress:
    """A dot for each scenario that ended, on standard error."""

    def __init__(self, label: str, total: int):
        self.label, self.total, self.ended = label, total, 0

    def __call__(self, name: str, found: dict) -> None:
        self.ended += 1
        if sys.stderr.isatty():
            print(f"\r{self.label}: {self.ended}/{self.total} {name:<70.70}", end="", file=sys.stderr, flush=True)
            if self.ended == self.total:
                print(file=sys.stderr)
        elif self.ended % 25 == 0 or self.ended == self.total:
            print(f"{self.label}: {self.ended}/{self.total}", file=sys.stderr, flush=True)
