"""Search attributes: registered for a namespace, typed, given to workflows, changed by them."""

import json

import grpc
from temporalio.api.common.v1 import Payload

from harness.commands import command, request
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

DAY = 86_400
TYPES = {"Text": 1, "Keyword": 2, "Int": 3, "Double": 4, "Bool": 5, "Datetime": 6, "KeywordList": 7}
SYSTEM = (
    "BatcherNamespace", "BatcherUser", "BinaryChecksums", "BuildIds", "CloseTime", "ExecutionDuration",
    "ExecutionStatus", "ExecutionTime", "HistoryLength", "HistorySizeBytes", "ParentRunId", "ParentWorkflowId",
    "RootRunId", "RootWorkflowId", "RunId", "StartTime", "StateTransitionCount", "TaskQueue", "TemporalChangeVersion",
    "TemporalExternalPayloadCount", "TemporalExternalPayloadSizeBytes", "TemporalNamespaceDivision",
    "TemporalPauseInfo", "TemporalReportedProblems", "TemporalScheduledById", "TemporalScheduledStartTime",
    "TemporalSchedulePaused", "TemporalUsedWorkerDeploymentVersions", "TemporalWorkerDeployment",
    "TemporalWorkerDeploymentVersion", "TemporalWorkflowVersioningBehavior", "WorkflowId", "WorkflowType",
)


