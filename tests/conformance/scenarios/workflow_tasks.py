"""Workflow tasks: what a worker may answer, and what happens while it thinks."""

from harness.commands import command
from harness.hand import (
    activity,
    cancel_workflow,
    complete_workflow,
    fail_workflow,
    failure,
    marker,
    start_timer,
)
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

FAILED = "WORKFLOW_TASK_FAILED_CAUSE_"


@scenario
async def plain(s: Driver):
    await s.start(input=payloads("in"))
    await s.finish("out")
    await s.describe()


@scenario
async def answered_twice(s: Driver):
    task = await s.begin()
    await s.complete(task, start_timer("t", 600))
    await refused(s.complete(task, complete_workflow()))


@scenario
async def answered_after_the_end(s: Driver):
    task = await s.begin()
    await s.terminate()
    await refused(s.complete(task, complete_workflow()))
    await refused(s.fail_task(task))


@cases({
    "completed": "RespondWorkflowTaskCompleted", "failed": "RespondWorkflowTaskFailed",
    "query": "RespondQueryTaskCompleted",
})
async def bad_token(s: Driver, method: str):
    await refused(s.call(method, task_token=b""))
    await refused(s.call(method, task_token=b"garbage"))
    await refused(s.call(method))


@cases({
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-queue": {"task_queue": None},
    "empty-queue": {"task_queue": {"name": ""}},
    "long-queue": {"task_queue": {"name": "x" * 1001}},
    "long-identity": {"identity": "x" * 1001},
    "sticky-without-normal": {"task_queue": {"name": "sticky", "kind": "TASK_QUEUE_KIND_STICKY"}},
})
async def bad_poll(s: Driver, changed: dict):
    fields = {"task_queue": {"name": s.queue}, "identity": "hand"} | changed
    fields = {name: value for name, value in fields.items() if value is not None}
    await refused(s.call("PollWorkflowTaskQueue", timeout=3, **fields))


@cases({
    cause.lower().replace("_", "-"): cause
    for cause in (
        "UNSPECIFIED", "UNHANDLED_COMMAND", "WORKFLOW_WORKER_UNHANDLED_FAILURE", "NON_DETERMINISTIC_ERROR",
        "BAD_SCHEDULE_ACTIVITY_ATTRIBUTES", "RESET_STICKY_TASK_QUEUE", "FORCE_CLOSE_COMMAND", "RESET_WORKFLOW",
        "GRPC_MESSAGE_TOO_LARGE", "PAYLOADS_TOO_LARGE",
    )
})
async def failed_by_the_worker(s: Driver, cause: str):
    task = await s.begin()
    await refused(s.call("RespondWorkflowTaskFailed", task_token=task.task_token, identity="hand",
                         cause=f"{FAILED}{cause}", failure=failure("no"), binary_checksum="sum"))
    await s.describe()


@scenario
async def failed_again_and_again(s: Driver):
    await s.start()
    for _ in range(2):
        await s.fail_task(await s.poll())
    await s.describe()
    await s.finish()


@scenario
async def signal_between_failures(s: Driver):
    await s.start()
    await s.fail_task(await s.poll())
    await s.fail_task(await s.poll())
    task = await s.poll()
    await s.signal("s")
    await s.fail_task(task)
    task = await s.poll()
    await s.complete(task, complete_workflow())


@scenario
async def timed_out(s: Driver):
    lost = await s.begin(workflow_task_timeout=seconds(1))
    again = await s.poll()
    await refused(s.complete(lost, complete_workflow()))
    await s.complete(again, complete_workflow())


@scenario
async def timed_out_twice(s: Driver):
    await s.begin(workflow_task_timeout=seconds(1))
    await s.poll()
    await s.described(lambda d: d.pending_workflow_task.attempt == 3)
    await s.finish()


@scenario
async def signal_while_a_task_times_out(s: Driver):
    await s.begin(workflow_task_timeout=seconds(1))
    await s.signal("s", "1")
    task = await s.poll()
    await s.complete(task, complete_workflow())


@scenario
async def forced_new_task(s: Driver):
    task = await s.begin()
    reply = await s.complete(task, force_create_new_workflow_task=True, return_new_workflow_task=True)
    await s.complete(reply.workflow_task, complete_workflow())


@scenario
async def forced_new_task_is_not_returned_unasked(s: Driver):
    task = await s.begin()
    await s.complete(task, marker("m"), force_create_new_workflow_task=True)
    await s.finish()


