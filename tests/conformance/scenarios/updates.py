"""Updates: accepted, completed, rejected; waited for, asked for again; with a start."""

import grpc
from google.protobuf.any_pb2 import Any
from temporalio.api.protocol.v1 import Message
from temporalio.api.update.v1 import Acceptance, Rejection, Request, Response

from harness.commands import command, request
from harness.hand import activity, cancel_workflow, complete_workflow, fail_workflow, failure, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

NONE = "00000000-0000-0000-0000-000000000001"
COMPLETED, ACCEPTED, ADMITTED = (
    f"UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_{stage}" for stage in ("COMPLETED", "ACCEPTED", "ADMITTED"))


def fields(s: Driver, id: str = "u", stage: str = COMPLETED, **changed) -> dict:
    plain = {
        "workflow_execution": s.execution, "wait_policy": {"lifecycle_stage": stage},
        "request": {"meta": {"update_id": id, "identity": "test"},
                    "input": {"name": "change", "args": payloads("in"), "header": {}}},
    }
    return {name: value for name, value in (plain | changed).items() if value is not None}


async def update(s: Driver, id: str = "u", stage: str = COMPLETED, timeout: float = 20, **changed):
    return await s.call("UpdateWorkflowExecution", timeout=timeout, **fields(s, id, stage, **changed))


async def poll_update(s: Driver, id: str = "u", stage: str = COMPLETED, timeout: float = 20, **changed):
    plain = {"update_ref": {"workflow_execution": s.execution, "update_id": id}, "identity": "test",
             "wait_policy": {"lifecycle_stage": stage} if stage else None}
    asked = {name: value for name, value in (plain | changed).items() if value is not None}
    return await s.call("PollWorkflowExecutionUpdate", timeout=timeout, **asked)


# --- what a worker answers ---


def packed(message) -> Any:
    found = Any()
    found.Pack(message)
    return found


def body(message: Message) -> Request:
    found = Request()
    message.body.Unpack(found)
    return found


def accept(message: Message) -> Message:
    return Message(
        id=f"{message.protocol_instance_id}/accept", protocol_instance_id=message.protocol_instance_id,
        body=packed(Acceptance(
            accepted_request_message_id=message.id, accepted_request_sequencing_event_id=message.event_id,
            accepted_request=body(message))))


def reject(message: Message, why: str = "not so") -> Message:
    return Message(
        id=f"{message.protocol_instance_id}/reject", protocol_instance_id=message.protocol_instance_id,
        body=packed(Rejection(
            rejected_request_message_id=message.id, rejected_request_sequencing_event_id=message.event_id,
            rejected_request=body(message), failure=failure(why))))


def respond(message: Message, **outcome) -> Message:
    outcome = outcome or {"success": payloads("out")}
    return Message(
        id=f"{message.protocol_instance_id}/complete", protocol_instance_id=message.protocol_instance_id,
        body=packed(Response(meta=body(message).meta, outcome=outcome)))


async def answer(s: Driver, task, *messages: Message, commands=(), **more):
    """Sends messages, with a command for the place of each; rejections need none."""
    places = [command("PROTOCOL_MESSAGE", message_id=each.id) for each in messages if not each.id.endswith("/reject")]
    return await s.complete(task, *places, *commands, messages=messages, **more)


async def idle(s: Driver, **start) -> None:
    await s.start(**start)
    await s.step()


async def asked(s: Driver, id: str = "u", stage: str = COMPLETED):
    """An update under way, and the task and message that carry it."""
    call = s.soon(update(s, id, stage))
    # Else the task may be one that was due before.
    await s.until(lambda: admitted(s, id), "update")
    task = await s.poll()
    return call, task, task.messages[0]


async def admitted(s: Driver, id: str) -> bool:
    found = request("PollWorkflowExecutionUpdate", namespace=s.namespace,
                    update_ref={"workflow_execution": s.execution, "update_id": id})
    try:
        await s.peek.api.call("PollWorkflowExecutionUpdate", found)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
        return False
    return True


