"""What workers say of themselves: heartbeats, lists, counts and descriptions of workers."""

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.worker.v1 import PluginInfo, WorkerHeartbeat, WorkerHostInfo, WorkerPollerInfo, WorkerSlotsInfo

from harness.commands import request
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

STARTED, SPOKE = Timestamp(seconds=1_700_000_000), Timestamp(seconds=1_700_000_100)


def heartbeat(s: Driver, key: str, **fields) -> WorkerHeartbeat:
    """By default it is a worker of the scenario's queue."""
    fields = {"task_queue": s.queue, "status": "WORKER_STATUS_RUNNING"} | fields
    return WorkerHeartbeat(worker_instance_key=s.unique(key), **fields)


def full(s: Driver, key: str, **fields) -> WorkerHeartbeat:
    fields = {
        "worker_identity": s.unique("me"),
        "host_info": WorkerHostInfo(host_name="host", worker_grouping_key="group", process_id="7",
                                    current_host_cpu_usage=0.5, current_host_mem_usage=0.25),
        "deployment_version": WorkerDeploymentVersion(deployment_name="shop", build_id="b1"),
        "sdk_name": "temporal-go",
        "sdk_version": "1.2.3",
        "start_time": STARTED,
        "heartbeat_time": SPOKE,
        "elapsed_since_last_heartbeat": seconds(60),
        "workflow_task_slots_info": WorkerSlotsInfo(current_available_slots=9, current_used_slots=1,
                                                    slot_supplier_kind="Fixed", total_processed_tasks=5),
        "activity_poller_info": WorkerPollerInfo(current_pollers=2, last_successful_poll_time=SPOKE),
        "total_sticky_cache_hit": 3,
        "plugins": [PluginInfo(name="p", version="1")],
    } | fields
    return heartbeat(s, key, **fields)


async def say(s: Driver, *workers: WorkerHeartbeat, **fields):
    await s.call("RecordWorkerHeartbeat", worker_heartbeat=workers, identity="process", **fields)


async def listed(s: Driver, query: str = "", page_size: int = 100, **fields):
    """Only with a size of pages the reference server lists workers in an order."""
    query = query or f"TaskQueue = '{s.queue}'"
    return await s.call("ListWorkers", query=query, page_size=page_size, **fields)


async def described(s: Driver, key: str):
    return await s.call("DescribeWorker", worker_instance_key=s.unique(key))


@scenario
async def worker_is_listed_and_described(s: Driver):
    await say(s, full(s, "w"))
    await listed(s)
    await described(s, "w")
    await s.call("CountWorkers", query=f"TaskQueue = '{s.queue}'")


@scenario
async def worker_is_what_it_said_last(s: Driver):
    await say(s, full(s, "w"))
    await say(s, heartbeat(s, "w", total_sticky_cache_hit=4))
    await listed(s)
    await described(s, "w")
    await say(s, heartbeat(s, "w", status="WORKER_STATUS_SHUTTING_DOWN"))
    await listed(s)
    await say(s, heartbeat(s, "w", status="WORKER_STATUS_SHUTDOWN"))
    await listed(s)
    await refused(described(s, "w"))
    await say(s, heartbeat(s, "w"))
    await listed(s)


@scenario
async def one_request_speaks_for_many(s: Driver):
    await say(s)
    queues = [s.unique(f"q{n}") for n in range(5)]
    workers = [heartbeat(s, f"w{n}", worker_identity=s.unique("me"), task_queue=queues[n]) for n in range(5)]
    await say(s, *workers)
    query = f"WorkerIdentity = '{s.unique('me')}'"
    await listed(s, query)
    await s.call("CountWorkers", query=query)
    first = await listed(s, query, page_size=2)
    second = await listed(s, query, page_size=2, next_page_token=first.next_page_token)
    await listed(s, query, page_size=2, next_page_token=second.next_page_token)
    for queue in queues[:2]:
        await listed(s, f"TaskQueue = '{queue}'")


@scenario
async def worker_that_shuts_down(s: Driver):
    await say(s, heartbeat(s, "w"), heartbeat(s, "x"))
    names = {"sticky_task_queue": s.unique("sticky"), "worker_instance_key": s.unique("w"), "task_queue": s.queue}
    await s.call("ShutdownWorker", **names)
    await listed(s)
    last = heartbeat(s, "w", status="WORKER_STATUS_SHUTTING_DOWN")
    await s.call("ShutdownWorker", **names, worker_heartbeat=last)
    await listed(s)
    await described(s, "w")
    await s.call("ShutdownWorker", worker_heartbeat=heartbeat(s, "x", status="WORKER_STATUS_SHUTDOWN"))
    await s.call("ShutdownWorker", worker_heartbeat=heartbeat(s, "unheard"))
    await listed(s)


