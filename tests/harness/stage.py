"""Where a program of the SDK plays: a task queue and ids of its own, and a client for each address in turn."""

import asyncio
import itertools
import time

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from .rpc import names, unique

# The sandbox imports a program's file again for each workflow; these it takes from outside.
SANDBOX = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("harness", "pytest", "_pytest", "grpc", "google")
)


class Stage:
    def __init__(self, clients: list[Client]):
        self.clients = itertools.cycle(clients)
        self.queue = unique("q")

    @property
    def client(self) -> Client:
        """The next address."""
        return next(self.clients)

    def client_with(self, **options) -> Client:
        return Client(**{**self.client.config(), **options})

    def worker(self, *workflows: type, activities=(), client: Client | None = None, queue: str = "", **options) -> Worker:
        """A worker on the stage's queue; `options` are the SDK's."""
        options.setdefault("workflow_runner", SANDBOX)
        return Worker(client or self.client, task_queue=queue or self.queue, workflows=workflows,
                      activities=activities, **options)

    async def start(self, workflow, *arguments, **options) -> WorkflowHandle:
        options.setdefault("id", unique("wf"))
        options.setdefault("task_queue", self.queue)
        return await self.client.start_workflow(workflow, args=arguments, **options)

    async def run(self, workflow, *arguments, **options):
        """Starts and waits for the result."""
        return await (await self.start(workflow, *arguments, **options)).result()

    def handle(self, id: str, run_id: str | None = None) -> WorkflowHandle:
        return self.client.get_workflow_handle(id, run_id=run_id)


async def events(handle: WorkflowHandle) -> list:
    return [event async for event in handle.fetch_history_events()]


async def event_names(handle: WorkflowHandle) -> list[str]:
    return names(await events(handle))


async def eventually(probe, seconds: float = 15):
    """The first true value of an async `probe`."""
    deadline = time.monotonic() + seconds
    while not (value := await probe()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.05)
    return value


async def ended_as(handle: WorkflowHandle, status: WorkflowExecutionStatus) -> None:
    """Waits until the workflow has closed, and asserts how."""

    async def closed():
        found = (await handle.describe()).status
        return found if found != WorkflowExecutionStatus.RUNNING else None

    assert await eventually(closed) == status