@scenario
async def accepted_and_completed_at_once(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message), respond(message))
    await call
    await s.describe()


@scenario
async def on_the_first_task(s: Driver):
    await s.start()
    call, task, message = await asked(s)
    await answer(s, task, accept(message), respond(message), commands=[start_timer("t", 600)])
    await call


@scenario
async def accepted_then_completed(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message), commands=[start_timer("t", 1)])
    await s.describe()
    await answer(s, await s.poll(), respond(message))
    await call


@scenario
async def acceptance_is_waited_for(s: Driver):
    await idle(s)
    call, task, message = await asked(s, stage=ACCEPTED)
    await answer(s, task, accept(message))
    await call
    await poll_update(s, stage=ACCEPTED)
    await poll_update(s, stage="")
    await s.signal("s")
    await answer(s, await s.poll(), respond(message))
    await poll_update(s)
    await poll_update(s, stage="")


@scenario
async def fails(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message), respond(message, failure=failure("no")))
    await call


@scenario
async def rejected_leaves_no_trace(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, reject(message))
    await call
    await s.describe()
    await refused(poll_update(s, stage=""))


@scenario
async def rejected_on_the_first_task(s: Driver):
    await s.start()
    call, task, message = await asked(s)
    await answer(s, task, reject(message), commands=[start_timer("t", 600)])
    await call


@scenario
async def rejected_with_commands(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, reject(message), commands=[start_timer("t", 600)])
    await call


@scenario
async def rejected_behind_a_signal(s: Driver):
    await idle(s)
    await s.signal("s")
    call, task, message = await asked(s)
    await answer(s, task, reject(message))
    await call


@scenario
async def signal_during_a_speculative_task(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await s.signal("s")
    await answer(s, task, reject(message))
    await call
    await s.finish()


@scenario
async def two_at_once(s: Driver):
    await s.start()
    first = s.soon(update(s, "u1"))
    await s.no_sooner(0.3)
    second = s.soon(update(s, "u2"))
    await s.no_sooner(0.3)
    task = await s.poll()
    messages = sorted(task.messages, key=lambda message: message.protocol_instance_id)
    await answer(s, task, accept(messages[0]), respond(messages[0]), reject(messages[1]))
    await first
    await second


@scenario
async def same_id_is_one_update(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    again = s.soon(update(s))
    await s.no_sooner(0.3)
    await answer(s, task, accept(message), respond(message))
    await call
    await again
    await update(s)


@scenario
async def without_an_id_gets_one(s: Driver):
    await idle(s)
    call = s.soon(update(s, request={"meta": {"identity": "test"}, "input": {"name": "change"}}))
    task = await s.poll()
    message = task.messages[0]
    await answer(s, task, accept(message), respond(message))
    await call


@scenario
async def during_a_task_comes_with_the_next(s: Driver):
    task = await s.begin()
    call = s.soon(update(s))
    await s.no_sooner(0.5)
    await s.complete(task, start_timer("t", 600))
    task = await s.poll()
    message = task.messages[0]
    await answer(s, task, accept(message), respond(message))
    await call


@scenario
async def task_that_fails_brings_it_again(s: Driver):
    await idle(s)
    call, task, _ = await asked(s)
    await s.fail_task(task)
    task = await s.poll()
    message = task.messages[0]
    await answer(s, task, accept(message), respond(message))
    await call


@scenario
async def task_that_times_out_brings_it_again(s: Driver):
    await idle(s, workflow_task_timeout=seconds(1))
    call, _, _ = await asked(s)
    task = await s.poll()
    message = task.messages[0]
    await answer(s, task, accept(message), respond(message))
    await call


@scenario
async def completes_together_with_the_workflow(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message), respond(message), commands=[complete_workflow("out")])
    await call
    await poll_update(s)
    await update(s)


CLOSING = {"complete": lambda: complete_workflow(), "fail": lambda: fail_workflow("no"), "cancel": cancel_workflow}


@cases(CLOSING)
async def workflow_ends_with_it_accepted(s: Driver, closing):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message))
    await s.signal("s")
    await s.step(closing())
    await refused(call)
    await refused(poll_update(s))


