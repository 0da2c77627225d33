"""Search attributes that are added and removed while runs have them: what descriptions, lists and queries tell then."""

import re

import grpc

from harness.commands import request

from ..driver import Driver, refused
from ..registry import cases, scenario
from .search_attributes import TYPES, given, listed, space, tried, value


async def counted(s: Driver, query: str, count: int) -> None:
    async def right():
        try:
            asked = request("CountWorkflowExecutions", namespace=s.namespace, query=query)
            return (await s.peek.api.call("CountWorkflowExecutions", asked)).count == count
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                raise
            return False

    await s.until(right, f"{count} of {query}")


async def refused_everywhere(s: Driver, name: str) -> None:
    """Until nodes know no such attribute any more."""
    async def unknown():
        try:
            await s.peek.api.call("CountWorkflowExecutions", request(
                "CountWorkflowExecutions", namespace=s.namespace, query=f"{name} IS NULL"))
            return False
        except grpc.aio.AioRpcError as error:
            return error.code() == grpc.StatusCode.INVALID_ARGUMENT

    await s.until(unknown, f"the end of {name}")


async def having(s: Driver, **fields) -> Driver:
    """A run with search attributes in a namespace of its own, that a count finds."""
    hand = await space(s)
    await hand.call("TerminateWorkflowExecution", workflow_execution={"workflow_id": s.unique("probe")})
    await hand.start(**given(**{name: value(each) for name, each in fields.items()}))
    await counted(hand, f"WorkflowId = '{hand.id}'", 1)
    return hand


def apart_from_columns(attributes) -> dict[str, str]:
    """The reference server shows a value whose attribute is gone by the column that it happens to stand in."""
    return {re.sub(r"\d\d$", "NN", name): f"{found.metadata['type'].decode()} {found.data.decode()}"
            for name, found in attributes.indexed_fields.items()}


async def shown(s: Driver) -> None:
    s.vague.add("search_attributes")
    described = (await s.peek.describe()).workflow_execution_info
    listed = await s.peek.api.call("ListWorkflowExecutions", request(
        "ListWorkflowExecutions", namespace=s.namespace, query=f"WorkflowId = '{s.id}'"))
    started = (await s.peek.events())[0].workflow_execution_started_event_attributes
    s.note("description", apart_from_columns(described.search_attributes))
    s.note("list", apart_from_columns(listed.executions[0].search_attributes))
    s.note("history", apart_from_columns(started.search_attributes))


@cases({name: (f"My{name}", given, condition) for name, given, condition in (
    ("Text", "t", "= 't'"), ("Keyword", "k", "= 'k'"), ("Int", 3, "= 3"), ("Double", 1.5, "= 1.5"), ("Bool", True, "= true"),
    ("Datetime", "2024-01-02T03:04:05Z", "> '2024-01-01T00:00:00Z'"), ("KeywordList", ["a", "b"], "= 'a'"),
)})
async def removed(s: Driver, name: str, found, condition: str):
    hand = await having(s, **{name: found})
    query = f"{name} {condition}"
    await hand.call("CountWorkflowExecutions", query=query)
    await hand.call("RemoveSearchAttributes", search_attributes=[name])
    await refused_everywhere(hand, name)
    await refused(hand.call("CountWorkflowExecutions", query=query))
    await refused(hand.call("ListWorkflowExecutions", query=f"NOT {query}"))
    await shown(hand)
    await refused(hand.other("more").start(**given(**{name: value(found)})))


@scenario
async def added_again_with_another_type(s: Driver):
    hand = await having(s, MyKeyword="k")
    await hand.call("RemoveSearchAttributes", search_attributes=["MyKeyword"])
    await refused_everywhere(hand, "MyKeyword")
    await hand.call("AddSearchAttributes", search_attributes={"MyKeyword": TYPES["Int"]})
    probe = hand.other("probe", queue="probes")
    await tried(s, lambda: probe.peek.start(**given(MyKeyword=value(5))), "the attribute")
    await counted(hand, "MyKeyword = 5", 1)
    for condition in ("= 'k'", "= 5", "IS NULL"):
        await refused(hand.call("CountWorkflowExecutions", query=f"MyKeyword {condition}"))
    await shown(hand)
    await hand.call("ListSearchAttributes")


@scenario
async def closes_after_its_attribute_is_gone(s: Driver):
    hand = await having(s, MyKeyword="k", MyInt=1)
    await hand.call("RemoveSearchAttributes", search_attributes=["MyKeyword"])
    await refused_everywhere(hand, "MyKeyword")
    await hand.finish()
    await counted(hand, f"WorkflowId = '{hand.id}' AND ExecutionStatus = 'Completed'", 1)
    await shown(hand)


@cases({name: (name, most) for name, most in (
    ("Text", 3), ("Keyword", 10), ("Int", 3), ("Double", 3), ("Bool", 3), ("Datetime", 3), ("KeywordList", 3),
)})
async def as_many_as_one_likes(s: Driver, name: str, most: int):
    """Of a type; those that the reference server has columns for, and one more."""
    hand = await space(s)
    await hand.call("RemoveSearchAttributes", search_attributes=[f"My{name}"])

    async def without():
        return f"My{name}" not in (await listed(hand)).custom_attributes

    await s.until(without, "the removal")
    await hand.call("AddSearchAttributes", search_attributes={f"A{number}": TYPES[name] for number in range(most)})

    async def all_there():
        return len((await listed(hand)).custom_attributes) == most + len(TYPES) - 1

    await s.until(all_there, "the attributes")
    await refused(hand.call("AddSearchAttributes", search_attributes={"OneMore": TYPES[name]}))
    await refused(hand.call("AddSearchAttributes", search_attributes={"A0": TYPES[name]}))


@scenario
async def added_where_a_run_waits_to_use_it(s: Driver):
    hand = await space(s)
    await refused(hand.start(**given(Later=value("x"))))
    await hand.call("AddSearchAttributes", search_attributes={"Later": TYPES["Keyword"]})
    await tried(s, lambda: hand.peek.start(**given(Later=value("x"))), "the attribute")
    await counted(hand, "Later = 'x'", 1)
    await hand.call("CountWorkflowExecutions", query="Later = 'x'")
    await hand.call("CountWorkflowExecutions", query="Later IS NULL")