@scenario
async def heartbeat_with_a_poll_for_nexus_tasks(s: Driver):
    poll = request("PollNexusTaskQueue", namespace=s.namespace, task_queue={"name": s.queue},
                   worker_heartbeat=[heartbeat(s, "w")])
    s.soon(s.plain[0].call("PollNexusTaskQueue", poll, 30))
    asked = request("ListWorkers", namespace=s.namespace, query=f"TaskQueue = '{s.queue}'")

    async def heard():
        return (await s.plain[0].call("ListWorkers", asked)).workers

    await s.until(heard, "the worker")
    await described(s, "w")


@cases({
    "RecordWorkerHeartbeat": "RecordWorkerHeartbeat",
    "ListWorkers": "ListWorkers",
    "CountWorkers": "CountWorkers",
    "DescribeWorker": "DescribeWorker",
})
async def in_a_namespace_that_is_not_there(s: Driver, method: str):
    await refused(s.call(method, namespace=""))
    await refused(s.call(method, namespace="there-is-none"))
    # The namespace is looked at first.
    if method != "RecordWorkerHeartbeat" and method != "DescribeWorker":
        await refused(s.call(method, namespace="there-is-none", query="garbage (("))


@scenario
async def worker_that_is_not_there(s: Driver):
    await refused(described(s, "w"))
    await refused(s.call("DescribeWorker", worker_instance_key="it's \\ \" ("))
    await listed(s)
    await s.call("CountWorkers", query=f"TaskQueue = '{s.queue}'")


@scenario
async def workers_of_two_namespaces_do_not_meet(s: Driver):
    name = s.unique("n")
    await s.call("RegisterNamespace", namespace=name, workflow_execution_retention_period=seconds(86_400))
    await say(s, heartbeat(s, "w"))
    await listed(s, namespace=name)
    await refused(s.call("DescribeWorker", namespace=name, worker_instance_key=s.unique("w")))
    await say(s, heartbeat(s, "x"), namespace=name)
    await listed(s, namespace=name)
    await listed(s)


@scenario
async def odd_heartbeats(s: Driver):
    before = Timestamp(seconds=-5, nanos=7)
    await say(s, heartbeat(s, "w", start_time=before, heartbeat_time=before, elapsed_since_last_heartbeat=seconds(-9),
                           status=77, total_sticky_cache_hit=-1))
    await described(s, "w")
    await listed(s, f"TaskQueue = '{s.queue}' AND Status = '77' AND StartTime < '1970-01-01T00:00:00Z'")
    await say(s, heartbeat(s, "x", task_queue="", worker_identity=s.unique("me")))
    await listed(s, f"WorkerIdentity = '{s.unique('me')}'")
    twice = [heartbeat(s, "y", total_sticky_cache_hit=n) for n in (1, 2)]
    await say(s, *twice)
    await described(s, "y")


@scenario
async def heartbeat_without_a_key(s: Driver):
    await refused(say(s, WorkerHeartbeat(task_queue=s.queue)))


@scenario
async def heartbeat_of_megabytes(s: Driver):
    await refused(say(s, heartbeat(s, "w", worker_identity="x" * (1 << 20))))


@scenario
async def worker_that_goes_to_another_queue(s: Driver):
    await say(s, heartbeat(s, "w", heartbeat_time=STARTED))
    await say(s, heartbeat(s, "w", heartbeat_time=SPOKE, task_queue=s.unique("other")))
    await described(s, "w")
    await listed(s, f"WorkerInstanceKey = '{s.unique('w')}'")


@scenario
async def workers_of_the_server(s: Driver):
    me = s.unique("me")
    queues = {"a": "temporal-sys-x", "b": "temporal-sys/x", "c": "temporal-sys"}
    await say(s, *[heartbeat(s, key, worker_identity=me, task_queue=queue) for key, queue in queues.items()])
    query = f"WorkerIdentity = '{me}'"
    await listed(s, query)
    await listed(s, query, include_system_workers=True)
    await s.call("CountWorkers", query=query)
    await s.call("CountWorkers", query=query, include_system_workers=True)
    await described(s, "a")


@cases({
    "garbage": (b"garbage",),
    "json": (b'{"k":1}',),
    "long": (b"x" * 10_000,),
})
async def bad_page_token(s: Driver, token: bytes):
    await say(s, *[heartbeat(s, key) for key in "abc"])
    await refused(listed(s, page_size=2, next_page_token=token))


