"""What a scenario holds in its hands: a worker and client whose every call is recorded."""

import asyncio
import copy
import time
import uuid

import grpc
from temporalio.api.common.v1 import GrpcStatus

from harness.commands import request
from harness.hand import Hand, complete_workflow
from harness.http import HttpApi, Reply, ask
from harness.rpc import history, names

from .normal import Normal

PATIENCE_S = 20
CLOSED = {"WorkflowExecutionCompleted", "WorkflowExecutionFailed", "WorkflowExecutionTimedOut",
          "WorkflowExecutionTerminated", "WorkflowExecutionCanceled", "WorkflowExecutionContinuedAsNew"}


class Call:
    """One call: its reply or its error once it is there."""

    def __init__(self, method: str, request):
        self.method = method
        self.request = request
        self.reply = None
        self.error: grpc.aio.AioRpcError | None = None


class Asked:
    """One HTTP request as it is, and its answer."""

    def __init__(self, what: str, reply: Reply):
        self.what, self.reply = what, reply

    def record(self, normal: Normal) -> dict:
        kind = self.reply.headers.get("Content-Type", "")
        # The reference server's is `*` where a request asks for none.
        found = {"status": self.reply.status} | ({"type": kind} if "+" in kind else {})
        try:
            return found | {"body": normal.json(self.reply.json)}
        except ValueError:
            return found


class Recorder:
    """An `Api` that writes down what it is asked and answered. In order of the asking. `http`: over HTTP, what can be."""

    def __init__(self, api: HttpApi, calls: list, http: bool):
        self.api = api
        self.calls = calls
        self.over = api.over_http if http else api.call

    async def call(self, method: str, request, timeout: float = 10, headers: dict[str, str] | None = None):
        call = Call(method, request)
        self.calls.append(call)
        try:
            call.reply = await self.over(method, request, timeout, headers)
        except grpc.aio.AioRpcError as error:
            call.error = error
            raise
        return call.reply


