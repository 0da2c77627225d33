"""What depends on the headers by which clients say who they are and what they know."""

import time

import grpc

from harness.commands import command, request
from harness.hand import complete_workflow, fail_workflow
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

CLOSE_EVENT = "HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT"
# The next run waits for longer than a scenario takes.
RETRY = {"maximum_attempts": 3, "initial_interval": seconds(60)}


def says(name: str = "temporal-go", version: str = "1.0.0", **more: str) -> dict[str, str]:
    """Headers of a client; names of further ones with underscores."""
    more = {header.replace("_", "-"): value for header, value in more.items()}
    return {"client-name": name, "client-version": version} | more


# --- close events of runs that another one follows (F83) ---


async def closed_run(s: Driver):
    """The close event of the first run, as clients are told it that follow runs, and that do not."""
    # While the next run waits for its first task.
    if (await s.peek.describe()).workflow_execution_info.execution.run_id != s.run:
        await s.terminate()
    for features in ("", "follows-next-run-id", "x,follows-next-run-id", "x, follows-next-run-id", "Follows-Next-Run-Id"):
        headers = says("temporal-java", "1.38.0") | ({"supported-features": features} if features else {})
        for wait in (True, False):
            await s.call("GetWorkflowExecutionHistory", headers=headers, execution={"workflow_id": s.id, "run_id": s.run},
                         history_event_filter_type=CLOSE_EVENT, wait_new_event=wait)


@cases({"retry": {"retry_policy": RETRY}, "cron": {"cron_schedule": "@every 4s"}, "alone": {}})
async def close_event_of_a_run_that_failed(s: Driver, fields: dict):
    s.vague = {"first_workflow_task_backoff", "retry_state"} if "cron_schedule" in fields else set()
    await s.start(**fields)
    await s.step(fail_workflow("once"))
    await closed_run(s)


@cases({"cron": {"cron_schedule": "@every 4s"}, "alone": {}})
async def close_event_of_a_run_that_completed(s: Driver, fields: dict):
    s.vague = {"first_workflow_task_backoff"}
    await s.start(**fields)
    await s.step(complete_workflow("out"))
    await closed_run(s)


@cases({"retry": {"retry_policy": RETRY}, "cron": {"cron_schedule": "@every 4s"}, "alone": {}})
async def close_event_of_a_run_that_timed_out(s: Driver, fields: dict):
    s.vague = {"first_workflow_task_backoff", "retry_state"}
    await s.start(workflow_run_timeout=seconds(1), **fields)
    await s.closed()
    await closed_run(s)


