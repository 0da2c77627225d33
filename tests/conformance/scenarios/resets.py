"""ResetWorkflowExecution and DeleteWorkflowExecution."""

from google.protobuf.field_mask_pb2 import FieldMask

from harness.commands import command
from harness.hand import activity, complete_workflow, fail_workflow, marker, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

NONE = "00000000-0000-0000-0000-000000000001"


async def reset(s: Driver, to: int, **changed):
    plain = {"workflow_execution": {"workflow_id": s.id, "run_id": s.run}, "reason": "again", "identity": "test",
             "workflow_task_finish_event_id": to, "request_id": s.unique("reset")}
    return await s.call("ResetWorkflowExecution", **(plain | changed))


@scenario
async def of_a_closed_run(s: Driver):
    await s.start(input=payloads("in"), memo={"fields": {"m": payloads("v").payloads[0]}})
    await s.finish("out")
    await reset(s, 4)
    await s.describe()
    await s.step(complete_workflow("other"))
    await s.describe()


@scenario
async def of_a_running_one(s: Driver):
    await s.start(workflow_run_timeout=seconds(3600))
    await s.step(start_timer("t", 600))
    await reset(s, 4)
    await s.describe(s.run)
    await s.describe()
    await s.finish()


@scenario
async def of_a_failed_run(s: Driver):
    await s.start()
    await s.step(fail_workflow("no"))
    await reset(s, 4)
    await s.finish()


@scenario
async def to_its_started_task(s: Driver):
    await s.start()
    await s.poll()
    await reset(s, 3)
    await s.finish()


@scenario
async def to_a_later_task(s: Driver):
    await s.start()
    await s.step(marker("one"), start_timer("t", 600))
    await s.signal("s", "1")
    await s.step(marker("two"))
    await s.signal("s", "2")
    await s.step(complete_workflow())
    await reset(s, 9)
    await s.describe()
    await s.finish()


@scenario
async def keeps_an_activity_that_was_scheduled_before(s: Driver):
    await s.start()
    await s.step(activity("a", s.queue), activity("b", s.unique("nobody")))
    task = await s.poll_activity()
    await s.complete_activity(task, "out")
    await s.step(marker("m"))
    await reset(s, 10)
    await s.describe()
    await s.finish()


@scenario
async def activity_that_runs_is_scheduled_again(s: Driver):
    await s.start()
    await s.step(activity("a", s.queue, start_to_close=600))
    task = await s.poll_activity()
    await s.signal("s")
    await s.step(marker("m"))
    await reset(s, 9)
    await s.describe()
    await refused(s.complete_activity(task))


@scenario
async def timer_goes_on(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600))
    await s.signal("s")
    await s.step(marker("m"))
    await reset(s, 8)
    await s.describe()
    await s.finish()


SIGNALS = {
    "all": {"reset_reapply_type": "RESET_REAPPLY_TYPE_ALL_ELIGIBLE"},
    "signals": {"reset_reapply_type": "RESET_REAPPLY_TYPE_SIGNAL"},
    "none": {"reset_reapply_type": "RESET_REAPPLY_TYPE_NONE"},
    "unspecified": {},
    "without-signals": {"reset_reapply_exclude_types": ["RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL"]},
}


@cases(SIGNALS)
async def signals_are_applied_again(s: Driver, fields: dict):
    await s.start()
    await s.step(start_timer("t", 600))
    await s.signal("s", "1")
    await s.signal("s", "2")
    await s.finish()
    await reset(s, 4, **fields)
    await s.finish()


@scenario
async def cancel_request_is_not_applied_again(s: Driver):
    await s.start()
    await s.step()
    await s.request_cancel()
    await s.finish()
    await reset(s, 4)
    await s.finish()


@scenario
async def once_for_its_request_id(s: Driver):
    await s.start()
    await s.finish()
    await reset(s, 4)
    await reset(s, 4)
    await s.describe()


@scenario
async def without_a_run_id(s: Driver):
    await s.start()
    await s.finish()
    await reset(s, 4, workflow_execution=s.execution)
    await s.finish()


@scenario
async def twice(s: Driver):
    await s.start()
    await s.finish()
    await reset(s, 4, request_id="one")
    await s.finish()
    await reset(s, 4, request_id="two")
    await s.finish()


@scenario
async def of_the_run_before_the_current(s: Driver):
    await s.start()
    await s.finish()
    first = s.run
    await s.start()
    await reset(s, 4, workflow_execution={"workflow_id": s.id, "run_id": first})
    await s.finish()


