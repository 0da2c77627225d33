"""StartWorkflowExecution: what is refused, what a start says of itself, and what becomes of an id in use."""

import asyncio

from harness.hand import cancel_workflow, complete_workflow, fail_workflow
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

LONG = "x" * 1001
BIG = b"x" * ((2 << 20) + 1)


def fields(s: Driver, **changed) -> dict:
    """Of a valid start, but for what is changed; None leaves a field out."""
    plain = {
        "workflow_id": s.id, "workflow_type": {"name": "T"}, "task_queue": {"name": s.queue},
        "request_id": s.unique("start"), "identity": "test",
    }
    return {name: value for name, value in (plain | changed).items() if value is not None}


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "long-namespace": {"namespace": LONG},
    "no-id": {"workflow_id": None},
    "long-id": {"workflow_id": LONG},
    "no-type": {"workflow_type": None},
    "empty-type": {"workflow_type": {"name": ""}},
    "long-type": {"workflow_type": {"name": LONG}},
    "no-queue": {"task_queue": None},
    "empty-queue": {"task_queue": {"name": ""}},
    "long-queue": {"task_queue": {"name": LONG}},
    "reserved-queue": {"task_queue": {"name": "/_sys/q/1"}},
    "sticky-queue": {"task_queue": {"name": "q", "kind": "TASK_QUEUE_KIND_STICKY"}},
    "long-request-id": {"request_id": LONG},
    "long-identity": {"identity": LONG},
    "negative-execution-timeout": {"workflow_execution_timeout": seconds(-1)},
    "negative-run-timeout": {"workflow_run_timeout": seconds(-1)},
    "negative-task-timeout": {"workflow_task_timeout": seconds(-1)},
    "retry-negative-attempts": {"retry_policy": {"maximum_attempts": -1}},
    "retry-negative-interval": {"retry_policy": {"initial_interval": seconds(-1)}},
    "retry-low-coefficient": {"retry_policy": {"backoff_coefficient": 0.5}},
    "retry-negative-maximum": {"retry_policy": {"maximum_interval": seconds(-1)}},
    "retry-maximum-below-initial": {
        "retry_policy": {"initial_interval": seconds(10), "maximum_interval": seconds(1)}},
    "retry-reserved-type": {"retry_policy": {"non_retryable_error_types": ["TemporalTimeout:Nonsense"]}},
    "negative-delay": {"workflow_start_delay": seconds(-1)},
    "delay-and-cron": {"workflow_start_delay": seconds(5), "cron_schedule": "* * * * *"},
    "bad-cron": {"cron_schedule": "every day"},
    "cron-out-of-range": {"cron_schedule": "61 * * * *"},
    "cron-bad-zone": {"cron_schedule": "CRON_TZ=Nowhere/Land * * * * *"},
    "conflict-use-existing-with-terminate-if-running": {
        "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"},
    "reject-with-terminate-existing": {
        "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "on-conflict-alone": {"on_conflict_options": {"attach_request_id": True}},
    "on-conflict-links-alone": {
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING",
        "on_conflict_options": {"attach_completion_callbacks": True}},
    "big-input": {"input": payloads(BIG)},
    "big-memo": {"memo": {"fields": {"m": payloads(BIG).payloads[0]}}},
    "unknown-search-attribute": {"search_attributes": {"indexed_fields": {"NoSuch": payloads("x").payloads[0]}}},
    "system-search-attribute": {"search_attributes": {"indexed_fields": {"WorkflowId": payloads("x").payloads[0]}}},
    "low-priority": {"priority": {"priority_key": -1}},
    "long-fairness-key": {"priority": {"fairness_key": "x" * 65}},
})
async def bad_field(s: Driver, changed: dict):
    await refused(s.call("StartWorkflowExecution", **fields(s, **changed)))
    await refused(s.describe())