@scenario
async def close_event_of_a_run_that_continued_as_new(s: Driver):
    await s.start()
    await s.lived()
    await s.step(command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"}, task_queue={"name": s.queue}))
    await next_run(s)
    await closed_run(s)


@scenario
async def whole_history_of_a_run_that_failed_is_the_truth(s: Driver):
    await s.start(retry_policy=RETRY)
    await s.step(fail_workflow("once"))
    await s.terminate()
    for wait in (True, False):
        await s.call("GetWorkflowExecutionHistory", headers=says("temporal-java", "1.38.0"),
                     execution={"workflow_id": s.id, "run_id": s.run}, wait_new_event=wait)


# --- the first run of a chain (F84) ---


async def next_run(s: Driver) -> str:
    """The run that a run continued as; its first task is due."""
    current = (await s.peek.describe()).workflow_execution_info.execution.run_id
    await s.happened("WorkflowTaskScheduled", run=current)
    return current


async def chain(s: Driver) -> dict[str, str]:
    """A run that continued as new; run ids by what they are."""
    first = (await s.start()).run_id
    await s.lived()
    await s.step(command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"}, task_queue={"name": s.queue}))
    current = await next_run(s)
    other = "6f2b3c1e-3d0c-4c53-9c33-0d3f7f0a1b2c"
    return {"first": first, "current": current, "other": other, "none": "", "garbage": "x"}


CHAINS = {
    f"{run}-of-{first}": (run, first)
    for run, first in [
        ("first", "first"), ("current", "first"), ("other", "first"), ("none", "first"), ("garbage", "first"),
        ("first", "none"), ("none", "other"), ("none", "current"), ("current", "current"), ("current", "other"),
        ("first", "other"), ("none", "garbage"),
    ]
}


@cases(CHAINS)
async def terminate_a_run_of_a_chain(s: Driver, run: str, first: str):
    ids = await chain(s)
    await refused(s.call("TerminateWorkflowExecution", workflow_execution={"workflow_id": s.id, "run_id": ids[run]},
                         first_execution_run_id=ids[first], reason="enough", identity="test"))


@cases(CHAINS)
async def cancel_a_run_of_a_chain(s: Driver, run: str, first: str):
    ids = await chain(s)
    await refused(s.call("RequestCancelWorkflowExecution", workflow_execution={"workflow_id": s.id, "run_id": ids[run]},
                         first_execution_run_id=ids[first], request_id=s.unique("cancel"), identity="test"))


@cases({name: row for name, row in CHAINS.items() if name not in ("current-of-first", "none-of-first")})
async def update_a_run_of_a_chain(s: Driver, run: str, first: str):
    """Those that are let through wait for a worker, and are in `updates`."""
    ids = await chain(s)
    await refused(s.call("UpdateWorkflowExecution", workflow_execution={"workflow_id": s.id, "run_id": ids[run]},
                         first_execution_run_id=ids[first],
                         request={"meta": {"update_id": s.unique("u")}, "input": {"name": "n"}},
                         wait_policy={"lifecycle_stage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED"}))


@cases({name: row for name, row in CHAINS.items() if "garbage" not in name})
async def chain_that_is_over(s: Driver, run: str, first: str):
    ids = await chain(s)
    await s.terminate()
    execution = {"workflow_id": s.id, "run_id": ids[run]}
    for method, fields in (("TerminateWorkflowExecution", {}),
                           ("RequestCancelWorkflowExecution", {"request_id": s.unique("cancel")})):
        await refused(s.call(method, workflow_execution=execution, first_execution_run_id=ids[first], **fields))


# --- versions ---

KNOWN = ["go", "java", "php", "typescript", "python", "dotnet", "ruby", "rust", "cli", "ui", "server"]


@cases({name: name for name in KNOWN})
async def versions_of_a_client(s: Driver, name: str):
    for version in ("0.0.1", "1.99.9", "2.0.0-alpha", "2.0.0", "2.99.0", "3.0.0", "9.9.9"):
        await refused(s.call("DescribeWorkflowExecution", headers=says(f"temporal-{name}", version), execution=s.execution))


@scenario
async def versions_of_others(s: Driver):
    for name in ("unknown", "Temporal-Go", "temporal-go ", "temporal-"):
        await refused(s.call("DescribeWorkflowExecution", headers=says(name, "99.0"), execution=s.execution))
    for headers in ({"client-name": "temporal-go"}, {"client-version": "x"}, says("", "9.0.0"), says("temporal-go", "")):
        await refused(s.call("DescribeWorkflowExecution", headers=headers, execution=s.execution))


@scenario
async def malformed_versions(s: Driver):
    for version in ("x", "1", "1.2", "1.2.3-rc1", "1.2.3+build", "01.2.3", "1.02.3", "1.2.03", "1.2.a", "v1.2.3", "1.2.3-",
                    "1.2.3+", "1.2.3-01", "1.2.3-a..b", "1.2.3.4", "1.2.3-a_b", "99999999999999999999.0.0", "-1.0.0",
                    "1.2.3+a+b", "1.2.3-rc.1+b.2", ".1.2", "1..2", "1.2."):
        await refused(s.call("DescribeWorkflowExecution", headers=says(version=version), execution=s.execution))


RANGES = [
    ">=1.0.0 <2.0.0", "<1.0.0", ">5.0.0", "!1.2.3", "!=1.2.3", "===1.2.3", "1.x", "2.x", "0.x", "x", "x.1.0", ">=1.x",
    ">1.x", "<1.x", "<=1.x", "!1.x", "!=2.x", ">2.0.0 || <1.99.0", "<1.0.0 || >5.0.0", "|| <5.0.0", "<5.0.0 ||",
    "<5.0.0 || || >1.0.0", "garbage", "1", "1.2", ">>1.0.0", "~1.0.0", "^1.0.0", ">=1.0.0  <2.0.0", ">= 1.0.0",
    ">=1.0.0,<2.0.0", "*", ">=", "<2.0.0-alpha", "1.X", "1.*", "x.x.x", "1.x.3", ">=v1.0.0", "v1.2.0", "=>1.0.0",
    ">1.0.0||<0.5.0", "1.x.x", ">=01.0.0", ">=1.0.0-01", "<2.0.0 >= 1.0.0", ">=1.0.0 x",
]


@scenario
async def servers_that_a_client_supports(s: Driver):
    for servers in RANGES:
        headers = says(supported_server_versions=servers)
        await refused(s.call("DescribeWorkflowExecution", headers=headers, execution=s.execution))
    for headers in (says("unknown", supported_server_versions=">5.0.0"), {"supported-server-versions": ">5.0.0"},
                    {"client-name": "temporal-go", "supported-server-versions": ">5.0.0"},
                    says(version="9.0.0", supported_server_versions=">5.0.0"),
                    says(version="9.0.0", supported_server_versions="garbage")):
        await refused(s.call("DescribeWorkflowExecution", headers=headers, execution=s.execution))


@cases({
    "start": ("StartWorkflowExecution", {}),
    "signal": ("SignalWorkflowExecution", {}),
    "query": ("QueryWorkflow", {}),
    "history": ("GetWorkflowExecutionHistory", {}),
    "poll": ("PollWorkflowTaskQueue", {}),
    "poll-activity": ("PollActivityTaskQueue", {}),
    "poll-nexus": ("PollNexusTaskQueue", {}),
    "namespace": ("DescribeNamespace", {"namespace": "there-is-none"}),
    "namespaces": ("ListNamespaces", {}),
    "system": ("GetSystemInfo", {}),
    "cluster": ("GetClusterInfo", {}),
    "attributes": ("ListSearchAttributes", {}),
    "unknown-namespace": ("StartWorkflowExecution", {"namespace": "there-is-none"}),
    "no-namespace": ("QueryWorkflow", {"namespace": ""}),
})
async def method_asked_by_a_client_that_is_not_served(s: Driver, method: str, fields: dict):
    await refused(s.call(method, headers=says(version="9.0.0"), **fields))


@scenario
async def the_version_that_clients_go_by(s: Driver):
    """The official UI shows less of a server whose version is older."""
    for method in ("GetSystemInfo", "GetClusterInfo"):
        s.note(method, (await s.peek.api.call(method, request(method))).server_version)


# --- Nexus tasks, of which there are none yet (F82) ---


@cases({
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-namespace": {"namespace": ""},
    "empty-queue": {"task_queue": {"name": ""}},
    "long-queue": {"task_queue": {"name": "x" * 1001}},
    "reserved-queue": {"task_queue": {"name": "/_sys/q"}},
    "long-identity": {"identity": "x" * 1001},
})
async def bad_poll_for_nexus_tasks(s: Driver, changed: dict):
    await refused(s.call("PollNexusTaskQueue", **({"task_queue": {"name": s.queue}} | changed)))


@scenario
async def poll_for_nexus_tasks_finds_nothing(s: Driver):
    await s.call("PollNexusTaskQueue", timeout=3, task_queue={"name": s.queue}, identity="hand")


# --- workers that go (F81) ---


@cases({
    "all": {},
    "no-types": {"task_queue_types": []},
    "one-type": {"task_queue_types": ["TASK_QUEUE_TYPE_ACTIVITY"]},
    "no-key": {"worker_instance_key": ""},
    "no-queue": {"task_queue": ""},
    "other-queue": {"task_queue": "other"},
    "no-sticky-queue": {"sticky_task_queue": ""},
    "other-identity": {"identity": "other"},
})
async def worker_that_goes(s: Driver, changed: dict):
    sticky, key = s.unique("sticky"), s.unique("key")

    def poll(method: str, queue: str, key: str = key, **fields):
        return s.soon(s.peek.api.call(method, request(method, namespace=s.namespace, identity="hand", worker_instance_key=key,
                                                       task_queue={"name": queue} | fields), 30))

    polls = {
        "workflow": poll("PollWorkflowTaskQueue", s.queue),
        "activity": poll("PollActivityTaskQueue", s.queue),
        "nexus": poll("PollNexusTaskQueue", s.queue),
        "sticky": poll("PollWorkflowTaskQueue", sticky, kind="TASK_QUEUE_KIND_STICKY", normal_name=s.queue),
        "other queue": poll("PollActivityTaskQueue", s.unique("other")),
        "other worker": poll("PollActivityTaskQueue", s.queue, s.unique("other")),
        "no key": poll("PollActivityTaskQueue", s.queue, ""),
    }
    await s.polled(s.queue)
    await s.polled(s.queue, "ACTIVITY")
    await s.polled(s.unique("other"), "ACTIVITY")
    await s.no_sooner(0.5)
    goes = {"sticky_task_queue": sticky, "identity": "hand", "worker_instance_key": key, "task_queue": s.queue,
            "task_queue_types": ["TASK_QUEUE_TYPE_WORKFLOW", "TASK_QUEUE_TYPE_ACTIVITY", "TASK_QUEUE_TYPE_NEXUS"]}
    await s.call("ShutdownWorker", **(goes | changed))
    await s.no_sooner(1)
    for name, poll in polls.items():
        s.note(name, "empty" if poll.done() and not poll.result().ListFields() else "waits")
    s.note("comes later", await later(s, key))


async def later(s: Driver, key: str) -> str:
    """What a poll of the worker gets that comes afterwards."""
    poll = s.soon(s.peek.api.call("PollActivityTaskQueue", request(
        "PollActivityTaskQueue", namespace=s.namespace, task_queue={"name": s.unique("later")}, worker_instance_key=key), 30))
    await s.no_sooner(0.5)
    return "empty" if poll.done() else "waits"


# --- what waiting callers get at their deadlines (F73) ---


async def at_the_deadline(s: Driver, method: str, timeout: float, **fields) -> None:
    """Notes how a call ends, and when. Its words are the server's or the client library's, whoever is first."""
    began = time.monotonic()
    try:
        reply = await s.peek.api.call(method, request(method, namespace=s.namespace, **fields), timeout)
        ended = "an answer" if reply.ListFields() else "an empty answer"
    except grpc.aio.AioRpcError as error:
        ended = error.code().name
    # A poll ends up to a second earlier than its caller.
    early = time.monotonic() - began < timeout - (1.3 if ended.endswith("answer") else 0.3)
    s.note(f"{method} within {timeout} s", f"{ended}, early" if early else ended)


def update_of(s: Driver, id: str) -> dict:
    return {"workflow_execution": {"workflow_id": s.id}, "request": {"meta": {"update_id": id}, "input": {"name": "n"}},
            "wait_policy": {"lifecycle_stage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED"}}


@cases({"half-a-second": 0.5, "two-seconds": 2, "four-seconds": 4})
async def update_that_nobody_takes(s: Driver, timeout: float):
    await s.start()
    await at_the_deadline(s, "UpdateWorkflowExecution", timeout, **update_of(s, "u"))
    await s.terminate()


@cases({"half-a-second": 0.5, "two-seconds": 2})
async def update_with_start_that_nobody_takes(s: Driver, timeout: float):
    start = {"namespace": s.namespace, "workflow_id": s.id, "workflow_type": {"name": "T"}, "task_queue": {"name": s.queue},
             "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_FAIL"}
    operations = [{"start_workflow": start}, {"update_workflow": {"namespace": s.namespace, **update_of(s, "u")}}]
    await at_the_deadline(s, "ExecuteMultiOperation", timeout, operations=operations)
    await s.terminate()


@cases({"half-a-second": 0.5, "two-seconds": 2})
async def update_that_nobody_takes_is_polled(s: Driver, timeout: float):
    await s.start()
    ref = {"update_ref": {"workflow_execution": {"workflow_id": s.id}, "update_id": "u"}}
    s.soon(s.peek.api.call("UpdateWorkflowExecution", request(
        "UpdateWorkflowExecution", namespace=s.namespace, **update_of(s, "u")), 15))

    async def admitted():
        try:
            return await s.peek.api.call("PollWorkflowExecutionUpdate", request(
                "PollWorkflowExecutionUpdate", namespace=s.namespace, **ref))
        except grpc.aio.AioRpcError:
            return None

    await s.until(admitted, "the update")
    await at_the_deadline(s, "PollWorkflowExecutionUpdate", timeout, **ref,
                          wait_policy={"lifecycle_stage": "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED"})
    await s.terminate()


@cases({"half-a-second": 0.5, "two-seconds": 2})
async def query_that_nobody_answers(s: Driver, timeout: float):
    await s.start()
    await s.poll()
    await at_the_deadline(s, "QueryWorkflow", timeout, execution={"workflow_id": s.id}, query={"query_type": "q"})
    await s.terminate()


@scenario
async def polls_that_find_nothing(s: Driver):
    for method in ("PollWorkflowTaskQueue", "PollActivityTaskQueue", "PollNexusTaskQueue"):
        await at_the_deadline(s, method, 3, task_queue={"name": s.queue})
    await s.start()
    await at_the_deadline(s, "GetWorkflowExecutionHistory", 3, execution={"workflow_id": s.id}, wait_new_event=True,
                          history_event_filter_type=CLOSE_EVENT)
    await s.terminate()