@scenario
async def of_a_run_that_continued_as_new(s: Driver):
    await s.start()
    await s.lived()
    await s.step(command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"},
                         task_queue={"name": s.queue}))
    await s.signal("s")
    await reset(s, 4)
    await s.finish()


@scenario
async def with_a_pending_child(s: Driver):
    await s.start()
    await s.step(command("START_CHILD_WORKFLOW_EXECUTION", workflow_id=s.unique("child"),
                         workflow_type={"name": "C"}, task_queue={"name": s.unique("cq")}))
    await s.step(marker("m"))
    await reset(s, 9)
    await s.describe()


@cases({
    "zero": (0, {}), "first-event": (1, {}), "scheduled": (2, {}), "beyond": (99, {}), "last": (5, {}),
    "no-execution": (4, {"workflow_execution": {}}),
    "unknown": (4, {"workflow_execution": {"workflow_id": "there-is-none"}}),
    "unknown-run": (4, {"workflow_execution": {"workflow_id": "there-is-none", "run_id": NONE}}),
    "bad-run-id": (4, {"workflow_execution": {"workflow_id": "x", "run_id": "not-a-uuid"}}),
    "no-request-id": (4, {"request_id": ""}),
    "no-namespace": (4, {"namespace": ""}),
})
async def bad(s: Driver, to: int, changed: dict):
    await s.start()
    await s.finish()
    await refused(reset(s, to, **changed))


@cases({
    "before": (True, {}),
    "since": (False, {}),
    "since-none": (False, {"reset_reapply_type": "RESET_REAPPLY_TYPE_NONE"}),
    "since-signals": (False, {"reset_reapply_type": "RESET_REAPPLY_TYPE_SIGNAL"}),
    "since-without-signals": (False, {"reset_reapply_exclude_types": ["RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL"]}),
})
async def options_that_changed(s: Driver, before: bool, fields: dict):
    await s.start(priority={"priority_key": 2})
    if not before:
        await s.step(marker("m"))
    await s.call("UpdateWorkflowExecutionOptions", workflow_execution=s.execution, identity="test",
                 workflow_execution_options={"priority": {"priority_key": 4}}, update_mask=FieldMask(paths=["priority"]))
    link = {"workflow_event": {"namespace": "default", "workflow_id": "linked", "run_id": NONE}}
    for name, options in (("a", {"attach_request_id": True}), ("b", {"attach_links": True})):
        await s.start(request_id=s.unique(name), on_conflict_options=options, links=[link],
                      workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING")
    await s.signal("s")
    await s.step(marker("m"))
    await reset(s, 8 if before else 4, **fields)
    await s.describe()
    for name in ("a", "start1"):
        await s.start(request_id=s.unique(name), on_conflict_options={"attach_request_id": True},
                      workflow_id_conflict_policy="WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING")
    await s.finish()


# --- deleting ---


async def gone(s: Driver, run: str) -> None:
    async def missing():
        try:
            await s.peek.describe(run)
            return False
        except Exception:
            return True

    await s.until(missing, "the run to be gone", 60)
    await refused(s.describe(run))
    await refused(s.call("GetWorkflowExecutionHistory", execution={"workflow_id": s.id, "run_id": run}))


@scenario
async def deletes_a_closed_run(s: Driver):
    await s.start()
    await s.finish()
    await s.call("DeleteWorkflowExecution", workflow_execution={"workflow_id": s.id, "run_id": s.run})
    await gone(s, s.run)
    # The reference server may take a minute over it.
    s.vague |= {"event_time", "execution_time", "original_scheduled_time", "original_start_time", "scheduled_time",
                "start_time"}
    await s.start()
    await s.describe()


@scenario
async def deletes_a_running_one(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600))
    await s.call("DeleteWorkflowExecution", workflow_execution=s.execution)
    await gone(s, s.run)


@scenario
async def deletes_an_earlier_run(s: Driver):
    await s.start()
    await s.finish()
    first = s.run
    await s.start()
    await s.call("DeleteWorkflowExecution", workflow_execution={"workflow_id": s.id, "run_id": first})
    await gone(s, first)
    await s.describe()


@cases({
    "no-execution": {"workflow_execution": {}},
    "unknown": {"workflow_execution": {"workflow_id": "there-is-none"}},
    "unknown-run": {"workflow_execution": {"workflow_id": "there-is-none", "run_id": NONE}},
    "bad-run-id": {"workflow_execution": {"workflow_id": "x", "run_id": "not-a-uuid"}},
    "no-namespace": {"namespace": "", "workflow_execution": {"workflow_id": "x"}},
})
async def bad_delete(s: Driver, changed: dict):
    await refused(s.call("DeleteWorkflowExecution", **changed))
