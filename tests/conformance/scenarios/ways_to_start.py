"""F35: a start is checked the same whichever way it comes in: what is refused, in which words, and what is found first."""

from harness.commands import command
from harness.rpc import payloads, seconds
from temporalio.api.command.v1 import (
    ContinueAsNewWorkflowExecutionCommandAttributes,
    StartChildWorkflowExecutionCommandAttributes,
)
from temporalio.api.workflowservice.v1 import SignalWithStartWorkflowExecutionRequest

from ..driver import Driver, refused
from ..registry import cases
from .bad_commands import check

LONG = "x" * 1001
BIG = payloads(b"x" * ((2 << 20) + 1))
ATTRIBUTES = {"indexed_fields": {"NoSuch": payloads("x").payloads[0]}}

REFUSED = {
    "empty-queue": {"task_queue": {}},
    "long-queue": {"task_queue": {"name": LONG}},
    "reserved-queue": {"task_queue": {"name": "/_sys/q/1"}},
    "negative-execution-timeout": {"workflow_execution_timeout": seconds(-1)},
    "negative-run-timeout": {"workflow_run_timeout": seconds(-1)},
    "negative-task-timeout": {"workflow_task_timeout": seconds(-1)},
    "negative-delay": {"workflow_start_delay": seconds(-1)},
    "retry-negative-attempts": {"retry_policy": {"maximum_attempts": -1}},
    "retry-negative-interval": {"retry_policy": {"initial_interval": seconds(-1)}},
    "retry-low-coefficient": {"retry_policy": {"backoff_coefficient": 0.5}},
    "retry-negative-maximum": {"retry_policy": {"maximum_interval": seconds(-1)}},
    "retry-maximum-below-initial": {
        "retry_policy": {"initial_interval": seconds(10), "maximum_interval": seconds(1)}},
    "retry-reserved-type": {"retry_policy": {"non_retryable_error_types": ["TemporalTimeout:Nonsense"]}},
    "delay-and-cron": {"workflow_start_delay": seconds(5), "cron_schedule": "* * * * *"},
    "bad-cron": {"cron_schedule": "every day"},
    "cron-that-never-comes": {"cron_schedule": "0 0 31 2 *"},
    "terminate-if-running-with-a-policy": {
        "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"},
    "reject-with-terminate-existing": {
        "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "low-priority": {"priority": {"priority_key": -1}},
    "long-fairness-key": {"priority": {"fairness_key": "x" * 65}},
    "negative-fairness-weight": {"priority": {"fairness_weight": -1.0}},
    "big-input": {"input": BIG},
    "big-memo": {"memo": {"fields": {"m": BIG.payloads[0]}}},
    "unknown-search-attribute": {"search_attributes": ATTRIBUTES},
    "bad-link": {"links": [{"workflow_event": {}}]},
    "time-skipping": {"time_skipping_config": {"enabled": True}},
    # Two faults each: which is told.
    "queue-and-cron": {"task_queue": {}, "cron_schedule": "every day"},
    "queue-and-timeout": {"task_queue": {}, "workflow_run_timeout": seconds(-1)},
    "timeouts": {"workflow_run_timeout": seconds(-1), "workflow_task_timeout": seconds(-1)},
    "timeout-and-cron": {"workflow_run_timeout": seconds(-1), "cron_schedule": "every day"},
    "timeout-and-retry": {"workflow_task_timeout": seconds(-1), "retry_policy": {"maximum_attempts": -1}},
    "delay-and-retry": {"workflow_start_delay": seconds(-1), "retry_policy": {"maximum_attempts": -1}},
    "retry-and-cron": {"retry_policy": {"maximum_attempts": -1}, "cron_schedule": "every day"},
    "retry-and-queue": {"retry_policy": {"maximum_attempts": -1}, "task_queue": {"name": LONG}},
    "retry-and-policies": {
        "retry_policy": {"maximum_attempts": -1}, "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "priority-and-policies": {
        "priority": {"priority_key": -1}, "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "priority-and-link": {"priority": {"priority_key": -1}, "links": [{"workflow_event": {}}]},
    "priority-and-queue": {"priority": {"priority_key": -1}, "task_queue": {"name": LONG}},
    "link-and-search-attribute": {"links": [{"workflow_event": {}}], "search_attributes": ATTRIBUTES},
    "search-attribute-and-input": {"search_attributes": ATTRIBUTES, "input": BIG},
    "search-attribute-and-memo": {"search_attributes": ATTRIBUTES, "memo": {"fields": {"m": BIG.payloads[0]}}},
    "time-skipping-and-timeout": {"time_skipping_config": {"enabled": True}, "workflow_run_timeout": seconds(-1)},
    "time-skipping-and-search-attribute": {
        "time_skipping_config": {"enabled": True}, "search_attributes": ATTRIBUTES},
    "id-and-cron": {"workflow_id": "", "cron_schedule": "every day"},
    "id-and-priority": {"workflow_id": "", "priority": {"priority_key": -1}},
    "type-and-priority": {"workflow_type": {}, "priority": {"priority_key": -1}},
    "timeout-and-priority": {"workflow_run_timeout": seconds(-1), "priority": {"priority_key": -1}},
    "queue-and-search-attribute": {"task_queue": {"name": LONG}, "search_attributes": ATTRIBUTES},
    "timeout-and-search-attribute": {"workflow_run_timeout": seconds(-1), "search_attributes": ATTRIBUTES},
    "retry-and-search-attribute": {"retry_policy": {"maximum_attempts": -1}, "search_attributes": ATTRIBUTES},
    "type-and-search-attribute": {"workflow_type": {}, "search_attributes": ATTRIBUTES},
    "type-and-retry": {"workflow_type": {}, "retry_policy": {"maximum_attempts": -1}},
    "type-and-cron": {"workflow_type": {}, "cron_schedule": "every day"},
    "type-and-queue": {"workflow_type": {}, "task_queue": {}},
    "long-type-and-queue": {"workflow_type": {"name": LONG}, "task_queue": {}},
    "delay-and-bad-cron": {"workflow_start_delay": seconds(5), "cron_schedule": "every day"},
    "negative-delay-and-cron": {"workflow_start_delay": seconds(-1), "cron_schedule": "* * * * *"},
    "delay-with-cron-and-retry": {
        "workflow_start_delay": seconds(5), "cron_schedule": "* * * * *", "retry_policy": {"maximum_attempts": -1}},
    "delay-with-cron-and-queue": {
        "workflow_start_delay": seconds(5), "cron_schedule": "* * * * *", "task_queue": {}},
    "delay-with-cron-and-timeout": {
        "workflow_start_delay": seconds(5), "cron_schedule": "* * * * *", "workflow_run_timeout": seconds(-1)},
    "negative-delay-and-type": {"workflow_start_delay": seconds(-1), "workflow_type": {}},
    "negative-delay-and-queue": {"workflow_start_delay": seconds(-1), "task_queue": {}},
    "negative-delay-and-timeout": {"workflow_start_delay": seconds(-1), "workflow_task_timeout": seconds(-1)},
    "negative-delay-and-policies": {
        "workflow_start_delay": seconds(-1), "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "request-id-and-id": {"request_id": LONG, "workflow_id": ""},
    "request-id-and-type": {"request_id": LONG, "workflow_type": {}},
    "request-id-and-queue": {"request_id": LONG, "task_queue": {}},
    "request-id-and-retry": {"request_id": LONG, "retry_policy": {"maximum_attempts": -1}},
    "request-id-and-timeout": {"request_id": LONG, "workflow_run_timeout": seconds(-1)},
    "request-id-and-policies": {
        "request_id": LONG, "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "request-id-and-priority": {"request_id": LONG, "priority": {"priority_key": -1}},
    "request-id-and-search-attribute": {"request_id": LONG, "search_attributes": ATTRIBUTES},
    "policies-and-timeout": {
        "workflow_run_timeout": seconds(-1), "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "policies-and-search-attribute": {
        "search_attributes": ATTRIBUTES, "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "priority-and-search-attribute": {"priority": {"priority_key": -1}, "search_attributes": ATTRIBUTES},
    "priority-and-input": {"priority": {"priority_key": -1}, "input": BIG},
    "conflict-options-and-priority": {
        "on_conflict_options": {"attach_completion_callbacks": True}, "priority": {"priority_key": -1}},
    "conflict-options-and-policies": {
        "on_conflict_options": {"attach_completion_callbacks": True},
        "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING"},
    "conflict-options-and-search-attribute": {
        "on_conflict_options": {"attach_completion_callbacks": True}, "search_attributes": ATTRIBUTES},
    "callback-and-link": {"completion_callbacks": [{}], "links": [{"workflow_event": {}}]},
    "callback-and-search-attribute": {"completion_callbacks": [{}], "search_attributes": ATTRIBUTES},
    "callback-and-time-skipping": {"completion_callbacks": [{}], "time_skipping_config": {"enabled": True}},
    "callback-and-input": {"completion_callbacks": [{}], "input": BIG},
    "link-and-input": {"links": [{"workflow_event": {}}], "input": BIG},
    "time-skipping-and-link": {"time_skipping_config": {"enabled": True}, "links": [{"workflow_event": {}}]},
    "time-skipping-and-input": {"time_skipping_config": {"enabled": True}, "input": BIG},
    "time-skipping-and-priority": {"time_skipping_config": {"enabled": True}, "priority": {"priority_key": -1}},
}


def plain(s: Driver) -> dict:
    return {"workflow_id": s.id, "workflow_type": {"name": "T"}, "task_queue": {"name": s.queue}}


def known(message, fields: dict) -> dict:
    """Those fields that the message has."""
    return {name: value for name, value in fields.items() if name in message.DESCRIPTOR.fields_by_name}


@cases(REFUSED)
async def by_a_request(s: Driver, changed: dict):
    start = plain(s) | {"request_id": s.unique("start"), "identity": "test"} | changed
    await refused(s.call("StartWorkflowExecution", **start))
    with_signal = known(SignalWithStartWorkflowExecutionRequest, start)
    if start == with_signal:
        await refused(s.call("SignalWithStartWorkflowExecution", signal_name="s", **with_signal))
    update = {"workflow_execution": s.execution, "request": {"meta": {"update_id": "u"}, "input": {"name": "n"}}}
    together = {"workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING"} | start
    await refused(s.call("ExecuteMultiOperation", timeout=2, operations=[
        {"start_workflow": {"namespace": "default"} | together},
        {"update_workflow": {"namespace": "default"} | update},
    ]))
    await refused(s.describe())


FAIL = "WORKFLOW_ID_CONFLICT_POLICY_FAIL"


@cases({
    "name": {"signal_name": ""},
    "name-and-id": {"signal_name": "", "workflow_id": ""},
    "name-and-type": {"signal_name": "", "workflow_type": {}},
    "name-and-cron": {"signal_name": "", "cron_schedule": "every day"},
    "name-and-long-id": {"signal_name": "", "workflow_id": LONG},
    "long-name-and-long-id": {"signal_name": LONG, "workflow_id": LONG},
    "long-name-and-long-type": {"signal_name": LONG, "workflow_type": {"name": LONG}},
    "long-name-and-request-id": {"signal_name": LONG, "request_id": LONG},
    "long-id-and-cron": {"workflow_id": LONG, "cron_schedule": "every day"},
    "long-id-and-queue": {"workflow_id": LONG, "task_queue": {}},
    "fail-and-cron": {"workflow_id_conflict_policy": FAIL, "cron_schedule": "every day"},
    "fail-and-retry": {"workflow_id_conflict_policy": FAIL, "retry_policy": {"maximum_attempts": -1}},
    "fail-and-delay": {"workflow_id_conflict_policy": FAIL, "workflow_start_delay": seconds(-1)},
    "fail-and-terminate-if-running": {
        "workflow_id_conflict_policy": FAIL,
        "workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING"},
    "fail-and-search-attribute": {"workflow_id_conflict_policy": FAIL, "search_attributes": ATTRIBUTES},
    "big-signal-and-link": {"signal_input": BIG, "links": [{"workflow_event": {}}]},
    "big-signal-and-time-skipping": {"signal_input": BIG, "time_skipping_config": {"enabled": True}},
})
async def with_a_signal(s: Driver, changed: dict):
    start = plain(s) | {"request_id": s.unique("start"), "identity": "test"} | changed
    await refused(s.call("SignalWithStartWorkflowExecution", **({"signal_name": "s"} | start)))


def of_command(attributes) -> dict:
    """The rows that still have all their faults."""
    return {name: fields for name, fields in REFUSED.items() if known(attributes, fields) == fields}


# An empty queue is the run's own.
INHERITED = {"empty-queue"}


@cases({name: fields for name, fields in of_command(StartChildWorkflowExecutionCommandAttributes).items()
        if name not in INHERITED})
async def by_a_parent(s: Driver, changed: dict):
    child = plain(s) | {"workflow_id": s.unique("child")} | changed
    await check(s, command("START_CHILD_WORKFLOW_EXECUTION", **child))


@cases({name: fields for name, fields in of_command(ContinueAsNewWorkflowExecutionCommandAttributes).items()
        if name not in INHERITED})
async def by_going_on_as_new(s: Driver, changed: dict):
    fields = plain(s) | changed
    del fields["workflow_id"]
    await check(s, command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", **fields), old=True)
