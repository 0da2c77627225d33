"""What a program finds: lists as a stream, counts, and groups of them."""

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.service import RPCError, RPCStatusCode

from harness.rpc import unique
from harness.stage import Stage, eventually

pytestmark = pytest.mark.needs("lists")


@workflow.defn
class Short:
    @workflow.run
    async def run(self, wait: bool) -> str:
        await workflow.wait_condition(lambda: not wait)
        return "done"


async def played(stage: Stage, count: int) -> tuple[list[str], str]:
    """Ids of runs, every other one of which is completed, and the query that finds them."""
    prefix = unique("short")
    ids = [f"{prefix}-{number:02}" for number in range(count)]
    async with stage.worker(Short):
        for number, id in enumerate(ids):
            handle = await stage.start(Short.run, number % 2 == 1, id=id, memo={"number": number})
            if number % 2 == 0:
                await handle.result()
    query = f"WorkflowId STARTS_WITH '{prefix}'"

    async def all_there():
        found = await stage.client.count_workflows(f"{query} GROUP BY ExecutionStatus")
        return {group.group_values[0]: group.count for group in found.groups} == {
            "Running": count // 2, "Completed": (count + 1) // 2}

    await eventually(all_there, 30)
    return ids, query


@pytest.mark.short
async def test_list_is_a_stream_over_all_pages(stage):
    ids, query = await played(stage, 23)
    for page_size in (1000, 5, 23):
        assert sorted([each.id async for each in stage.client.list_workflows(query, page_size=page_size)]) == ids
    listed = [each async for each in stage.client.list_workflows(f"{query} AND ExecutionStatus = 'Completed'")]
    assert sorted(each.id for each in listed) == ids[::2]
    assert all(each.status == Status.COMPLETED and each.close_time and each.workflow_type == "Short" for each in listed)
    assert {each.id: await each.memo_value("number") for each in listed} == {ids[n]: n for n in range(0, 23, 2)}
    assert len([each async for each in stage.client.list_workflows(query, limit=4)]) == 4


async def test_counts_in_groups(stage):
    _, query = await played(stage, 4)
    assert (await stage.client.count_workflows(query)).count == 4
    counted = await stage.client.count_workflows(f"{query} GROUP BY ExecutionStatus")
    assert (counted.count, sorted((*group.group_values, group.count) for group in counted.groups)) == (
        4, [("Completed", 2), ("Running", 2)])


async def test_histories_of_what_a_list_finds(stage):
    ids, query = await played(stage, 4)
    histories = [each async for each in stage.client.list_workflows(query).map_histories()]
    assert sorted(each.workflow_id for each in histories) == ids
    assert all(each.events[0].HasField("workflow_execution_started_event_attributes") for each in histories)


async def test_refused_query(stage):
    with pytest.raises(RPCError, match="invalid search attribute: NoSuch") as refused:
        await anext(aiter(stage.client.list_workflows("NoSuch = 1")))
    assert refused.value.status == RPCStatusCode.INVALID_ARGUMENT
    with pytest.raises(RPCError, match="syntax error"):
        await stage.client.count_workflows("WorkflowType =")