@scenario
async def new_task_is_returned_only_if_there_is_one(s: Driver):
    task = await s.begin()
    await s.complete(task, return_new_workflow_task=True)
    await s.describe()


@scenario
async def returned_task_after_a_buffered_signal(s: Driver):
    task = await s.begin()
    await s.signal("s")
    reply = await s.complete(task, start_timer("t", 600), return_new_workflow_task=True)
    await s.complete(reply.workflow_task, complete_workflow())


@scenario
async def what_a_worker_says_of_itself_is_kept(s: Driver):
    task = await s.begin()
    await s.complete(
        task, start_timer("t", 600), binary_checksum="sum",
        sdk_metadata={"core_used_flags": [1, 2], "lang_used_flags": [3], "sdk_name": "hand", "sdk_version": "1"},
        metering_metadata={"nonfirst_local_activity_execution_attempts": 2},
    )
    await s.signal("s")
    await s.finish()


# --- F85: what events tell of a worker's build ---

UNVERSIONED = {"deployment_name": "d", "build_id": "b", "worker_versioning_mode": "WORKER_VERSIONING_MODE_UNVERSIONED"}
BUILD = {
    "checksum": {"binary_checksum": "sum"},
    "stamp": {"worker_version_stamp": {"build_id": "b"}},
    "series": {"deployment": {"series_name": "d", "build_id": "b"}},
    "unversioned": {"deployment_options": UNVERSIONED},
    "unversioned-without-a-name": {"deployment_options": UNVERSIONED | {"deployment_name": ""}},
    "mode-unspecified": {"deployment_options": {"deployment_name": "d", "build_id": "b"}},
    "versioned-without-a-behavior": {
        "deployment_options": UNVERSIONED | {"worker_versioning_mode": "WORKER_VERSIONING_MODE_VERSIONED"}},
    "stamp-and-unversioned": {"worker_version_stamp": {"build_id": "c"}, "deployment_options": UNVERSIONED},
    "checksum-and-stamp": {"binary_checksum": "sum", "worker_version_stamp": {"build_id": "b"}},
}


@cases(BUILD)
async def f85_build_of_a_completion(s: Driver, build: dict):
    await s.complete(await s.begin(), start_timer("t", 600), **build)
    await s.describe()
    await s.signal("s")
    await s.finish()
    await s.describe()


@cases({name: build for name, build in BUILD.items() if "stamp" not in name} | {
    "version": {"worker_version": {"build_id": "b"}},
    "version-and-unversioned": {"worker_version": {"build_id": "c"}, "deployment_options": UNVERSIONED},
})
async def f85_build_of_a_failure(s: Driver, build: dict):
    task = await s.begin()
    await s.call("RespondWorkflowTaskFailed", task_token=task.task_token, identity="hand", failure=failure("no"), **build)
    await s.describe()
    await s.finish()


@cases(BUILD)
async def f85_build_of_a_refused_completion(s: Driver, build: dict):
    task = await s.begin()
    await refused(s.complete(task, start_timer("", 600), **build))
    await s.finish()


@cases({
    "checksum": {"binary_checksum": "sum"},
    "capabilities": {"worker_version_capabilities": {"build_id": "b"}},
    "unversioned": {"deployment_options": UNVERSIONED},
    "capabilities-and-unversioned": {"worker_version_capabilities": {"build_id": "c"}, "deployment_options": UNVERSIONED},
})
async def f85_build_of_a_poll(s: Driver, build: dict):
    await s.start()
    task = await s.call("PollWorkflowTaskQueue", timeout=20, task_queue={"name": s.queue}, identity="hand", **build)
    await s.complete(task, start_timer("t", 600))
    await s.signal("s")
    await s.finish()


@scenario
async def f85_build_of_a_returned_task(s: Driver):
    reply = await s.complete(
        await s.begin(), force_create_new_workflow_task=True, return_new_workflow_task=True, binary_checksum="sum",
        worker_version_stamp={"build_id": "b"}, deployment_options=UNVERSIONED)
    await s.complete(reply.workflow_task, complete_workflow())


@scenario
async def f85_build_of_a_later_attempt(s: Driver):
    await s.start()
    for build in "b", "c":
        task = await s.call("PollWorkflowTaskQueue", timeout=20, task_queue={"name": s.queue}, identity="hand",
                            worker_version_capabilities={"build_id": build})
        if build == "b":
            await s.fail_task(task)
    await s.complete(task, complete_workflow())