@cases({
    "plain": {},
    "timeouts": {
        "workflow_execution_timeout": seconds(7200), "workflow_run_timeout": seconds(3600),
        "workflow_task_timeout": seconds(60)},
    "run-timeout-above-execution-timeout": {
        "workflow_execution_timeout": seconds(3600), "workflow_run_timeout": seconds(7200)},
    "task-timeout-above-run-timeout": {
        "workflow_run_timeout": seconds(60), "workflow_task_timeout": seconds(110)},
    "long-task-timeout": {"workflow_task_timeout": seconds(3600)},
    "input-and-header": {"input": payloads("a", "b"), "header": {"fields": {"h": payloads("v").payloads[0]}}},
    "memo": {"memo": {"fields": {"m": payloads("v").payloads[0], "n": payloads("w").payloads[0]}}},
    "user-metadata": {"user_metadata": {"summary": payloads("s").payloads[0], "details": payloads("d").payloads[0]}},
    "priority": {"priority": {"priority_key": 2, "fairness_key": "f", "fairness_weight": 1.5}},
    "retry-defaults": {"retry_policy": {}},
    "retry": {"retry_policy": {"maximum_attempts": 3, "non_retryable_error_types": ["Bad"]}},
    "links": {"links": [{"workflow_event": {
        "namespace": "default", "workflow_id": "linked", "run_id": "00000000-0000-0000-0000-000000000001",
        "event_ref": {"event_id": 1, "event_type": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"}}}]},
})
async def accepted_field(s: Driver, changed: dict):
    await s.call("StartWorkflowExecution", **fields(s, **changed))
    await s.describe()
    await s.finish()
    await s.describe()


@scenario
async def request_id_is_applied_once(s: Driver):
    await s.start(request_id=s.unique("r"))
    await s.start(request_id=s.unique("r"))
    await refused(s.start(request_id=s.unique("r2")))
    await s.finish()
    await s.start(request_id=s.unique("r"))
    await s.describe()


@scenario
async def empty_request_id_is_made_up(s: Driver):
    await s.call("StartWorkflowExecution", **fields(s, request_id=None))
    await refused(s.call("StartWorkflowExecution", **fields(s, request_id=None)))


ENDS = {
    "completed": lambda s: s.finish("done"),
    "failed": lambda s: s.step(fail_workflow("no")),
    "canceled": lambda s: s.step(cancel_workflow()),
    "terminated": lambda s: s.terminate(),
}
REUSE = ["ALLOW_DUPLICATE", "ALLOW_DUPLICATE_FAILED_ONLY", "REJECT_DUPLICATE", "TERMINATE_IF_RUNNING"]


@cases({f"{reuse.lower()}-{end}": (end, reuse) for end in ENDS for reuse in REUSE})
async def reuse_of_a_closed_id(s: Driver, end: str, reuse: str):
    await s.start()
    await ENDS[end](s)
    await refused(s.start(workflow_id_reuse_policy=f"WORKFLOW_ID_REUSE_POLICY_{reuse}"))
    await s.describe()


@cases({
    f"{conflict}-{reuse}".lower(): (conflict, reuse)
    for conflict in ("UNSPECIFIED", "FAIL", "USE_EXISTING", "TERMINATE_EXISTING")
    for reuse in ("ALLOW_DUPLICATE", "REJECT_DUPLICATE", "TERMINATE_IF_RUNNING")
})
async def conflict_with_a_running_id(s: Driver, conflict: str, reuse: str):
    await s.start()
    await s.step()
    await refused(s.start(
        workflow_id_conflict_policy=f"WORKFLOW_ID_CONFLICT_POLICY_{conflict}",
        workflow_id_reuse_policy=f"WORKFLOW_ID_REUSE_POLICY_{reuse}",
    ))
    await s.describe()


@cases({
    "no-variant": {}, "no-url": {"nexus": {}}, "scheme": {"nexus": {"url": "ftp://there"}},
    "no-host": {"nexus": {"url": "http://"}}, "address": {"nexus": {"url": "http://there:80/path"}},
    "secure-address": {"nexus": {"url": "https://there/path"}}, "long": {"nexus": {"url": "http://" + "x" * 1000}},
    "internal": {"internal": {"data": b"x"}},
})
async def bad_callback(s: Driver, callback: dict):
    await refused(s.start(completion_callbacks=[callback]))


@scenario
async def time_skipping_that_is_not_enabled(s: Driver):
    await refused(s.start(time_skipping_config={"enabled": True}))


@scenario
async def existing_run_keeps_the_links_attached_to_it(s: Driver):
    await s.start()
    link = {"workflow_event": {"namespace": "default", "workflow_id": "linked",
                               "run_id": "00000000-0000-0000-0000-000000000001"}}
    for options in ({}, {"attach_links": True}):
        await s.start(workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING", links=[link],
                      on_conflict_options=options)
    await s.describe()


@scenario
async def request_id_attached_during_a_task_is_told_after_it(s: Driver):
    task = await s.begin()
    await s.start(request_id=s.unique("attached"), on_conflict_options={"attach_request_id": True},
                  workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING")
    await s.describe()
    await s.complete(task)
    await s.describe()


@scenario
async def existing_run_keeps_the_request_id_and_links_attached_to_it(s: Driver):
    await s.start()
    link = {"workflow_event": {"namespace": "default", "workflow_id": "linked",
                               "run_id": "00000000-0000-0000-0000-000000000001"}}
    for _ in range(2):
        await s.start(
            request_id=s.unique("attached"), workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING",
            links=[link], on_conflict_options={"attach_request_id": True, "attach_links": True},
        )
    await s.describe()


@scenario
async def delay_holds_the_first_task_back(s: Driver):
    await s.start(workflow_start_delay=seconds(1.5), workflow_run_timeout=seconds(3600))
    await s.describe()
    await s.finish()
    await s.describe()


@scenario
async def signal_does_not_end_a_start_delay(s: Driver):
    await s.start(workflow_start_delay=seconds(1.5))
    await s.signal("s")
    await s.describe()
    await s.finish()


@scenario
async def cancel_during_a_start_delay(s: Driver):
    await s.start(workflow_start_delay=seconds(3600))
    await s.request_cancel()
    await s.describe()


@scenario
async def terminate_during_a_start_delay(s: Driver):
    await s.start(workflow_start_delay=seconds(3600))
    await s.terminate()
    await s.describe()


@scenario
async def run_timeout(s: Driver):
    await s.start(workflow_run_timeout=seconds(1))
    await s.closed()
    await s.describe()


@scenario
async def execution_timeout(s: Driver):
    await s.start(workflow_execution_timeout=seconds(1))
    await s.closed()
    await s.describe()


@scenario
async def run_timeout_while_a_task_is_with_a_worker(s: Driver):
    task = await s.begin(workflow_run_timeout=seconds(1))
    await s.closed()
    await refused(s.complete(task, complete_workflow()))


@scenario
async def two_at_once_with_one_request_id(s: Driver):
    first, second = await asyncio.gather(s.start(request_id="same"), s.start(request_id="same"))
    s.note("same run", first.run_id == second.run_id)
    await s.finish()
