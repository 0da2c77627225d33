"""Shared by the field programs: where the server is, checks, a raw API stub, histories."""

import asyncio
import contextlib
import logging
import os
import sys
import time
import uuid
from datetime import timedelta

import grpc
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType, ActivityType
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import service_pb2_grpc
import temporalio.api.workflowservice.v1 as api
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

logging.basicConfig(level=os.environ.get("FIELD_LOG", "CRITICAL"))
ADDRESSES = os.environ.get("FIELD_ADDRESSES", "127.0.0.1:7233").split(",")
CLI = os.environ.get("TEMPORAL_CLI", "temporal")
T0 = time.monotonic()
failures: list[str] = []
S = lambda seconds: timedelta(seconds=seconds)


def fresh(prefix: str = "f") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def note(text: str) -> None:
    print(f"  [{time.monotonic() - T0:6.2f}] {text}", flush=True)


def check(ok: bool, what: str, detail="") -> bool:
    print(
        f"  [{time.monotonic() - T0:6.2f}] {'ok  ' if ok else 'FAIL'} {what}"
        + (f" -- {detail}" if detail != "" else ""),
        flush=True,
    )
    if not ok:
        failures.append(what)
    return ok


async def connect(node: int = 0, namespace: str = "default", **options) -> Client:
    return await Client.connect(ADDRESSES[node % len(ADDRESSES)], namespace=namespace, **options)


def stub(node: int = 0, **options):
    channel = grpc.insecure_channel(
        ADDRESSES[node % len(ADDRESSES)],
        options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        **options,
    )
    return service_pb2_grpc.WorkflowServiceStub(channel)


def worker(client: Client, queue: str, workflows=(), activities=(), **options) -> Worker:
    options.setdefault("workflow_runner", UnsandboxedWorkflowRunner())
    options.setdefault("graceful_shutdown_timeout", S(0))
    return Worker(client, task_queue=queue, workflows=list(workflows), activities=list(activities), **options)


async def history(client: Client, workflow_id: str, run_id: str | None = None):
    return [e async for e in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events()]


def kinds(events) -> list[str]:
    return [EventType.Name(e.event_type).removeprefix("EVENT_TYPE_") for e in events]


async def eventually(condition, seconds: float, every: float = 0.1):
    end = time.monotonic() + seconds
    while True:
        value = await condition()
        if value or time.monotonic() > end:
            return value
        await asyncio.sleep(every)


@contextlib.contextmanager
def timed(out: list):
    start = time.monotonic()
    yield
    out.append(time.monotonic() - start)


def payload(data: bytes, encoding: bytes = b"binary/plain") -> Payload:
    return Payload(metadata={"encoding": encoding}, data=data)


def go(main, seconds: float = 100) -> None:
    async def bounded():
        try:
            await asyncio.wait_for(main(), seconds)
        except TimeoutError as error:
            check(False, f"finished within {seconds} s", repr(error))
        except Exception as error:  # noqa: BLE001
            import traceback

            traceback.print_exc(file=sys.stdout)
            check(False, "no unexpected error", repr(error))

    asyncio.run(bounded())
    print("RESULT", "PASS" if not failures else f"FAIL: {failures}", f"{time.monotonic() - T0:.1f} s", flush=True)
    sys.stdout.flush()
    os._exit(1 if failures else 0)
