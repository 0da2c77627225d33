"""Schedules on three nodes: every time acts once, whatever is lost; and what the official CLI and SDK do with them."""

import asyncio
import json
import subprocess
import time
from datetime import datetime, timedelta, timezone

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from temporalio import workflow
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness.cluster import TEMPORAL, Cluster, wait_until
from harness.rpc import Api, unique

DEADLINE_S = 60
# All nodes are down for this long.
OUTAGE_S = 5


@pytest.fixture
def own(tmp_path, request):
    """Three nodes to be hurt."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        yield cluster


def each_second(schedule_id: str, **policies) -> w.CreateScheduleRequest:
    action = {"startWorkflow": {"workflowId": schedule_id, "workflowType": {"name": "T"}, "taskQueue": {"name": "q"}}}
    schedule = {"spec": {"interval": [{"interval": "1s"}]}, "action": action, "policies": policies}
    request = {"namespace": "default", "scheduleId": schedule_id, "requestId": "create", "schedule": schedule}
    return ParseDict(request, w.CreateScheduleRequest())


async def asked(apis: list[Api], method: str, request):
    """The answer of the first node that gives one."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        for api in apis:
            try:
                return await api.call(method, request, 5)
            except grpc.RpcError as error:
                if time.monotonic() > deadline:
                    raise
                last = error
        assert last.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), last
        await asyncio.sleep(0.1)


async def described(apis: list[Api], schedule_id: str):
    return await asked(apis, "DescribeSchedule", w.DescribeScheduleRequest(namespace="default", schedule_id=schedule_id))


async def acted(apis: list[Api], schedule_id: str, actions: int):
    """The description, once there are so many actions."""
    deadline = time.monotonic() + DEADLINE_S
    while (found := await described(apis, schedule_id)).info.action_count < actions:
        assert time.monotonic() < deadline, found.info
        await asyncio.sleep(0.1)
    return found


async def times_started(apis: list[Api], schedule_id: str) -> list[datetime]:
    """The times that the workflows of a schedule were started for, in order."""
    times, token = [], b""
    while True:
        page = await asked(apis, "ListWorkflowExecutions", w.ListWorkflowExecutionsRequest(
            namespace="default", query=f"TemporalScheduledById = '{schedule_id}'", next_page_token=token,
        ))
        for run in page.executions:
            payload = run.search_attributes.indexed_fields["TemporalScheduledStartTime"]
            times.append(datetime.fromisoformat(json.loads(payload.data)))
        token = page.next_page_token
        if not token:
            return sorted(times)


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_every_second_acts_once_through_the_loss_of_leaders_and_of_everything(own):
    apis = [Api(address) for address in own.addresses]
    schedule_id = unique("each-second")
    await apis[0].call("CreateSchedule", each_second(schedule_id, overlapPolicy="SCHEDULE_OVERLAP_POLICY_ALLOW_ALL"))
    await acted(apis, schedule_id, 3)
    leader = own.node(own.locate(schedule_id)["leader"])
    leader.kill()
    await acted(apis, schedule_id, 8)
    leader.start()
    await asyncio.to_thread(leader.wait_ready)
    for node in own.nodes:
        node.kill()
    down = time.monotonic()
    await asyncio.to_thread(wait_until, lambda: time.monotonic() - down > OUTAGE_S, DEADLINE_S, "the outage is over")
    for node in own.nodes:
        node.start()
    for node in own.nodes:
        await asyncio.to_thread(node.wait_ready)
    before = (await described(apis, schedule_id)).info.action_count
    await acted(apis, schedule_id, before + 3)
    pause = w.PatchScheduleRequest(namespace="default", schedule_id=schedule_id)
    pause.patch.pause = "enough"
    await asked(apis, "PatchSchedule", pause)
    info = await settled(apis, schedule_id)
    times = await times_started(apis, schedule_id)
    gaps = [(a, b) for a, b in zip(times, times[1:]) if b - a != timedelta(seconds=1)]
    assert not gaps, "each second once"
    assert (info.action_count, info.missed_catchup_window) == (len(times), 0)


async def settled(apis: list[Api], schedule_id: str):
    """What is told of a schedule once nothing of it is on its way."""
    last = None
    while True:
        info = (await described(apis, schedule_id)).info
        if info == last and info.buffer_size == 0:
            return info
        last = info
        await asyncio.sleep(0.5)


