"""Namespaces, queues and what the server says of itself."""

from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

DAY = 86_400


@cases({
    "no-name": {"namespace": ""},
    "long-name": {"namespace": "x" * 1001},
    "taken": {"namespace": "default"},
    "no-retention": {"workflow_execution_retention_period": None},
    "negative-retention": {"workflow_execution_retention_period": seconds(-DAY)},
    "short-retention": {"workflow_execution_retention_period": seconds(60)},
})
async def bad_namespace(s: Driver, changed: dict):
    fields = {"namespace": s.unique("n"), "workflow_execution_retention_period": seconds(DAY)} | changed
    await refused(s.call("RegisterNamespace", **{name: value for name, value in fields.items() if value is not None}))


@scenario
async def namespace_that_is_not_there(s: Driver):
    await refused(s.call("DescribeNamespace", namespace="there-is-none"))
    await refused(s.call("DescribeNamespace", namespace=""))
    await refused(s.call("DescribeNamespace", namespace="", id="00000000-0000-0000-0000-000000000001"))
    await refused(s.call("UpdateNamespace", namespace="there-is-none", update_info={"description": "d"}))
    await refused(s.call("DeprecateNamespace", namespace="there-is-none"))


@scenario
async def namespace_is_registered_and_changed(s: Driver):
    name = s.unique("n")
    await s.call("RegisterNamespace", namespace=name, description="d", owner_email="o@example.com",
                 data={"k": "v"}, workflow_execution_retention_period=seconds(2 * DAY))
    await s.call("DescribeNamespace", namespace=name)
    await s.call("UpdateNamespace", namespace=name, update_info={"description": "e", "data": {"l": "w"}},
                 config={"workflow_execution_retention_ttl": seconds(3 * DAY)})
    await s.call("DescribeNamespace", namespace=name)


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-queue": {"task_queue": None},
    "empty-queue": {"task_queue": {"name": ""}},
})
async def bad_queue_description(s: Driver, changed: dict):
    fields = {"task_queue": {"name": s.queue}, "task_queue_type": "TASK_QUEUE_TYPE_WORKFLOW"} | changed
    await refused(s.call("DescribeTaskQueue", **{name: value for name, value in fields.items() if value is not None}))


@scenario
async def queue_that_nobody_uses(s: Driver):
    await s.call("DescribeTaskQueue", task_queue={"name": s.queue}, task_queue_type="TASK_QUEUE_TYPE_WORKFLOW")
    await s.call("DescribeTaskQueue", task_queue={"name": s.queue}, task_queue_type="TASK_QUEUE_TYPE_ACTIVITY")


@scenario
async def queue_with_a_poller(s: Driver):
    s.soon(s.peek.poll(timeout=30))
    await s.polled(s.queue)
    await s.call("DescribeTaskQueue", task_queue={"name": s.queue}, task_queue_type="TASK_QUEUE_TYPE_WORKFLOW")


async def limit_queue(s: Driver, **fields):
    fields = {"task_queue": s.queue, "task_queue_type": "TASK_QUEUE_TYPE_ACTIVITY", "identity": "operator"} | fields
    return await s.call("UpdateTaskQueueConfig", **fields)


async def describe_limited_queue(s: Driver, **fields):
    await s.call("DescribeTaskQueue", task_queue={"name": s.queue}, task_queue_type="TASK_QUEUE_TYPE_ACTIVITY", **fields)


@scenario
async def queue_limit_is_set(s: Driver):
    """F74."""
    await limit_queue(s, update_queue_rate_limit={"rate_limit": {"requests_per_second": 5}, "reason": "why"})
    await describe_limited_queue(s)
    await describe_limited_queue(s, report_config=True)
    await limit_queue(s, identity="")
    await limit_queue(s, identity="other", update_queue_rate_limit={"rate_limit": {"requests_per_second": 0}})
    await describe_limited_queue(s, report_config=True)


@scenario
async def queue_limit_is_taken_away(s: Driver):
    """F74."""
    await limit_queue(s, update_queue_rate_limit={"reason": "never set"})
    await limit_queue(s, update_queue_rate_limit={"rate_limit": {"requests_per_second": 2.5}})
    await limit_queue(s, update_queue_rate_limit={"reason": "gone"})
    await describe_limited_queue(s, report_config=True)
    await limit_queue(s, task_queue_type="TASK_QUEUE_TYPE_WORKFLOW", update_queue_rate_limit={"reason": "none"})


@cases({
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-namespace": {"namespace": ""},
    "of-workflows": {"task_queue_type": "TASK_QUEUE_TYPE_WORKFLOW",
                     "update_queue_rate_limit": {"rate_limit": {"requests_per_second": 5}}},
    "of-workflows-by-key": {"task_queue_type": "TASK_QUEUE_TYPE_WORKFLOW",
                            "update_fairness_key_rate_limit_default": {"rate_limit": {"requests_per_second": 5}}},
    "negative": {"update_queue_rate_limit": {"rate_limit": {"requests_per_second": -1}}},
    "negative-by-key": {"update_fairness_key_rate_limit_default": {"rate_limit": {"requests_per_second": -1}}},
    "long-reason": {"update_queue_rate_limit": {"rate_limit": {"requests_per_second": 1}, "reason": "x" * 1001}},
    "long-identity": {"identity": "x" * 1001},
})
async def bad_queue_limit(s: Driver, changed: dict):
    """F74."""
    await refused(limit_queue(s, **changed))


@scenario
async def workflows_of_two_namespaces_do_not_meet(s: Driver):
    name = s.unique("n")
    await s.call("RegisterNamespace", namespace=name, workflow_execution_retention_period=seconds(DAY))
    there = s.other("wf", namespace=name)
    await s.start()

    async def known():
        try:
            return await there.peek.start(request_id="start")
        except Exception:
            return None

    await s.until(known, "the new namespace")
    await there.finish()
    await there.describe()
    await s.describe()
    await refused(there.call("DescribeWorkflowExecution", execution={"workflow_id": s.id, "run_id": s.run}))
