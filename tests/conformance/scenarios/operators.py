"""What operators do to a run and to its activities from outside, and what describe tells of it."""

from harness.hand import activity, cancel_activity, complete_workflow, marker, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario


async def with_activity(s: Driver, **fields) -> None:
    await s.start()
    await s.step(activity("a1", s.queue, **({"attempts": 5, "backoff_s": 120, "start_to_close": 600} | fields)))


async def operate(s: Driver, method: str, **fields):
    fields = {"execution": s.execution, "identity": "operator", "id": "a1"} | fields
    return await s.call(method, **{name: value for name, value in fields.items() if value is not None})


@scenario
async def paused_before_it_is_polled(s: Driver):
    await with_activity(s)
    await operate(s, "PauseActivity", reason="why", request_id="r1")
    await s.describe()
    await operate(s, "PauseActivity", reason="other", request_id="r1")
    await refused(operate(s, "PauseActivity", request_id="r2"))
    await operate(s, "UnpauseActivity")
    await operate(s, "UnpauseActivity")
    await s.describe()
    task = await s.poll_activity()
    await s.complete_activity(task)
    await refused(operate(s, "PauseActivity"))


@scenario
async def paused_while_it_runs(s: Driver):
    await with_activity(s)
    task = await s.poll_activity()
    await operate(s, "PauseActivity", reason="why")
    await s.describe()
    await s.heartbeat(task, "1")
    await s.fail_activity(task)
    await s.describe()
    await operate(s, "UnpauseActivity", reset_attempts=True)
    await s.describe()
    task = await s.poll_activity()
    await operate(s, "PauseActivity")
    await operate(s, "UnpauseActivity", reset_heartbeat=True)
    await s.describe()
    await s.complete_activity(task)


@scenario
async def paused_in_its_back_off(s: Driver):
    await with_activity(s)
    await s.fail_activity(await s.poll_activity())
    await s.describe()
    await operate(s, "PauseActivity")
    await s.describe()
    await operate(s, "UnpauseActivity")
    await s.describe()
    await s.poll_activity()
    await s.describe()


@scenario
async def paused_and_cancelled(s: Driver):
    await with_activity(s)
    await operate(s, "PauseActivity")
    await s.signal("s")
    await s.step(cancel_activity(5))
    await s.finish()


@scenario
async def paused_cancel_requested_and_reset_while_it_runs(s: Driver):
    await with_activity(s)
    task = await s.poll_activity()
    await s.signal("s")
    await s.step(cancel_activity(5))
    await operate(s, "PauseActivity")
    await s.describe()
    await s.heartbeat(task)
    await operate(s, "ResetActivity")
    await s.describe()
    await s.heartbeat(task)
    await s.fail_activity(task)
    await s.finish()


@cases({
    "waiting": (0, {}),
    "running": (1, {}),
    "running-with-heartbeat": (1, {"reset_heartbeat": True}),
    "in-back-off": (2, {}),
    "in-back-off-with-heartbeat": (2, {"reset_heartbeat": True}),
    "in-back-off-restored": (2, {"restore_original_options": True}),
})
async def reset(s: Driver, stage: int, fields: dict):
    await with_activity(s)
    if stage >= 1:
        task = await s.poll_activity()
        await s.heartbeat(task, "1")
    if stage >= 2:
        await s.fail_activity(task)
    await operate(s, "ResetActivity", **fields)
    await s.describe()
    if stage == 1:
        await s.heartbeat(task, "2")
        await s.fail_activity(task)
        await s.describe()
    else:
        await s.complete_activity(await s.poll_activity())


@cases({"kept": True, "not-kept": False})
async def reset_of_a_paused_one(s: Driver, keep: bool):
    await with_activity(s)
    await operate(s, "PauseActivity")
    await operate(s, "ResetActivity", keep_paused=keep)
    await s.describe()