@scenario
async def workflow_ends_without_an_answer(s: Driver):
    await idle(s)
    call, task, _ = await asked(s)
    await s.complete(task, complete_workflow())
    await refused(call)


@scenario
async def terminated_with_one_under_way(s: Driver):
    await idle(s)
    call, _, _ = await asked(s)
    await s.terminate()
    await refused(call)


@scenario
async def terminated_with_one_accepted(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message))
    await s.terminate()
    await refused(call)


@scenario
async def on_a_closed_run(s: Driver):
    await s.start()
    await s.finish()
    await refused(update(s))


@scenario
async def worker_ignores_it(s: Driver):
    await idle(s)
    call, task, _ = await asked(s)
    await s.complete(task)
    await refused(call)


@cases({
    "no-namespace": {"namespace": ""},
    "no-execution": {"workflow_execution": None},
    "unknown-id": {"workflow_execution": {"workflow_id": "there-is-none"}},
    "bad-run-id": {"workflow_execution": {"workflow_id": "x", "run_id": "not-a-uuid"}},
    "bad-first-run-id": {"first_execution_run_id": "not-a-uuid"},
    "other-first-run-id": {"first_execution_run_id": NONE},
    "no-request": {"request": None},
    "no-meta": {"request": {"input": {"name": "change"}}},
    "no-input": {"request": {"meta": {"update_id": "u"}}},
    "no-name": {"request": {"meta": {"update_id": "u"}, "input": {}}},
    "long-id": {"request": {"meta": {"update_id": "x" * 1001}, "input": {"name": "change"}}},
    "wait-admitted": {"wait_policy": {"lifecycle_stage": ADMITTED}},
})
async def bad(s: Driver, changed: dict):
    await idle(s)
    await refused(update(s, timeout=5, **changed))


@cases({
    "no-ref": {"update_ref": None},
    "no-id": {"update_ref": {"workflow_execution": {"workflow_id": "x"}}},
    "unknown-workflow": {"update_ref": {"workflow_execution": {"workflow_id": "there-is-none"}, "update_id": "u"}},
    "bad-run-id": {"update_ref": {"workflow_execution": {"workflow_id": "x", "run_id": "bad"}, "update_id": "u"}},
    "unknown": {},
    "wait-admitted": {"wait_policy": {"lifecycle_stage": ADMITTED}},
})
async def bad_poll(s: Driver, changed: dict):
    await idle(s)
    await refused(poll_update(s, timeout=5, **changed))


# --- what a worker must not answer ---


@cases({
    "accepted-twice": lambda m: [accept(m), accept(m)],
    "completed-before-accepted": lambda m: [respond(m)],
    "rejected-after-accepted": lambda m: [accept(m), reject(m)],
    "of-no-update": lambda m: [Message(id="x", protocol_instance_id="none", body=packed(
        Acceptance(accepted_request_message_id="none/request", accepted_request=Request())))],
    "of-no-kind": lambda m: [Message(id="x", protocol_instance_id=m.protocol_instance_id, body=packed(payloads("x")))],
    "without-a-body": lambda m: [Message(id="x", protocol_instance_id=m.protocol_instance_id)],
    "a-request": lambda m: [Message(id="x", protocol_instance_id=m.protocol_instance_id, body=packed(body(m)))],
})
async def bad_message(s: Driver, messages):
    await idle(s)
    _, task, message = await asked(s)
    await refused(answer(s, task, *messages(message)))
    again = await s.poll()
    await refused(answer(s, again, *[reject(each) for each in again.messages]))


