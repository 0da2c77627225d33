"""Namespaces that go: what is left of one while it goes, and its name, which is free at once."""

import grpc

from harness.commands import request
from harness.rpc import seconds

from ..driver import Driver, refused
from ..registry import cases, scenario

DAY = 86_400
HOUR = 3600
# Its id is the same on every server.
SYSTEM_ID = "32049b68-7872-4094-8e63-d0dd59896a83"
# The reference server takes its time.
GONE_S = 40


@cases({
    "nothing": {},
    "name-and-id": {"namespace": "default", "namespace_id": SYSTEM_ID},
    "unknown-name": {"namespace": "there-is-none"},
    "unknown-id": {"namespace_id": "00000000-0000-0000-0000-000000000001"},
    "no-id": {"namespace_id": "nonsense"},
    "system": {"namespace": "temporal-system"},
    "system-by-id": {"namespace_id": SYSTEM_ID},
})
async def refused_deletion(s: Driver, fields: dict):
    await refused(s.call("DeleteNamespace", **({"namespace": ""} | fields)))


async def space(s: Driver, name: str = "n") -> tuple[Driver, str]:
    """A hand in a namespace of its own, and the namespace's id."""
    hand = s.other("wf", namespace=s.unique(name))
    await s.call("RegisterNamespace", namespace=hand.namespace, workflow_execution_retention_period=seconds(DAY))

    async def known():
        try:
            await hand.peek.api.call("ListSearchAttributes", request("ListSearchAttributes", namespace=hand.namespace))
            return await hand.peek.api.call("DescribeNamespace", request("DescribeNamespace", namespace=hand.namespace))
        except grpc.aio.AioRpcError:
            return None

    return hand, (await s.until(known, "the namespace")).namespace_info.id


async def deleted(hand: Driver, delay: float = HOUR, **fields) -> str:
    """Deletes the namespace, by default so that its runs stay for the time of the scenario; gives its new name."""
    reply = await hand.call("DeleteNamespace", **({"namespace": hand.namespace} | fields),
                            namespace_delete_delay=seconds(delay))
    return reply.deleted_namespace


async def gone(hand: Driver, id: str) -> None:
    async def unknown():
        try:
            await hand.peek.api.call("DescribeNamespace", request("DescribeNamespace", id=id))
        except grpc.aio.AioRpcError as error:
            return error.code() == grpc.StatusCode.NOT_FOUND

    await hand.until(unknown, "the end of the namespace", GONE_S)


async def listed(s: Driver) -> list[str]:
    """The namespaces of this scenario that a list shows."""
    found, token = [], b""
    while True:
        reply = await s.peek.api.call("ListNamespaces", request("ListNamespaces", page_size=100, next_page_token=token))
        found += [each.namespace_info for each in reply.namespaces if s.token in each.namespace_info.name]
        token = reply.next_page_token
        if not token:
            return [f"{info.name.replace('-' + s.token, '')} {info.state}" for info in found]


async def forgotten(hand: Driver) -> None:
    """Waits until nodes no longer find runs by the namespace's old name: those of the reference server learn of it late."""
    async def unknown():
        try:
            await hand.peek.describe()
        except grpc.aio.AioRpcError as error:
            return not error.details().startswith("workflow not found")

    await hand.until(unknown, "the end of the name")


async def unknown_everywhere(hand: Driver) -> None:
    """What requests with the namespace's name are told."""
    await refused(hand.call("DescribeNamespace", namespace=hand.namespace))
    await refused(hand.call("UpdateNamespace", namespace=hand.namespace, update_info={"description": "d"}))
    await refused(hand.start())
    await forgotten(hand)
    await refused(hand.call("ListSearchAttributes"))
    await refused(hand.call("DeleteNamespace"))
    await refused(hand.describe())
    await refused(hand.signal("s"))
    await refused(hand.call("CountWorkflowExecutions"))
    await refused(hand.call("ListWorkflowExecutions"))
    await refused(hand.call("PollWorkflowTaskQueue", task_queue={"name": hand.queue}))


