"""Commands that fail the workflow task, one by one: the cause, the words, and that the task is tried again."""

from harness.commands import command
from harness.hand import complete_workflow, fail_workflow, start_timer
from harness.rpc import payloads, seconds
from temporalio.api.command.v1 import Command

from ..driver import Driver, refused
from ..registry import cases, scenario

LONG = "x" * 1001
BIG = b"x" * ((2 << 20) + 1)


def changed(plain: dict, fields: dict) -> dict:
    """The plain fields but for some; None leaves a field out."""
    return {name: value for name, value in (plain | fields).items() if value is not None}


async def check(s: Driver, *commands: Command, then: str = "", old: bool = False) -> None:
    """`then`: what comes of commands that are accepted. `old`: given by a run that has lived."""
    task = await s.begin()
    if old:
        await s.lived()
    await refused(s.complete(task, *commands))
    if then:
        await s.happened(then)
    await s.describe()
    if (await s.peek.describe()).workflow_execution_info.status == 1:
        await s.finish()


@cases({
    "no-id": {"activity_id": None},
    "long-id": {"activity_id": LONG},
    "no-type": {"activity_type": None},
    "long-type": {"activity_type": {"name": LONG}},
    "no-queue": {"task_queue": None},
    "empty-queue": {"task_queue": {"name": ""}},
    "long-queue": {"task_queue": {"name": LONG}},
    "reserved-queue": {"task_queue": {"name": "/_sys/q/1"}},
    "no-timeout": {"start_to_close_timeout": None},
    "negative-start-to-close": {"start_to_close_timeout": seconds(-1)},
    "negative-schedule-to-close": {"schedule_to_close_timeout": seconds(-1)},
    "negative-schedule-to-start": {"schedule_to_start_timeout": seconds(-1)},
    "negative-heartbeat": {"heartbeat_timeout": seconds(-1)},
    "retry-negative-attempts": {"retry_policy": {"maximum_attempts": -1}},
    "retry-low-coefficient": {"retry_policy": {"backoff_coefficient": 0.1}},
    "big-input": {"input": payloads(BIG)},
    "bad-priority": {"priority": {"priority_key": -1}},
})
async def schedule_activity(s: Driver, fields: dict):
    plain = {"activity_id": "a", "activity_type": {"name": "A"}, "task_queue": {"name": s.queue},
             "start_to_close_timeout": seconds(600)}
    await check(s, command("SCHEDULE_ACTIVITY_TASK", **changed(plain, fields)))


@scenario
async def activity_id_twice(s: Driver):
    plain = {"activity_id": "a", "activity_type": {"name": "A"}, "task_queue": {"name": s.queue},
             "start_to_close_timeout": seconds(600)}
    await check(s, command("SCHEDULE_ACTIVITY_TASK", **plain), command("SCHEDULE_ACTIVITY_TASK", **plain))


@cases({
    "no-id": {"timer_id": None},
    "long-id": {"timer_id": LONG},
    "negative": {"start_to_fire_timeout": seconds(-1)},
})
async def timer(s: Driver, fields: dict):
    await check(s, command("START_TIMER", **changed(
        {"timer_id": "t", "start_to_fire_timeout": seconds(600)}, fields)))


@cases({
    "timer-id-twice": ("START_TIMER", {"timer_id": "t", "start_to_fire_timeout": seconds(600)}),
    "cancel-timer-no-id": ("CANCEL_TIMER", {}),
    "cancel-timer-long-id": ("CANCEL_TIMER", {"timer_id": LONG}),
    "cancel-timer-unknown": ("CANCEL_TIMER", {"timer_id": "none"}),
    "cancel-activity-none": ("REQUEST_CANCEL_ACTIVITY_TASK", {}),
    "cancel-activity-unknown": ("REQUEST_CANCEL_ACTIVITY_TASK", {"scheduled_event_id": 99}),
    "cancel-activity-that-is-a-timer": ("REQUEST_CANCEL_ACTIVITY_TASK", {"scheduled_event_id": 5}),
    "marker-no-name": ("RECORD_MARKER", {}),
    "marker-long-name": ("RECORD_MARKER", {"marker_name": LONG}),
    "marker-big": ("RECORD_MARKER", {"marker_name": "m", "details": {"d": payloads(BIG)}}),
    "upsert-nothing": ("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", {}),
    "upsert-empty": ("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", {"search_attributes": {}}),
    "upsert-unknown": ("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", {
        "search_attributes": {"indexed_fields": {"NoSuch": payloads("x").payloads[0]}}}),
    "upsert-system": ("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", {
        "search_attributes": {"indexed_fields": {"RunId": payloads("x").payloads[0]}}}),
    "modify-nothing": ("MODIFY_WORKFLOW_PROPERTIES", {}),
    "modify-empty": ("MODIFY_WORKFLOW_PROPERTIES", {"upserted_memo": {}}),
    "modify-big": ("MODIFY_WORKFLOW_PROPERTIES", {"upserted_memo": {"fields": {"m": payloads(BIG).payloads[0]}}}),
    "protocol-message-no-id": ("PROTOCOL_MESSAGE", {}),
    "protocol-message-unknown": ("PROTOCOL_MESSAGE", {"message_id": "none"}),
    "complete-big": ("COMPLETE_WORKFLOW_EXECUTION", {"result": payloads(BIG)}),
    "cancel-big": ("CANCEL_WORKFLOW_EXECUTION", {"details": payloads(BIG)}),
    "fail-without-failure": ("FAIL_WORKFLOW_EXECUTION", {}),
})
async def after_a_timer(s: Driver, name: str, attributes: dict):
    await check(s, start_timer("t", 600), command(name, **attributes))


