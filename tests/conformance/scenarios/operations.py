"""What operators do to open runs: activities paused, reset, given other options; options of a run."""

from google.protobuf.field_mask_pb2 import FieldMask

from harness.hand import activity, cancel_activity
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

NONE = "00000000-0000-0000-0000-000000000001"
METHODS = ("PauseActivity", "UnpauseActivity", "ResetActivity", "UpdateActivityOptions")


async def operate(s: Driver, method: str, **changed):
    plain = {"execution": s.execution, "id": "a", "identity": "operator"}
    if method == "UpdateActivityOptions":
        plain |= {"activity_options": {"start_to_close_timeout": seconds(1200)},
                  "update_mask": FieldMask(paths=["start_to_close_timeout"])}
    fields = {name: value for name, value in (plain | changed).items() if value is not None}
    return await s.call(method, **fields)


async def with_activity(s: Driver, **options) -> None:
    await s.start()
    await s.step(activity("a", s.queue, **({"attempts": 0, "backoff_s": 600, "start_to_close": 600} | options)))


@cases({method: method for method in METHODS})
async def of_an_activity_that_waits(s: Driver, method: str):
    await with_activity(s)
    await operate(s, method)
    await s.describe()


@cases({method: method for method in METHODS})
async def of_an_activity_that_runs(s: Driver, method: str):
    await with_activity(s)
    task = await s.poll_activity()
    await operate(s, method)
    await s.describe()
    await s.heartbeat(task, "half")
    await s.complete_activity(task, "out")
    await s.finish()


@cases({method: method for method in METHODS})
async def of_an_activity_that_backs_off(s: Driver, method: str):
    await with_activity(s)
    await s.fail_activity(await s.poll_activity(), "first")
    await operate(s, method)
    await s.describe()


@cases({
    f"{method}-{name}": (method, fields)
    for method in METHODS
    for name, fields in {
        "no-namespace": {"namespace": ""},
        "no-execution": {"execution": None},
        "unknown-workflow": {"execution": {"workflow_id": "there-is-none"}},
        "unknown-run": {"execution": {"workflow_id": "there-is-none", "run_id": NONE}},
        "unknown-id": {"id": "none"},
        "neither-id-nor-type": {"id": None},
        "unknown-type": {"id": None, "type": "None"},
    }.items()
})
async def bad(s: Driver, method: str, changed: dict):
    await with_activity(s)
    await refused(operate(s, method, **changed))


@cases({method: method for method in METHODS})
async def by_type(s: Driver, method: str):
    await s.start()
    await s.step(activity("a", s.queue, type="A"), activity("b", s.queue, type="A"), activity("c", s.queue, type="B"))
    await operate(s, method, id=None, type="A")
    found = await s.peek.describe()
    s.note("paused", sorted(each.activity_id for each in found.pending_activities if each.paused))


@scenario
async def paused_activity_waits_until_unpaused(s: Driver):
    await with_activity(s)
    await operate(s, "PauseActivity", reason="why")
    await operate(s, "PauseActivity", reason="again")
    await s.describe()
    await operate(s, "UnpauseActivity")
    await s.complete_activity(await s.poll_activity())
    await s.finish()


@scenario
async def paused_while_it_runs_and_fails(s: Driver):
    await with_activity(s)
    task = await s.poll_activity()
    await operate(s, "PauseActivity")
    await s.fail_activity(task, "first")
    await s.describe()
    await operate(s, "UnpauseActivity", reset_attempts=True)
    task = await s.poll_activity()
    await s.describe()


@scenario
async def paused_and_canceled(s: Driver):
    await with_activity(s)
    await operate(s, "PauseActivity")
    await s.signal("s")
    await s.step(cancel_activity(5))
    await s.finish()


@scenario
async def unpaused_though_it_was_not_paused(s: Driver):
    await with_activity(s)
    await refused(operate(s, "UnpauseActivity"))
    await s.describe()


@cases({
    "plain": {}, "keep-paused": {"keep_paused": True}, "heartbeat": {"reset_heartbeat": True},
    "options": {"restore_original_options": True},
})
async def reset_of_a_paused_activity(s: Driver, fields: dict):
    await with_activity(s)
    task = await s.poll_activity()
    await s.heartbeat(task, "half")
    await s.fail_activity(task, "first")
    await operate(s, "PauseActivity")
    await operate(s, "ResetActivity", **fields)
    await s.describe()


@cases({
    "queue": ({"task_queue": {"name": "elsewhere"}}, ["task_queue.name"]),
    "timeouts": ({"schedule_to_close_timeout": seconds(3600), "schedule_to_start_timeout": seconds(1800),
                  "heartbeat_timeout": seconds(60)},
                 ["schedule_to_close_timeout", "schedule_to_start_timeout", "heartbeat_timeout"]),
    "retry": ({"retry_policy": {"maximum_attempts": 7, "maximum_interval": seconds(1200)}},
              ["retry_policy.maximum_attempts", "retry_policy.maximum_interval"]),
    "nothing": ({}, []),
    "bad-path": ({}, ["colour"]),
    "bad-retry": ({"retry_policy": {"maximum_attempts": -1}}, ["retry_policy.maximum_attempts"]),
    "negative-timeout": ({"start_to_close_timeout": seconds(-1)}, ["start_to_close_timeout"]),
})
async def options_of_an_activity(s: Driver, options: dict, paths: list[str]):
    await with_activity(s)
    await refused(operate(s, "UpdateActivityOptions", activity_options=options, update_mask=FieldMask(paths=paths)))
    await s.describe()


@scenario
async def original_options_are_restored(s: Driver):
    await with_activity(s)
    await operate(s, "UpdateActivityOptions")
    await operate(s, "UpdateActivityOptions", activity_options=None, update_mask=None, restore_original=True)
    await s.describe()


@cases({
    "no-namespace": {"namespace": ""},
    "no-execution": {"workflow_execution": None},
    "unknown": {"workflow_execution": {"workflow_id": "there-is-none"}},
    "no-mask": {"update_mask": None},
    "bad-path": {"update_mask": FieldMask(paths=["colour"])},
    "low-priority": {"workflow_execution_options": {"priority": {"priority_key": -1}},
                     "update_mask": FieldMask(paths=["priority"])},
    "long-fairness-key": {"workflow_execution_options": {"priority": {"fairness_key": "x" * 65}},
                          "update_mask": FieldMask(paths=["priority"])},
    "negative-fairness-weight": {"workflow_execution_options": {"priority": {"fairness_weight": -1.0}},
                                 "update_mask": FieldMask(paths=["priority.fairness_weight"])},
})
async def bad_options_of_a_run(s: Driver, changed: dict):
    await s.start()
    plain = {"workflow_execution": s.execution, "workflow_execution_options": {},
             "update_mask": FieldMask(paths=["versioning_override"])}
    fields = {name: value for name, value in (plain | changed).items() if value is not None}
    await refused(s.call("UpdateWorkflowExecutionOptions", **fields))