@cases({"by-name": False, "by-id": True})
async def goes(s: Driver, by_id: bool):
    hand, id = await space(s)
    fields = {"namespace": "", "namespace_id": id} if by_id else {}
    name = await deleted(hand, delay=0, **fields)
    s.note("named after its id", name == f"{hand.namespace}-deleted-{id[:5]}")
    await unknown_everywhere(hand)
    await gone(hand, id)
    await unknown_everywhere(hand)
    await refused(hand.call("DescribeNamespace", namespace="", id=id))
    await refused(hand.call("DescribeNamespace", namespace=name))
    s.note("listed", await listed(s))


@scenario
async def is_hidden_while_it_goes(s: Driver):
    hand, id = await space(s)
    name = await deleted(hand)
    await unknown_everywhere(hand)
    s.note("listed", await listed(s))
    await hand.call("DescribeNamespace", namespace="", id=id)
    await hand.call("DescribeNamespace", namespace=name)


@scenario
async def serves_nothing_by_its_new_name(s: Driver):
    hand, _ = await space(s)
    await hand.start()
    there = hand.other("wf", namespace=await deleted(hand))
    await refused(there.describe())
    await refused(there.signal("s"))
    await refused(there.start())
    await refused(there.other("more").start())
    await refused(there.call("TerminateWorkflowExecution", workflow_execution=there.execution))
    await refused(there.call("GetWorkflowExecutionHistory", execution=there.execution))
    await refused(there.call("PollWorkflowTaskQueue", task_queue={"name": there.queue}))
    await refused(there.call("ListWorkflowExecutions"))
    await refused(there.call("CountWorkflowExecutions"))
    await refused(there.call("UpdateNamespace", namespace=there.namespace, update_info={"description": "d"}))
    await refused(there.call("DeprecateNamespace", namespace=there.namespace))
    await refused(there.call("RegisterNamespace", namespace=there.namespace,
                             workflow_execution_retention_period=seconds(DAY)))
    await refused(there.call("ListSearchAttributes"))
    await refused(there.call("AddSearchAttributes", search_attributes={"A": 2}))


@scenario
async def with_runs_of_all_kinds(s: Driver):
    hand, id = await space(s)
    await hand.start()
    await hand.begin(workflow_id_conflict_policy=2)
    await hand.other("open").start()
    await hand.other("delayed").start(workflow_start_delay=seconds(HOUR))
    over = hand.other("over")
    await over.start()
    await over.terminate()
    await deleted(hand, delay=0)
    await gone(hand, id)
    await refused(hand.describe())


@scenario
async def name_is_free_at_once(s: Driver):
    hand, first = await space(s)
    await hand.start()
    await deleted(hand)
    again, second = await space(s)
    s.note("another id", first != second)

    async def empty():
        try:
            await again.peek.describe()
        except grpc.aio.AioRpcError as error:
            return error.code() == grpc.StatusCode.NOT_FOUND

    await s.until(empty, "the new namespace")
    await refused(again.describe())
    await again.call("DescribeNamespace", namespace=again.namespace)
    s.note("listed", await listed(s))
    await deleted(again)
    s.note("listed", await listed(s))


@scenario
async def name_of_one_that_is_gone_is_free(s: Driver):
    hand, first = await space(s)
    await hand.start()
    await hand.call("AddSearchAttributes", search_attributes={"A": 2})
    await deleted(hand, delay=0)
    await gone(hand, first)
    again, _ = await space(s)
    await refused(again.describe())
    await again.call("ListSearchAttributes")
    await again.start()
    await again.describe()


@scenario
async def is_deleted_again(s: Driver):
    hand, id = await space(s)
    name = await deleted(hand)
    await refused(hand.call("DeleteNamespace", namespace=name, namespace_delete_delay=seconds(HOUR)))
    await refused(hand.call("DeleteNamespace", namespace="", namespace_id=id, namespace_delete_delay=seconds(HOUR)))


@cases({"negative": -1, "long": 10 * 365 * DAY})
async def odd_delay(s: Driver, delay: float):
    hand, _ = await space(s)
    await refused(deleted(hand, delay=delay))