@cases({
    name.lower().replace("_", "-"): name
    for name in (
        "SCHEDULE_ACTIVITY_TASK", "REQUEST_CANCEL_ACTIVITY_TASK", "START_TIMER", "CANCEL_TIMER", "RECORD_MARKER",
        "COMPLETE_WORKFLOW_EXECUTION", "FAIL_WORKFLOW_EXECUTION", "CANCEL_WORKFLOW_EXECUTION",
        "REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", "CONTINUE_AS_NEW_WORKFLOW_EXECUTION",
        "START_CHILD_WORKFLOW_EXECUTION", "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
        "PROTOCOL_MESSAGE", "MODIFY_WORKFLOW_PROPERTIES",
    )
})
async def without_attributes(s: Driver, name: str):
    await check(s, Command(command_type=command(name).command_type))


@scenario
async def of_no_type(s: Driver):
    await check(s, Command())


@cases({
    "timer-after-complete": lambda: [complete_workflow(), start_timer("t", 600)],
    "complete-twice": lambda: [complete_workflow(), complete_workflow()],
    "complete-and-fail": lambda: [complete_workflow(), fail_workflow("no")],
})
async def after_the_end(s: Driver, commands):
    await check(s, *commands())


@cases({
    "no-id": {"workflow_id": None},
    "long-id": {"workflow_id": LONG},
    "no-type": {"workflow_type": None},
    "long-type": {"workflow_type": {"name": LONG}},
    "long-queue": {"task_queue": {"name": LONG}},
    "unknown-namespace": {"namespace": "there-is-none"},
    "negative-run-timeout": {"workflow_run_timeout": seconds(-1)},
    "negative-execution-timeout": {"workflow_execution_timeout": seconds(-1)},
    "negative-task-timeout": {"workflow_task_timeout": seconds(-1)},
    "bad-retry": {"retry_policy": {"maximum_attempts": -1}},
    "bad-cron": {"cron_schedule": "every day"},
    "unknown-search-attribute": {"search_attributes": {"indexed_fields": {"NoSuch": payloads("x").payloads[0]}}},
    "big-input": {"input": payloads(BIG)},
    "big-memo": {"memo": {"fields": {"m": payloads(BIG).payloads[0]}}},
})
async def start_child(s: Driver, fields: dict):
    plain = {"workflow_id": s.unique("child"), "workflow_type": {"name": "C"}, "task_queue": {"name": s.queue}}
    await check(s, command("START_CHILD_WORKFLOW_EXECUTION", **changed(plain, fields)))


@cases({
    "no-type": {"workflow_type": None},
    "long-type": {"workflow_type": {"name": LONG}},
    "long-queue": {"task_queue": {"name": LONG}},
    "negative-run-timeout": {"workflow_run_timeout": seconds(-1)},
    "negative-task-timeout": {"workflow_task_timeout": seconds(-1)},
    "negative-backoff": {"backoff_start_interval": seconds(-1)},
    "bad-retry": {"retry_policy": {"maximum_attempts": -1}},
    "bad-cron": {"cron_schedule": "every day"},
    "big-input": {"input": payloads(BIG)},
    "unknown-search-attribute": {"search_attributes": {"indexed_fields": {"NoSuch": payloads("x").payloads[0]}}},
})
async def continue_as_new(s: Driver, fields: dict):
    plain = {"workflow_type": {"name": "T"}, "task_queue": {"name": s.queue}}
    await check(s, command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", **changed(plain, fields)), old=True)


@cases({
    "no-execution": {"execution": None},
    "no-id": {"execution": {"run_id": "00000000-0000-0000-0000-000000000001"}},
    "bad-run-id": {"execution": {"workflow_id": "other", "run_id": "not-a-uuid"}},
    "no-name": {"signal_name": None},
    "long-name": {"signal_name": LONG},
    "unknown-namespace": {"namespace": "there-is-none"},
    "big-input": {"input": payloads(BIG)},
})
async def signal_external(s: Driver, fields: dict):
    plain = {"execution": {"workflow_id": "other"}, "signal_name": "s"}
    then = "SignalExternalWorkflowExecutionFailed" if fields.get("signal_name") else ""
    await check(s, command("SIGNAL_EXTERNAL_WORKFLOW_EXECUTION", **changed(plain, fields)), then=then)


@cases({
    "no-id": {"workflow_id": None},
    "bad-run-id": {"run_id": "not-a-uuid"},
    "unknown-namespace": {"namespace": "there-is-none"},
    "long-reason": {"reason": LONG},
})
async def cancel_external(s: Driver, fields: dict):
    then = "RequestCancelExternalWorkflowExecutionFailed" if fields.get("reason") else ""
    fields = changed({"workflow_id": "other"}, fields)
    await check(s, command("REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION", **fields), then=then)