class Driver(Hand):
    """A `Hand` on ids of its own. `s.peek` is the same hand unrecorded: what it asks is no part of the scenario."""

    def __init__(self, apis: list[HttpApi], namespace: str = "default", http: bool = False):
        self.token = uuid.uuid4().hex[:10]
        self.calls: list = []
        self.began = time.time()
        self.plain = apis
        super().__init__([Recorder(api, self.calls, http) for api in apis], namespace)
        self.id, self.queue = self.unique("wf"), self.unique("q")
        self.open: list[asyncio.Task] = []
        # Fields that are not compared, because they depend on the time of day.
        self.vague: set[str] = set()
        self.numbers = iter(range(1, 1_000_000))

    def unique(self, name: str) -> str:
        """An id of this scenario alone, that is recorded as `name`."""
        return f"{name}-{self.token}"

    def other(self, name: str, queue: str = "", namespace: str = "") -> "Driver":
        """A hand for another workflow id; recorded with this one. By default on the same queue."""
        hand = copy.copy(self)
        hand.id, hand.run = self.unique(name), ""
        hand.queue = self.unique(queue) if queue else self.queue
        hand.namespace = namespace or self.namespace
        return hand

    @property
    def peek(self) -> Hand:
        hand = Hand(self.plain, self.namespace)
        hand.id, hand.queue, hand.run = self.id, self.queue, self.run
        return hand

    def note(self, what: str, value) -> None:
        """Something the scenario saw, to be compared as it is."""
        self.calls.append((what, value))

    async def start(self, **fields):
        fields.setdefault("request_id", self.unique(f"start{next(self.numbers)}"))
        return await super().start(**fields)

    async def poll(self, queue: str = "", sticky: bool = False, timeout: float = PATIENCE_S):
        """The next workflow task, waited for through as many polls as it takes; the last is recorded."""
        return await self.patiently(lambda: super(Driver, self).poll(queue, sticky, timeout))

    async def poll_activity(self, timeout: float = PATIENCE_S, queue: str = ""):
        return await self.patiently(lambda: super(Driver, self).poll_activity(timeout, queue))

    async def no_task(self, kind: str = "Workflow", queue: str = ""):
        """A poll that comes back, empty if nothing is there to be taken."""
        queue = {"name": queue or self.queue}
        return await self.call(f"Poll{kind}TaskQueue", timeout=3, task_queue=queue, identity="hand")

    async def patiently(self, poll):
        for _ in range(2):
            task = await poll()
            if task.task_token:
                return task
            self.calls[:] = [call for call in self.calls if not (isinstance(call, Call) and call.reply is task)]
        raise TimeoutError("no task")

    async def signal(self, name: str, *values: str, **fields):
        fields.setdefault("request_id", self.unique(f"signal{next(self.numbers)}"))
        return await super().signal(name, *values, **fields)

    async def request_cancel(self, **fields):
        fields.setdefault("request_id", self.unique(f"cancel{next(self.numbers)}"))
        return await super().request_cancel(**fields)

    async def call(self, method: str, timeout: float = 10, headers: dict[str, str] | None = None, **fields):
        """Any method; in this hand's namespace unless told. `headers` are sent in the place of those of every call."""
        made = request(method, **fields)
        if "namespace" not in fields and "namespace" in made.DESCRIPTOR.fields_by_name:
            made.namespace = self.namespace
        return await self.api.call(method, made, timeout, headers)

    async def ask(self, verb: str, path: str, body=None, headers: dict[str, str] | None = None) -> Reply:
        """A request to the HTTP port; `{id}` in its path is this workflow id. Its answer is recorded as it is."""
        asked = path.replace("{id}", self.id).replace("{queue}", self.queue)
        reply = await asyncio.to_thread(ask, self.api.api.http, verb, asked, body, headers)
        self.calls.append(Asked(f"{verb} {path}", reply))
        return reply

    @property
    def execution(self) -> dict:
        return {"workflow_id": self.id}

    async def begin(self, **fields):
        """Starts, and takes the first workflow task."""
        await self.start(**fields)
        return await self.poll()

    async def finish(self, *values: str):
        """Completes the workflow with its next task."""
        return await self.step(complete_workflow(*values))

    def soon(self, call) -> asyncio.Task:
        """Starts a call that is answered later; what is still open when the scenario ends is given up."""
        task = asyncio.create_task(call)
        self.open.append(task)
        return task

    async def leave(self) -> None:
        for task in self.open:
            task.cancel()
        await asyncio.gather(*self.open, return_exceptions=True)

    # --- waiting, unrecorded ---

    async def until(self, probe, what: str, seconds: float = PATIENCE_S):
        """The first true value of an async `probe`."""
        deadline = time.monotonic() + seconds
        while not (value := await probe()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {seconds} s")
            await asyncio.sleep(0.05)
        return value

    async def happened(self, name: str, count: int = 1, run: str = "") -> None:
        """Waits until the run's history has `count` events of a type."""
        async def there():
            return names(await self.peek.events(run or self.run)).count(name) >= count

        await self.until(there, f"{count} {name}")

    async def no_sooner(self, seconds: float) -> None:
        """Lets time pass for what shows nowhere until later, such as an event that is buffered."""
        await asyncio.sleep(seconds)

    async def lived(self) -> None:
        """Lets the run get so old that what follows it in its chain does not have to wait for its first task."""
        await self.no_sooner(1.2)

    async def polled(self, queue: str, kind: str = "WORKFLOW") -> None:
        """Waits until a poll is seen waiting at a queue."""
        asked = request("DescribeTaskQueue", namespace=self.namespace, task_queue={"name": queue},
                        task_queue_type=f"TASK_QUEUE_TYPE_{kind}")

        async def seen():
            return (await self.plain[0].call("DescribeTaskQueue", asked)).pollers

        await self.until(seen, f"a poll of {queue}")

    async def closed(self, run: str = "") -> None:
        async def over():
            return names(await self.peek.events(run or self.run))[-1] in CLOSED

        await self.until(over, "the end of the run")

    async def described(self, condition, what: str = "description", run: str = ""):
        """Waits until the description satisfies `condition`."""
        async def found():
            description = await self.peek.describe(run)
            return description if condition(description) else None

        return await self.until(found, what)


async def refused(call) -> None:
    """Awaits a call that is expected to be refused; the recorder has the error."""
    try:
        await call
    except grpc.aio.AioRpcError:
        pass


# --- the record ---


async def record(driver: Driver, ending: str) -> dict:
    """All that the scenario saw, normalised: calls in order, then every run it touched, in order of appearance."""
    normal = Normal(driver.token, driver.began)
    normal.vague = driver.vague
    runs = {
        f"{normal.text(workflow)} {normal.name(run, 'run')}": normal.run(events)
        for (_, workflow, run), events in (await touched(driver)).items()
    }
    calls = []
    for call in driver.calls:
        if isinstance(call, tuple):
            calls.append(list(call))
        elif isinstance(call, Asked):
            calls.append([normal.text(call.what), call.record(normal)])
        elif call.error is not None:
            calls.append([call.method, {"error": error(normal, call.error)}])
        elif call.reply is not None:
            calls.append([call.method, normal.message(call.reply)])
        else:
            calls.append([call.method, "unanswered"])
    found = {"calls": calls}
    if ending:
        found["aborted"] = normal.text(ending)
    found["histories"] = runs
    return found


def error(normal: Normal, error: grpc.aio.AioRpcError) -> dict:
    found = {"code": error.code().name, "message": normal.text(error.details() or "")}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = GrpcStatus.FromString(value)
            found["details"] = [normal.any(detail) for detail in status.details]
    return found


async def touched(driver: Driver) -> dict:
    """Histories of all runs that replies and then those histories name, of workflow ids of this scenario."""
    found: dict[tuple[str, str, str], list] = {}
    ahead: list[tuple[str, str, str]] = []
    for call in driver.calls:
        if isinstance(call, Call) and call.reply is not None:
            asked = {field.name: value for field, value in call.request.ListFields()}
            named = asked.get("namespace", driver.namespace), asked.get("workflow_id", driver.id)
            ahead.extend(runs_in(call.reply, *named))
    while ahead:
        namespace, workflow, run = key = ahead.pop(0)
        if key in found or driver.token not in workflow:
            continue
        try:
            found[key] = await history(driver.plain[0], workflow, run, namespace=namespace)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
            found[key] = []
        for event in found[key]:
            ahead.extend(runs_in(event, namespace, workflow))
    return {key: events for key, events in found.items() if events}


def runs_in(message, namespace: str, workflow: str) -> list[tuple[str, str, str]]:
    """(namespace, workflow id, run id) that a message names; a bare run id is one of `workflow`."""
    found = []
    fields = {field.name: value for field, value in message.ListFields()}
    namespace = fields.get("namespace", namespace) or namespace
    workflow = fields.get("workflow_id", workflow)
    for name, value in fields.items():
        if name == "run_id" or name in ("new_execution_run_id", "new_run_id", "continued_execution_run_id"):
            if value:
                found.append((namespace, workflow, value))
        elif hasattr(value, "ListFields"):
            found.extend(runs_in(value, namespace, workflow))
        elif hasattr(value, "add"):
            for each in value:
                found.extend(runs_in(each, namespace, workflow))
    return found