ASKED = {
    "equal": "WorkerInstanceKey = '$full'",
    "double-quotes": 'WorkerInstanceKey = "$full"',
    "not-equal": "WorkerInstanceKey != '$full'",
    "prefix": "WorkerInstanceKey STARTS_WITH '$fu'",
    "not-prefix": "WorkerInstanceKey not starts_with '$fu'",
    "host": "HostName = 'host'",
    "other-host": "HostName = 'other'",
    "deployment": "DeploymentName = 'shop'",
    "no-deployment": "DeploymentName IS NULL",
    "a-deployment": "DeploymentName IS NOT NULL",
    "build": "BuildId = 'b1'",
    "other-build": "BuildId != 'b1'",
    "sdk": "SdkName = 'temporal-go' AND SdkVersion = '1.2.3'",
    "status": "Status = 'Running'",
    "small-status": "status = 'Running'",
    "worker-status": "WorkerStatus = 'ShuttingDown'",
    "status-by-constant": "Status = 'WORKER_STATUS_RUNNING'",
    "status-in-small-letters": "Status = 'running'",
    "started-after": "StartTime > '2020-01-01T00:00:00Z'",
    "started-before": "StartTime < '2020-01-01T00:00:00Z'",
    "started-at": "StartTime = '2023-11-14T22:13:20Z'",
    "not-started-at": "StartTime != '2023-11-14T22:13:20Z'",
    "started-from": "StartTime >= '2023-11-14T22:13:20Z' AND StartTime <= '2023-11-14T22:13:20Z'",
    "started-between": "StartTime BETWEEN '1960-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z'",
    "not-started-between": "StartTime NOT BETWEEN '2020-01-01T00:00:00Z' AND '2030-01-01T00:00:00Z'",
    "no-start": "StartTime IS NULL",
    "a-start": "StartTime IS NOT NULL",
    "spoke-after": "HeartbeatTime > '2023-11-14T22:15:00Z'",
    "start-as-number": "StartTime > 1600000000000000000",
    "or": "HostName = 'host' OR Status = 'ShuttingDown'",
    "parentheses": "(HostName = 'host' OR Status = 'ShuttingDown') AND StartTime IS NULL",
}


async def three(s: Driver):
    await say(s, full(s, "full"), heartbeat(s, "going", status="WORKER_STATUS_SHUTTING_DOWN"),
              heartbeat(s, "bare", status="WORKER_STATUS_UNSPECIFIED"))


def filled(s: Driver, text: str) -> str:
    text = text.replace("$full", s.unique("full")).replace("$fu", "fu")
    return f"TaskQueue = '{s.queue}' AND ({text})"


@cases(ASKED)
async def asked_by(s: Driver, text: str):
    await three(s)
    await listed(s, filled(s, text))
    await s.call("CountWorkers", query=filled(s, text))


@cases({
    "unknown": "Foo = 'x'",
    "unknown-is-null": "Foo IS NULL",
    "of-workflows": "WorkflowId = 'x'",
    "small-name": "hostname = 'host'",
    "last-heartbeat-time": "LastHeartbeatTime > '2020-01-01T00:00:00Z'",
    "list": "HostName IN ('host')",
    "not": "NOT HostName = 'host'",
    "less": "HostName < 'x'",
    "range-of-text": "HostName BETWEEN 'a' AND 'z'",
    "like": "HostName LIKE 'h%'",
    "empty": "HostName = ''",
    "number": "HostName = 5",
    "two-names": "HostName = SdkName",
    "no-time": "StartTime > 'x'",
    "name-alone": "HostName",
    "value-alone": "'x'",
    "is-true": "HostName IS TRUE",
    "unclosed": "HostName = 'x",
    "words": "what is this",
    "brackets": "((",
})
async def asked_for_what_is_no_answer(s: Driver, text: str):
    """The reference server finds nothing where it does not understand; ours says why, or understands."""
    await three(s)
    await refused(listed(s, filled(s, text)))
    await refused(s.call("CountWorkers", query=filled(s, text)))


@cases({
    "where": "where TaskQueue = 'q'",
    "select": "select * from workers",
    "order": "TaskQueue = 'q' ORDER BY StartTime",
    "group": "TaskQueue = 'q' GROUP BY HostName",
    "limit": "TaskQueue = 'q' LIMIT 1",
    "blank": "  ",
})
async def asked_with_clauses(s: Driver, text: str):
    await refused(s.call("ListWorkers", query=text, page_size=100))