@cases({
    "type": {"id": None, "type": "A"},
    "unknown-id": {"id": "b"},
    "unknown-type": {"id": None, "type": "B"},
    "neither": {"id": None},
    "no-execution": {"execution": None},
    "bad-run-id": {"execution": {"workflow_id": "w", "run_id": "x"}},
    "unknown-workflow": {"execution": {"workflow_id": "there-is-none"}},
})
async def selection(s: Driver, changed: dict):
    await with_activity(s)
    for method in ("PauseActivity", "ResetActivity", "UnpauseActivity"):
        await refused(operate(s, method, **changed))
    options = {"activity_options": {"heartbeat_timeout": seconds(60)}, "update_mask": {"paths": ["heartbeat_timeout"]}}
    await refused(operate(s, "UpdateActivityOptions", **options, **changed))


@scenario
async def nothing_to_operate_on(s: Driver):
    await s.start()
    await refused(operate(s, "ResetActivity", id=None, match_all=True))
    await refused(operate(s, "UnpauseActivity", id=None, unpause_all=True))
    await refused(operate(s, "UpdateActivityOptions", id=None, match_all=True, restore_original=True))
    await s.terminate()
    for method in ("PauseActivity", "ResetActivity", "UnpauseActivity"):
        await refused(operate(s, method))


@cases({
    "start-to-close": (["start_to_close_timeout"], {"start_to_close_timeout": seconds(300)}),
    "camel-case": (["startToCloseTimeout"], {"start_to_close_timeout": seconds(300)}),
    "start-to-close-unset": (["start_to_close_timeout"], {}),
    "start-to-close-negative": (["start_to_close_timeout"], {"start_to_close_timeout": seconds(-3)}),
    "schedule-to-close": (["schedule_to_close_timeout"], {"schedule_to_close_timeout": seconds(300)}),
    "schedule-to-start": (["schedule_to_start_timeout"], {"schedule_to_start_timeout": seconds(300)}),
    "heartbeat": (["heartbeat_timeout"], {"heartbeat_timeout": seconds(900)}),
    "retry-attempts": (["retry_policy.maximum_attempts"], {"retry_policy": {"maximum_attempts": 7}}),
    "retry-coefficient": (["retry_policy.backoff_coefficient"], {"retry_policy": {"backoff_coefficient": 1.5}}),
    "retry-low-coefficient": (["retry_policy.backoff_coefficient"], {"retry_policy": {"backoff_coefficient": 0.5}}),
    "retry-intervals": (["retry_policy.initial_interval", "retryPolicy.maximumInterval"],
                        {"retry_policy": {"initial_interval": seconds(60), "maximum_interval": seconds(600)}}),
    "retry-unset": (["retry_policy.maximum_attempts"], {}),
    "queue-unset": (["task_queue.name"], {}),
    "queue-empty": (["task_queue.name"], {"task_queue": {"name": ""}}),
    "queue-reserved": (["task_queue.name"], {"task_queue": {"name": "/_sys/q"}}),
    "priority": (["priority"], {"priority": {"priority_key": 2}}),
    "priority-key": (["priority.priority_key"], {"priority": {"priority_key": 1, "fairness_key": "f"}}),
    "priority-fairness": (["priority.fairness_key", "priority.fairness_weight"],
                          {"priority": {"priority_key": 1, "fairness_key": "f", "fairness_weight": 2}}),
    "priority-negative": (["priority.priority_key"], {"priority": {"priority_key": -1}}),
    "priority-unset": (["priority"], {}),
    "priority-key-unset": (["priority.priority_key"], {}),
    "empty-mask": ([], {"start_to_close_timeout": seconds(300)}),
    "unknown-path": (["nope"], {"start_to_close_timeout": seconds(300)}),
})
async def options(s: Driver, mask: list, changed: dict):
    await with_activity(s)
    await refused(operate(s, "UpdateActivityOptions", activity_options=changed, update_mask={"paths": mask}))
    await s.describe()
    await operate(s, "UpdateActivityOptions", restore_original=True)
    await s.describe()


@scenario
async def options_move_a_waiting_activity(s: Driver):
    await with_activity(s)
    queue = s.unique("other-queue")
    changed = {"task_queue": {"name": queue}}
    await operate(s, "UpdateActivityOptions", activity_options=changed, update_mask={"paths": ["task_queue.name"]})
    await s.describe()
    await s.complete_activity(await s.poll_activity(queue=queue))