@pytest.mark.tenure
async def test_the_official_cli_does_all_that_it_can(cluster):
    schedule_id = unique("cli")

    def temporal(*arguments: str) -> dict | list:
        command = [TEMPORAL, "schedule", *arguments, "--address", cluster.addresses[0], "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}

    temporal("create", "--schedule-id", schedule_id, "--cron", "30 2 * * MON-FRI", "--time-zone", "Europe/Berlin",
             "--workflow-id", schedule_id, "--type", "T", "--task-queue", "q", "--overlap-policy", "BufferAll", "--paused")
    told = temporal("describe", "--schedule-id", schedule_id)
    assert told["schedule"]["state"]["paused"] and len(told["info"]["futureActionTimes"]) == 10, told
    temporal("trigger", "--schedule-id", schedule_id)
    temporal("toggle", "--schedule-id", schedule_id, "--unpause", "--reason", "now")
    temporal("backfill", "--schedule-id", schedule_id, "--start-time", "2026-03-02T00:00:00Z",
             "--end-time", "2026-03-04T00:00:00Z", "--overlap-policy", "AllowAll")

    def both_started() -> bool:
        return int(temporal("describe", "--schedule-id", schedule_id)["info"].get("actionCount", 0)) == 3

    await asyncio.to_thread(wait_until, both_started, DEADLINE_S, "the trigger and two times of the backfill are started")
    temporal("update", "--schedule-id", schedule_id, "--interval", "1d", "--workflow-id", schedule_id, "--type", "T",
             "--task-queue", "q")
    assert temporal("describe", "--schedule-id", schedule_id)["schedule"]["spec"]["interval"]
    assert schedule_id in json.dumps(temporal("list", "--query", f"ScheduleId = '{schedule_id}'"))
    temporal("delete", "--schedule-id", schedule_id)
    assert schedule_id not in json.dumps(temporal("list", "--query", f"ScheduleId = '{schedule_id}'"))


@workflow.defn
class Counts:
    @workflow.run
    async def run(self, name: str) -> int:
        return (workflow.get_last_completion_result(int) or 0) + 1


async def test_the_python_sdk_makes_changes_and_follows_schedules(clients: list[Client]):
    client, schedule_id, queue = clients[0], unique("python"), unique("q")
    action = ScheduleActionStartWorkflow(Counts.run, "x", id=schedule_id, task_queue=queue)
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
    state = ScheduleState(paused=True, note="made")
    async with Worker(client, task_queue=queue, workflows=[Counts], workflow_runner=UnsandboxedWorkflowRunner()):
        handle = await client.create_schedule(schedule_id, Schedule(action=action, spec=spec, state=state),
                                              memo={"m": "v"})
        for expected in (1, 2, 3):
            await handle.trigger(overlap=ScheduleOverlapPolicy.BUFFER_ALL)
            deadline = time.monotonic() + DEADLINE_S
            while True:
                info = (await handle.describe()).info
                if info.num_actions == expected and not info.running_actions:
                    break
                assert time.monotonic() < deadline, info
                await asyncio.sleep(0.1)
            last = info.recent_actions[-1].action
            run = client.get_workflow_handle(last.workflow_id, run_id=last.first_execution_run_id, result_type=int)
            assert await run.result() == expected, "it goes on from the result of the one before"
        begin = datetime(2026, 3, 2, tzinfo=timezone.utc)
        await handle.backfill(ScheduleBackfill(start_at=begin, end_at=begin + timedelta(days=2),
                                               overlap=ScheduleOverlapPolicy.ALLOW_ALL))

        async def paused(update) -> ScheduleUpdate:
            changed = update.description.schedule
            changed.spec.intervals[0].every = timedelta(hours=1)
            return ScheduleUpdate(schedule=changed)

        await handle.update(paused)
        await handle.unpause(note="goes on")
        description = await handle.describe()
        assert description.schedule.spec.intervals[0].every == timedelta(hours=1)
        assert (description.schedule.state.paused, description.schedule.state.note) == (False, "goes on")
        assert await description.memo_value("m") == "v"
        listed = [entry async for entry in await client.list_schedules(query=f"ScheduleId = '{schedule_id}'")]
        assert [entry.id for entry in listed] == [schedule_id]
        await handle.delete()
        with pytest.raises(Exception, match="schedule not found|not found"):
            await handle.describe()