@scenario
async def message_without_a_place(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await refused(s.complete(task, messages=[accept(message), respond(message)]))
    await call


@scenario
async def too_many_in_flight(s: Driver):
    await s.start()
    await s.poll()
    for number in range(10):
        s.soon(s.peek.api.call("UpdateWorkflowExecution", request(
            "UpdateWorkflowExecution", namespace="default", **fields(s, f"u{number}")), 30))
    await s.no_sooner(1.5)
    await refused(update(s, "one-more"))


# --- with a start ---


def operation(s: Driver, start: dict | None = None, change: dict | None = None) -> list[dict]:
    started = {
        "namespace": "default", "workflow_id": s.id, "workflow_type": {"name": "T"}, "task_queue": {"name": s.queue},
        "request_id": s.unique("start"), "identity": "test",
        "workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING",
    } | (start or {})
    return [{"start_workflow": started}, {"update_workflow": {"namespace": "default"} | fields(s, **(change or {}))}]


async def both(s: Driver, operations: list[dict], timeout: float = 20):
    return await s.call("ExecuteMultiOperation", timeout=timeout, operations=operations)


@scenario
async def with_a_start(s: Driver):
    call = s.soon(both(s, operation(s)))
    task = await s.poll()
    message = task.messages[0]
    await answer(s, task, accept(message), respond(message), commands=[start_timer("t", 600)])
    await call
    await s.describe()


@scenario
async def with_a_start_that_finds_one_running(s: Driver):
    await idle(s)
    call = s.soon(both(s, operation(s)))
    task = await s.poll()
    message = task.messages[0]
    await answer(s, task, accept(message), respond(message))
    await call


@scenario
async def with_a_start_twice(s: Driver):
    call = s.soon(both(s, operation(s)))
    task = await s.poll()
    message = task.messages[0]
    await answer(s, task, accept(message), respond(message))
    await call
    await both(s, operation(s))


@scenario
async def rejected_with_a_start(s: Driver):
    call = s.soon(both(s, operation(s)))
    task = await s.poll()
    await answer(s, task, reject(task.messages[0]))
    await call


@scenario
async def with_a_start_that_fails(s: Driver):
    await idle(s)
    await refused(both(s, operation(s, {"workflow_id_conflict_policy": "WORKFLOW_ID_CONFLICT_POLICY_FAIL"})))


@scenario
async def with_a_start_of_a_closed_id(s: Driver):
    await s.start()
    await s.finish()
    await refused(both(s, operation(s, {"workflow_id_reuse_policy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE"})))


@cases({
    "nothing": lambda s: [],
    "one": lambda s: operation(s)[:1],
    "two-starts": lambda s: [operation(s)[0]] * 2,
    "other-order": lambda s: operation(s)[::-1],
    "other-ids": lambda s: operation(s, {"workflow_id": s.unique("other")}),
    "no-conflict-policy": lambda s: operation(s, {"workflow_id_conflict_policy": 0}),
    "bad-start": lambda s: operation(s, {"workflow_type": {}}),
    "bad-update": lambda s: operation(s, change={"request": {}}),
    "run-id": lambda s: operation(s, change={"workflow_execution": {"workflow_id": s.id, "run_id": NONE}}),
    "first-run-id": lambda s: operation(s, change={"first_execution_run_id": NONE}),
    "cron": lambda s: operation(s, {"cron_schedule": "* * * * *"}),
    "eager": lambda s: operation(s, {"request_eager_execution": True}),
    "empty": lambda s: [{}, {}],
})
async def bad_multi_operation(s: Driver, operations):
    await refused(both(s, operations(s), timeout=5))


@scenario
async def update_handler_runs_an_activity(s: Driver):
    await idle(s)
    call, task, message = await asked(s)
    await answer(s, task, accept(message), commands=[activity("a", s.queue)])
    await s.complete_activity(await s.poll_activity(), "done")
    await answer(s, await s.poll(), respond(message))
    await call
    await s.signal("s")
    await s.finish()