@scenario
async def options_that_say_nothing(s: Driver):
    await with_activity(s)
    await refused(operate(s, "UpdateActivityOptions"))
    await refused(operate(s, "UpdateActivityOptions", activity_options={}))
    await refused(operate(s, "UpdateActivityOptions", update_mask={"paths": ["priority"]}))
    await refused(operate(s, "UpdateActivityOptions", restore_original=True, update_mask={"paths": ["priority"]}))


@scenario
async def deleted_while_running(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600))
    await s.call("DeleteWorkflowExecution", workflow_execution=s.execution)
    await s.until(lambda: gone(s), "the deletion")
    await refused(s.call("DeleteWorkflowExecution", workflow_execution=s.execution))
    await refused(s.describe())
    await refused(s.signal("s"))
    await refused(s.terminate())


async def gone(s: Driver) -> bool:
    try:
        await s.peek.describe()
    except Exception:  # noqa: BLE001 - whatever it is, the next recorded call tells
        return True
    return False


@cases({
    "no-execution": {"workflow_execution": None},
    "no-id": {"workflow_execution": {"run_id": "00000000-0000-0000-0000-000000000001"}},
    "bad-run-id": {"workflow_execution": {"workflow_id": "w", "run_id": "x"}},
    "unknown": {"workflow_execution": {"workflow_id": "there-is-none"}},
})
async def deletion_of_nothing(s: Driver, changed: dict):
    await refused(s.call("DeleteWorkflowExecution", **{k: v for k, v in changed.items() if v is not None}))


@cases({
    "priority": (["priority"], {"priority": {"priority_key": 2}}),
    "priority-key": (["priority.priority_key"], {"priority": {"priority_key": 2, "fairness_key": "f"}}),
    "priority-negative": (["priority"], {"priority": {"priority_key": -2}}),
    "empty-mask": ([], {"priority": {"priority_key": 2}}),
    "unknown-path": (["nope"], {}),
    "override-unset": (["versioning_override"], {}),
})
async def workflow_options(s: Driver, mask: list, changed: dict):
    await s.start()
    fields = {"workflow_execution": s.execution, "identity": "operator",
              "workflow_execution_options": changed, "update_mask": {"paths": mask}}
    await refused(s.call("UpdateWorkflowExecutionOptions", **fields))
    await refused(s.call("UpdateWorkflowExecutionOptions", **fields))
    await s.describe()
    task = await s.poll()
    await refused(s.call("UpdateWorkflowExecutionOptions", **fields))
    await s.complete(task, marker("m"))
    await s.describe()
    await s.terminate()
    await refused(s.call("UpdateWorkflowExecutionOptions", **fields))


@scenario
async def workflow_options_that_say_nothing(s: Driver):
    await s.start()
    await refused(s.call("UpdateWorkflowExecutionOptions", workflow_execution=s.execution))
    await refused(s.call("UpdateWorkflowExecutionOptions", workflow_execution=s.execution,
                         update_mask={"paths": ["priority"]}))
    await refused(s.call("UpdateWorkflowExecutionOptions", workflow_execution_options={}, update_mask={}))


@scenario
async def descriptions_along_a_life(s: Driver):
    await s.start(input=payloads("in"), workflow_run_timeout=seconds(3600))
    await s.describe()
    task = await s.poll()
    await s.describe()
    await s.signal("s")
    await s.describe()
    await s.complete(task, activity("a1", s.queue, attempts=2, backoff_s=120), start_timer("t", 600))
    await s.describe()
    await s.fail_activity(await s.poll_activity(), non_retryable=True)
    await s.fail_task(await s.poll())
    await s.describe()
    await s.poll()
    await s.describe()
    await s.request_cancel()
    await s.describe()
    await s.terminate()
    await s.describe()


@scenario
async def description_of_a_sticky_run(s: Driver):
    sticky = s.unique("sticky")
    task = await s.begin()
    await s.complete(task, marker("m"), sticky=sticky, sticky_s=600)
    await s.signal("s")
    await s.describe()
    task = await s.poll(queue=sticky, sticky=True)
    await s.describe()
    await s.complete(task, complete_workflow())
    await s.describe()