# --- buffered events ---

CLOSING = {
    "complete": complete_workflow, "fail": lambda: fail_workflow("no"), "cancel": cancel_workflow,
    "continue-as-new": lambda: command(
        "CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"}, task_queue={"name": "q"}),
}


@cases(CLOSING)
async def closing_over_an_unseen_signal(s: Driver, closing):
    task = await s.begin()
    await s.signal("s")
    await refused(s.complete(task, closing()))
    await s.finish()


@scenario
async def closing_over_an_unseen_cancel_request(s: Driver):
    task = await s.begin()
    await s.request_cancel()
    await refused(s.complete(task, complete_workflow()))
    await s.step(cancel_workflow())


@scenario
async def commands_before_an_unhandled_close_are_undone(s: Driver):
    task = await s.begin()
    await s.signal("s")
    await refused(s.complete(task, start_timer("t", 600), marker("m"), complete_workflow()))
    await s.step(start_timer("t", 600))
    await s.describe()


@scenario
async def events_of_all_kinds_during_a_task(s: Driver):
    await s.start()
    queues = s.unique("one"), s.unique("two")
    await s.step(activity("a", queues[0]), activity("b", queues[1]), start_timer("t", 6))
    first, second = [await s.poll_activity(queue=queue) for queue in queues]
    await s.signal("wake")
    task = await s.poll()
    await s.complete_activity(first, "1")
    await s.signal("s")
    await s.request_cancel()
    await s.fail_activity(second)
    await s.complete(task, marker("m"))
    await s.happened("TimerFired")
    await s.finish()


@scenario
async def timer_fires_during_a_task(s: Driver):
    await s.start()
    await s.step(start_timer("t", 1))
    await s.signal("s")
    task = await s.poll()
    await s.no_sooner(1.6)
    await s.complete(task)
    await s.finish()


@scenario
async def buffered_events_of_a_task_that_fails(s: Driver):
    task = await s.begin()
    await s.signal("s", "1")
    await s.signal("s", "2")
    await s.fail_task(task)
    await s.describe()
    await s.finish()


@scenario
async def terminated_over_buffered_events(s: Driver):
    await s.begin()
    await s.signal("s")
    await s.terminate()


# --- sticky queues ---


@scenario
async def sticky_task_has_the_new_events_only(s: Driver):
    task = await s.begin()
    sticky = s.unique("sticky")
    await s.complete(task, sticky=sticky, sticky_s=120)
    await s.describe()
    poll = s.soon(s.poll(sticky, sticky=True))
    await s.polled(sticky)
    await s.signal("s")
    await s.complete(await poll, complete_workflow())


@scenario
async def sticky_task_that_nobody_takes(s: Driver):
    task = await s.begin()
    sticky = s.unique("sticky")
    poll = s.soon(s.peek.poll(sticky, sticky=True, timeout=3))
    await s.polled(sticky)
    await s.complete(task, sticky=sticky, sticky_s=1)
    await poll
    await s.signal("s")
    await s.finish()


@scenario
async def task_answered_without_sticky_attributes_forgets_the_sticky_queue(s: Driver):
    task = await s.begin()
    sticky = s.unique("sticky")
    await s.complete(task, sticky=sticky, sticky_s=120)
    poll = s.soon(s.poll(sticky, sticky=True))
    await s.polled(sticky)
    await s.signal("s")
    await s.complete(await poll)
    await s.describe()
    await s.signal("s")
    await s.finish()


@scenario
async def reset_sticky_queue(s: Driver):
    task = await s.begin()
    await s.complete(task, sticky=s.unique("sticky"), sticky_s=120)
    await s.call("ResetStickyTaskQueue", execution=s.execution)
    await s.describe()
    await s.signal("s")
    await s.finish()
    await refused(s.call("ResetStickyTaskQueue", execution=s.execution))
    await refused(s.call("ResetStickyTaskQueue", execution={"workflow_id": "there-is-none"}))


@scenario
async def failed_sticky_task_goes_to_the_normal_queue(s: Driver):
    task = await s.begin()
    sticky = s.unique("sticky")
    await s.complete(task, sticky=sticky, sticky_s=120)
    poll = s.soon(s.poll(sticky, sticky=True))
    await s.polled(sticky)
    await s.signal("s")
    await s.fail_task(await poll)
    await s.finish()