def value(found, **metadata: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"} | metadata, data=json.dumps(found).encode())


def raw(data: bytes, **metadata: bytes) -> Payload:
    return Payload(metadata=metadata, data=data)


def given(**fields: Payload) -> dict:
    return {"search_attributes": {"indexed_fields": fields}}


async def tried(s: Driver, probe, what: str) -> None:
    """Until a call is no longer refused: a node of the reference server learns of a change in its own time."""
    async def accepted():
        try:
            await probe()
            return True
        except grpc.aio.AioRpcError:
            return False

    await s.until(accepted, what)


async def listed(s: Driver):
    return await s.peek.api.call("ListSearchAttributes", request("ListSearchAttributes", namespace=s.namespace))


async def space(s: Driver) -> Driver:
    """A hand in a namespace of its own, which has an attribute of each type."""
    hand = s.other("wf", namespace=s.unique("n"))
    await s.call("RegisterNamespace", namespace=hand.namespace, workflow_execution_retention_period=seconds(DAY))
    added = {f"My{name}": type for name, type in TYPES.items()}
    await tried(s, lambda: listed(hand), "the namespace")
    await s.call("AddSearchAttributes", namespace=hand.namespace, search_attributes=added)
    probe = hand.other("probe", queue="probes")
    await tried(s, lambda: probe.peek.start(**given(**{name: value(None) for name in added})), "the attributes")
    return hand


@scenario
async def those_of_a_new_namespace(s: Driver):
    hand = s.other("wf", namespace=s.unique("n"))
    await s.call("RegisterNamespace", namespace=hand.namespace, workflow_execution_retention_period=seconds(DAY))
    await tried(s, lambda: listed(hand), "the namespace")
    await s.call("ListSearchAttributes", namespace=hand.namespace)


@scenario
async def those_that_could_be(s: Driver):
    await s.api.call("GetSearchAttributes", request("GetSearchAttributes"))


@scenario
async def added_and_removed(s: Driver):
    hand = await space(s)
    await hand.call("ListSearchAttributes")
    for added in ({"MyText": 1}, {"MyText": 2, "More": 2}, {"Spaced out": 2}, {"": 2}):
        await hand.call("AddSearchAttributes", search_attributes=added)
    await hand.call("ListSearchAttributes")
    for removed in (["MyText"], ["MyText", "NoSuch"], ["More", "More"]):
        await hand.call("RemoveSearchAttributes", search_attributes=removed)
    await hand.call("ListSearchAttributes")


@cases({
    "nothing": {"search_attributes": {}},
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "no-type": {"search_attributes": {"A": 0}},
    "unknown-type": {"search_attributes": {"A": 99}},
    "system": {"search_attributes": {"WorkflowId": 2}},
    "common": {"search_attributes": {"BuildIds": 7}},
    "prefix": {"search_attributes": {"TemporalAnything": 2}},
})
async def bad_addition(s: Driver, changed: dict):
    await refused(s.call("AddSearchAttributes", **({"search_attributes": {"A": 2}} | changed)))


@cases({
    "nothing": {"search_attributes": []},
    "no-namespace": {"namespace": ""},
    "unknown-namespace": {"namespace": "there-is-none"},
    "system": {"search_attributes": ["WorkflowId"]},
    "common": {"search_attributes": ["BuildIds"]},
    "column": {"search_attributes": ["Int01"]},
})
async def bad_removal(s: Driver, changed: dict):
    await refused(s.call("RemoveSearchAttributes", **({"search_attributes": ["NoSuch"]} | changed)))


@cases({"no-namespace": "", "unknown-namespace": "there-is-none"})
async def bad_listing(s: Driver, namespace: str):
    await refused(s.call("ListSearchAttributes", namespace=namespace))


@scenario
async def values_have_the_type_of_their_attribute(s: Driver):
    hand = await space(s)
    tried_values = {
        "Text": ["t", ["t"], ["t", "u"], None, [], 1, True, {"a": [1, None]}, "x" * 2047],
        "Keyword": ["k", ["k"], ["k", "l"], 1.5, 1_000_000, 0.00001],
        "Int": [3, [3], [3, 4], "3", 1.5, True, 9223372036854775808],
        "Double": [1, 1.5, [1.5], [1.5, 2], "1"],
        "Bool": [True, [False], [True, False], "true", 1],
        "Datetime": ["2024-01-02T03:04:05.678Z", "2024-01-02T03:04:05+02:00", ["2024-01-02T03:04:05Z"], "2024-01-02",
                     "2024-01-02 03:04:05Z", 1],
        "KeywordList": [["a", "b"], [], None, "a", 1, ["a", 1]],
    }
    number = 0
    for name, values in tried_values.items():
        for each in values:
            number += 1
            await refused(hand.other(f"w{number}").start(**given(**{f"My{name}": value(each)})))


@scenario
async def payloads_that_are_no_values(s: Driver):
    hand = await space(s)
    found = [
        raw(b"{", encoding=b"json/plain"), Payload(), raw(b'"t"'), raw(b'"t"', encoding=b"binary/plain"),
        raw(b"", encoding=b"binary/null"), value("t", type=b"Keyword"), value("t", type=b"Nonsense"),
    ]
    for number, each in enumerate(found):
        await refused(hand.other(f"w{number}").start(**given(MyText=each)))


@scenario
async def of_the_server_can_be_set_or_not(s: Driver):
    for name in (*SYSTEM, "Keyword01", "TemporalAnything", ""):
        await refused(s.other(f"w-{name}").start(**given(**{name: value("x")})))


@scenario
async def signal_with_start_checks_them_too(s: Driver):
    hand = await space(s)
    for number, found in enumerate(({"NoSuch": value("x")}, {"MyInt": value("x")}, {"MyInt": value(1)})):
        await refused(hand.call(
            "SignalWithStartWorkflowExecution", workflow_id=s.unique(f"w{number}"), workflow_type={"name": "T"},
            task_queue={"name": s.queue}, signal_name="s", request_id=s.unique(f"r{number}"), identity="test",
            **given(**found),
        ))


FITTING = {
    "value": {"MyText": value("t")},
    "other-value": {"MyInt": value(2)},
    "null": {"MyInt": value(None)},
    "null-and-value": {"MyInt": value(None), "MyText": value("t")},
    "common": {"TemporalChangeVersion": value(["x"])},
}
BAD = {
    "unknown": {"NoSuch": value("x")},
    "unknown-null": {"NoSuch": value(None)},
    "system": {"RunId": value("x")},
    "wrong-type": {"MyInt": value("x")},
    "no-value": {"MyText": payloads("x").payloads[0]},
    "long": {"MyText": value("x" * 3000)},
}


async def having_one(s: Driver) -> tuple[Driver, object]:
    """A run that has a search attribute, in a namespace of its own; with its first task."""
    hand = await space(s)
    return hand, await hand.begin(**given(MyInt=value(1)))


@cases(FITTING | BAD)
async def changed(s: Driver, fields: dict):
    hand, task = await having_one(s)
    await refused(hand.complete(task, command("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES", **given(**fields))))
    await hand.describe()


@cases(FITTING | BAD)
async def carried_over(s: Driver, fields: dict):
    hand, task = await having_one(s)
    await hand.lived()
    await refused(hand.complete(task, command("CONTINUE_AS_NEW_WORKFLOW_EXECUTION", **given(**fields))))
    await hand.describe()


def child(s: Driver, fields: dict):
    return command("START_CHILD_WORKFLOW_EXECUTION", workflow_id=s.unique("child"), workflow_type={"name": "C"},
                   **given(**fields))


@cases(FITTING)
async def given_to_a_child(s: Driver, fields: dict):
    hand, task = await having_one(s)
    await hand.complete(task, child(s, fields))
    await hand.happened("ChildWorkflowExecutionStarted")
    await hand.other("child").describe()


@cases(BAD)
async def not_given_to_a_child(s: Driver, fields: dict):
    hand, task = await having_one(s)
    await refused(hand.complete(task, child(s, fields)))
    await hand.describe()


# The reference server lets such tasks wait, and gives them more time, as it comes.
SLOWER = {"event_time", "original_scheduled_time", "scheduled_time", "start_to_close_timeout", "started_time"}


async def failed(s: Driver) -> None:
    await s.fail_task(await s.poll())


async def failed_by_a_command(s: Driver) -> None:
    await refused(s.complete(await s.poll(), command("START_TIMER", start_to_fire_timeout=seconds(600))))


@cases({"failed": failed, "failed-by-a-command": failed_by_a_command})
async def tell_why_workflow_tasks_keep_failing(s: Driver, attempt):
    s.vague |= SLOWER
    await s.start()
    for _ in range(4):
        await attempt(s)
    task = await s.poll()
    await s.describe()
    await s.fail_task(task)
    await s.describe()
    await failed(s)
    await s.signal("s")
    await s.describe()
    await s.step(command("START_TIMER", timer_id="t", start_to_fire_timeout=seconds(600)))
    await s.describe()


@scenario
async def tell_that_workflow_tasks_keep_timing_out(s: Driver):
    s.vague |= SLOWER
    await s.start(workflow_task_timeout=seconds(1))
    for _ in range(4):
        await failed(s)
    await s.poll()
    await s.poll()
    await s.describe()
    await s.terminate()
    await s.describe()
