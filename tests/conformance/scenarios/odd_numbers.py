"""F34: numbers with a fraction that are out of range, in every request that has one.

The reference server takes a NaN wherever it compares with a bound; here that is out of range, too, and unit tests say so.
"""

import grpc

from google.protobuf.field_mask_pb2 import FieldMask

from harness.commands import command
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases

ODD = {"infinity": float("inf"), "minus-infinity": float("-inf"), "negative": -1.0}
FINE = {"tiny": 1e-30, "vast": 1e30}


def weight(value: float) -> dict:
    return {"priority": {"fairness_weight": value}}


def coefficient(value: float) -> dict:
    return {"retry_policy": {"backoff_coefficient": value, "initial_interval": seconds(60)}}


PLACES = {"weight": weight, "coefficient": coefficient}
FIELDS = {f"{place}-{name}": fields(value) for place, fields in PLACES.items() for name, value in (ODD | FINE).items()}
WEIGHTS = {name: weight(value) for name, value in (ODD | FINE).items()}
COEFFICIENTS = {name: coefficient(value) for name, value in (ODD | FINE).items()}


async def seen(s: Driver) -> None:
    await refused(s.describe())


@cases(FIELDS)
async def start(s: Driver, fields: dict):
    await refused(s.start(**fields))
    await seen(s)


@cases(FIELDS)
async def signal_with_start(s: Driver, fields: dict):
    await refused(s.call(
        "SignalWithStartWorkflowExecution", workflow_id=s.id, workflow_type={"name": "T"}, task_queue={"name": s.queue},
        signal_name="s", identity="test", request_id=s.unique("with-start"), **fields))
    await seen(s)


async def commanded(s: Driver, made, then: str = "") -> bool:
    """Says whether the command was accepted; `then` is what comes of it."""
    task, accepted = await s.begin(), False
    try:
        await s.complete(task, made)
        accepted = True
        if then:
            await s.happened(then)
    except grpc.aio.AioRpcError:
        pass
    await seen(s)
    await s.terminate()
    return accepted


@cases(FIELDS)
async def activity(s: Driver, fields: dict):
    await commanded(s, command("SCHEDULE_ACTIVITY_TASK", activity_id="a", activity_type={"name": "A"},
                               task_queue={"name": s.unique("aq")}, start_to_close_timeout=seconds(600), **fields))


@cases(FIELDS)
async def child(s: Driver, fields: dict):
    child = s.other("child")
    made = command("START_CHILD_WORKFLOW_EXECUTION", workflow_id=child.id, **fields, workflow_type={"name": "C"},
                   task_queue={"name": s.unique("cq")})
    if await commanded(s, made, then="ChildWorkflowExecutionStarted"):
        await child.closed()


@cases(COEFFICIENTS)
async def continued(s: Driver, fields: dict):
    task = await s.begin()
    await s.lived()
    await refused(s.complete(task, command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", workflow_type={"name": "T"},
                                           task_queue={"name": s.queue}, **fields)))
    await seen(s)
    await s.terminate()


@cases(FIELDS)
async def options_of_an_activity(s: Driver, fields: dict):
    await s.start()
    await s.step(command("SCHEDULE_ACTIVITY_TASK", activity_id="a", activity_type={"name": "A"},
                         task_queue={"name": s.unique("aq")}, start_to_close_timeout=seconds(600)))
    paths = [f"{name}.{field}" for name, inner in fields.items() for field in inner]
    await refused(s.call("UpdateActivityOptions", execution=s.execution, id="a", identity="test",
                         activity_options=fields, update_mask=FieldMask(paths=paths)))
    await seen(s)
    await s.terminate()


@cases(WEIGHTS)
async def options_of_a_workflow(s: Driver, fields: dict):
    await s.start()
    for paths in (["priority.fairness_weight"], ["priority"]):
        await refused(s.call("UpdateWorkflowExecutionOptions", workflow_execution=s.execution, identity="test",
                             workflow_execution_options=fields, update_mask=FieldMask(paths=paths)))
    await seen(s)
    await s.terminate()


@cases(ODD | FINE)
async def rate_of_a_queue(s: Driver, rate: float):
    queue = {"task_queue_type": "TASK_QUEUE_TYPE_ACTIVITY"}
    await refused(s.call("UpdateTaskQueueConfig", task_queue=s.queue, identity="operator", **queue,
                         update_queue_rate_limit={"rate_limit": {"requests_per_second": rate}}))
    await s.call("DescribeTaskQueue", task_queue={"name": s.queue}, report_config=True, **queue)


@cases(ODD | FINE | {"nan": float("nan")})
async def rate_of_a_worker(s: Driver, rate: float):
    await s.start()
    await s.step(command("SCHEDULE_ACTIVITY_TASK", activity_id="a", activity_type={"name": "A"},
                         task_queue={"name": s.queue}, start_to_close_timeout=seconds(600)))
    await refused(s.call("PollActivityTaskQueue", task_queue={"name": s.queue}, identity="hand", timeout=4,
                         task_queue_metadata={"max_tasks_per_second": {"value": rate}}))
    await seen(s)
    await s.terminate()
