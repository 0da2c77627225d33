"""Schedules on three nodes: every time acts once, whatever is lost; and what the official CLI and SDK do with them."""

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from temporalio import workflow
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import request_response_pb2 as w
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
)
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from harness.clocks import Clocks
from harness.cluster import TEMPORAL, Cluster, wait_until
from harness.rpc import Api, unique

DEADLINE_S = 60
# All nodes are down for this long.
OUTAGE_S = 20


@pytest.fixture
def own(tmp_path, request):
    """Three nodes to be hurt."""
    with Cluster(tmp_path / "cluster") as cluster:
        request.node.servers = cluster
        yield cluster


@pytest.fixture
def clocks(tmp_path, request):
    """Three nodes whose clocks can be moved."""
    cluster = Cluster(tmp_path / "cluster")
    clocks = Clocks(cluster)
    with cluster:
        request.node.servers = cluster
        yield clocks


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
    times, info = await stopped(apis, schedule_id)
    assert_each_second_once(times)
    assert (info.action_count, info.missed_catchup_window) == (len(times), 0)
    # The first one that was made up for was as late as the outage was long, the next one a second less.
    late = lateness(own)
    assert late.sum > OUTAGE_S * (OUTAGE_S - 2) / 2, late


def assert_each_second_once(times: list[datetime]) -> None:
    gaps = [(a, b) for a, b in zip(times, times[1:]) if b - a != timedelta(seconds=1)]
    assert not gaps, "each second once"


@dataclass
class Lateness:
    """How late starts by specifications were sent, since the nodes began."""

    starts: float
    sum: float


def lateness(cluster: Cluster) -> Lateness:
    family = "tenure_schedule_start_lateness_seconds"
    return Lateness(*(sum(node.total(f"{family}_{of}") for node in cluster.nodes) for of in ("count", "sum")))


async def stopped(apis: list[Api], schedule_id: str):
    """Pauses a schedule. What it has started for, and what is told of it then."""
    pause = w.PatchScheduleRequest(namespace="default", schedule_id=schedule_id)
    pause.patch.pause = "enough"
    await asked(apis, "PatchSchedule", pause)
    info = await settled(apis, schedule_id)
    return await times_started(apis, schedule_id), info


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_every_second_acts_once_though_clocks_jump(clocks):
    cluster, apis = clocks.cluster, [Api(address) for address in clocks.cluster.addresses]
    schedule_id = unique("each-second")
    await apis[0].call("CreateSchedule", each_second(schedule_id, overlapPolicy="SCHEDULE_OVERLAP_POLICY_ALLOW_ALL"))
    info = (await acted(apis, schedule_id, 3)).info
    began, ahead = time.time(), 30
    clocks.wrong_by(ahead)
    # What the jump passed over is made up for at once, long before it would have been its time.
    jumped = (await acted(apis, schedule_id, info.action_count + ahead)).info
    assert time.time() - began < ahead / 2, "at once"
    late = lateness(cluster)
    assert ahead * (ahead - 2) / 2 < late.sum < ahead * (ahead + 2), late

    # Backwards: time goes on from where it was, at its pace, so that no second comes a second time.
    clocks.wrong_by(-ahead)
    await acted(apis, schedule_id, jumped.action_count + 5)
    assert time.time() - began < ahead / 2, "time does not stand still"

    # The next leader has another clock than the one before: its time goes on, too.
    leader = cluster.node(cluster.locate(schedule_id)["leader"])
    others = [node for node in cluster.nodes if node is not leader]
    clocks.wrong_by(2 * ahead)
    before = (await acted(apis, schedule_id, jumped.action_count + ahead)).info
    clocks.wrong_by(0, *others)
    leader.kill()
    await acted([api for api, node in zip(apis, cluster.nodes) if node is not leader], schedule_id, before.action_count + 5)
    leader.start()
    await asyncio.to_thread(leader.wait_ready)

    times, info = await stopped(apis, schedule_id)
    assert_each_second_once(times)
    assert (info.action_count, info.missed_catchup_window) == (len(times), 0)


@pytest.mark.tenure
@pytest.mark.own_cluster
async def test_what_a_jump_passed_over_is_missed_beyond_the_catchup_window(clocks):
    cluster, apis = clocks.cluster, [Api(address) for address in clocks.cluster.addresses]
    schedule_id, window, ahead = unique("each-second"), 10, 60
    policies = {"overlapPolicy": "SCHEDULE_OVERLAP_POLICY_ALLOW_ALL", "catchupWindow": f"{window}s"}
    await apis[0].call("CreateSchedule", each_second(schedule_id, **policies))
    await acted(apis, schedule_id, 3)
    clocks.wrong_by(ahead)
    await acted(apis, schedule_id, 3 + window + 3)
    times, info = await stopped(apis, schedule_id)
    gaps = [b - a for a, b in zip(times, times[1:]) if b - a != timedelta(seconds=1)]
    assert len(gaps) == 1, "one jump"
    passed_over = gaps[0] // timedelta(seconds=1) - 1
    assert ahead - window - 2 <= passed_over <= ahead - window + 1, "no more and no less than the window says"
    assert (info.action_count, info.missed_catchup_window) == (len(times), passed_over), "each time is counted"
    assert sum(node.total("tenure_schedule_times_missed_total") for node in cluster.nodes) == passed_over
    assert lateness(cluster).starts == info.action_count


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


# What the official SDK's own tests hold its client and the server to.

MARCH = datetime(2026, 3, 2, tzinfo=timezone.utc)
KEYWORD = SearchAttributeKey.for_keyword("ScheduleKeyword")
HOURLY = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])


def idle(client: Client, spec: ScheduleSpec = HOURLY, state: ScheduleState | None = None, **action) -> Schedule:
    """A schedule that does nothing by itself; nobody works for it."""
    action = {"id": unique("run"), "task_queue": unique("nobody")} | action
    return Schedule(action=ScheduleActionStartWorkflow("T", "x", **action), spec=spec,
                    state=state or ScheduleState(paused=True))


async def until(handle: ScheduleHandle, wanted):
    deadline = time.monotonic() + DEADLINE_S
    while not wanted(description := await handle.describe()):
        assert time.monotonic() < deadline, description
        await asyncio.sleep(0.1)
    return description


async def test_sdk_a_schedule_is_described_as_it_was_made(clients):
    spec = ScheduleSpec(
        calendars=[ScheduleCalendarSpec(
            second=(ScheduleRange(1),), minute=(ScheduleRange(2, 3),), hour=(ScheduleRange(4, 5, 6),),
            day_of_month=(ScheduleRange(7),), month=(ScheduleRange(9),), year=(ScheduleRange(2080),), comment="spec comment 1",
        )],
        intervals=[ScheduleIntervalSpec(every=timedelta(days=10), offset=timedelta(days=2))],
        cron_expressions=["0 12 * * MON"],
        skip=[ScheduleCalendarSpec(year=(ScheduleRange(2050),))],
        start_at=datetime(2060, 7, 8, 9, 10, 11, tzinfo=timezone.utc),
        jitter=timedelta(seconds=80),
    )
    action = ScheduleActionStartWorkflow(
        "T", "some arg", id=unique("run"), task_queue="nobody", execution_timeout=timedelta(hours=1),
        run_timeout=timedelta(minutes=30), task_timeout=timedelta(seconds=9), retry_policy=RetryPolicy(maximum_attempts=3),
        memo={"m": 1},
    )
    policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ONE, catchup_window=timedelta(minutes=5), pause_on_failure=True)
    state = ScheduleState(note="sched note 1", paused=True, limited_actions=True, remaining_actions=30)
    schedule = Schedule(action=action, spec=spec, policy=policy, state=state)
    handle = await clients[0].create_schedule(unique("python"), schedule, memo={"memokey1": "memoval1"})
    found = await clients[1].get_schedule_handle(handle.id).describe()
    assert (found.id, await found.memo()) == (handle.id, {"memokey1": "memoval1"})
    # Cron expressions become calendars, and steps and ends are filled in.
    weekly = ScheduleCalendarSpec(hour=(ScheduleRange(12),), day_of_week=(ScheduleRange(1),))
    spec.calendars, spec.cron_expressions = [*spec.calendars, weekly], []
    assert found.schedule.spec == spec
    assert (found.schedule.policy, found.schedule.state) == (policy, state)
    started = found.schedule.action
    assert (started.workflow, started.id, started.task_queue) == ("T", action.id, "nobody")
    assert (started.execution_timeout, started.run_timeout, started.task_timeout) == (
        action.execution_timeout, action.run_timeout, action.task_timeout)
    assert started.retry_policy.maximum_attempts == 3
    assert len(found.info.next_action_times) == 10 and found.info.next_action_times[0].year == 2060
    assert (found.info.num_actions, found.info.last_updated_at) == (0, None)

    with pytest.raises(ScheduleAlreadyRunningError):
        await clients[0].create_schedule(handle.id, schedule)
    other = idle(clients[0], state=ScheduleState(note="changed", paused=True))
    await handle.update(lambda _: ScheduleUpdate(schedule=other))
    changed = await handle.describe()
    assert (changed.schedule.spec, changed.schedule.policy) == (HOURLY, SchedulePolicy(catchup_window=timedelta(days=365)))
    assert changed.schedule.state == other.state and changed.info.last_updated_at >= changed.info.created_at
    await handle.update(lambda _: None)
    assert (await handle.describe()).info.last_updated_at == changed.info.last_updated_at, "nothing was to be changed"
    await handle.unpause()
    assert (await handle.describe()).schedule.state == ScheduleState(note="Unpaused via Python SDK")
    await handle.pause(note="custom note")
    assert (await handle.describe()).schedule.state == ScheduleState(note="custom note", paused=True)
    await handle.delete()


async def test_sdk_a_calendar_without_a_word_is_each_midnight(clients):
    schedule = idle(clients[0], ScheduleSpec(calendars=[ScheduleCalendarSpec()]), ScheduleState())
    handle = await clients[0].create_schedule(unique("python"), schedule)
    found = await handle.describe()
    assert found.schedule.spec.calendars == [ScheduleCalendarSpec()]
    first = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert found.info.next_action_times == [first + timedelta(days=day) for day in range(10)]
    await handle.delete()


async def test_sdk_a_schedule_acts_as_soon_as_it_is_made(clients):
    made = await clients[0].create_schedule(
        unique("python"), idle(clients[0]), trigger_immediately=True,
        backfill=[ScheduleBackfill(start_at=MARCH, end_at=MARCH + timedelta(hours=2), overlap=ScheduleOverlapPolicy.ALLOW_ALL)],
    )
    # The one at once, and three hours: both ends of a backfill belong to it.
    await until(made, lambda found: found.info.num_actions == 4)
    two = [ScheduleBackfill(start_at=MARCH + timedelta(hours=at), end_at=MARCH + timedelta(hours=at + 1),
                            overlap=ScheduleOverlapPolicy.ALLOW_ALL) for at in (10, 20)]
    await made.backfill(*two)
    found = await until(made, lambda found: found.info.num_actions == 8)
    hours = sorted((it.scheduled_at - MARCH) // timedelta(hours=1) for it in found.info.recent_actions)[:7]
    assert hours == [0, 1, 2, 10, 11, 20, 21]
    await made.delete()


async def test_sdk_a_number_of_actions_is_meant_to_be_one(clients):
    for state in (ScheduleState(limited_actions=True), ScheduleState(remaining_actions=10)):
        with pytest.raises(ValueError, match="limited"):
            await clients[0].create_schedule(unique("python"), idle(clients[0], state=state))
    state = ScheduleState(limited_actions=True, remaining_actions=2)
    each_second = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))])
    schedule = idle(clients[0], each_second, state)
    schedule.policy.overlap = ScheduleOverlapPolicy.ALLOW_ALL
    handle = await clients[0].create_schedule(unique("python"), schedule)
    found = await until(handle, lambda found: found.info.num_actions == 2)
    assert (found.schedule.state.remaining_actions, found.info.next_action_times) == (0, [])
    await asyncio.sleep(2.5)
    assert (await handle.describe()).info.num_actions == 2, "no more"
    await handle.delete()


def keyword(value: str) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(KEYWORD, value)])


async def test_sdk_search_attributes_of_a_schedule_and_of_what_it_starts(clients):
    client, group = clients[0], unique("group")
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes={KEYWORD.name: 2}))
    schedule = idle(client, typed_search_attributes=keyword(f"{group}-run"))
    handle = await client.create_schedule(unique("python"), schedule, search_attributes=keyword(group))
    found = await handle.describe()
    assert found.typed_search_attributes == keyword(group)
    assert found.schedule.action.typed_search_attributes == keyword(f"{group}-run")

    def change(update) -> ScheduleUpdate:
        changed = update.description.schedule
        changed.action.typed_search_attributes = keyword(f"{group}-changed")
        return ScheduleUpdate(schedule=changed)

    await handle.update(change)
    found = await handle.describe()
    assert found.schedule.action.typed_search_attributes == keyword(f"{group}-changed")
    assert found.typed_search_attributes == keyword(group), "not named, it stays"
    await handle.trigger()
    found = await until(handle, lambda found: found.info.num_actions == 1)
    started = found.info.recent_actions[0].action
    run = await client.get_workflow_handle(started.workflow_id, run_id=started.first_execution_run_id).describe()
    assert run.typed_search_attributes[KEYWORD] == f"{group}-changed"

    await handle.update(lambda update: ScheduleUpdate(
        schedule=update.description.schedule, search_attributes=keyword(f"{group}-new")))
    await until(handle, lambda found: found.typed_search_attributes == keyword(f"{group}-new"))
    await handle.update(lambda update: ScheduleUpdate(
        schedule=update.description.schedule, search_attributes=TypedSearchAttributes.empty))
    await until(handle, lambda found: len(found.typed_search_attributes) == 0)
    await handle.delete()


async def test_sdk_schedules_are_listed(clients):
    client, group = clients[0], unique("group")
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes={KEYWORD.name: 2}))
    handles = [
        await client.create_schedule(f"{group}-{at}", idle(client, state=ScheduleState(paused=True, note=f"note {at}")),
                                     memo={"at": at}, search_attributes=keyword(f"{group}-{at % 2}"))
        for at in range(5)
    ]

    async def listed(query: str) -> list:
        found = [entry async for entry in await clients[1].list_schedules(query=query, page_size=2)]
        return sorted(found, key=lambda entry: entry.id)

    deadline = time.monotonic() + DEADLINE_S
    while len(found := await listed(f"ScheduleId STARTS_WITH '{group}'")) < 5:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)
    assert [(entry.id, await entry.memo(), entry.schedule.state.note) for entry in found] == [
        (f"{group}-{at}", {"at": at}, f"note {at}") for at in range(5)]
    assert found[0].schedule.action.workflow == "T" and found[0].schedule.spec == HOURLY
    assert len(found[0].info.next_action_times) > 0
    odd = await listed(f"{KEYWORD.name} = '{group}-1'")
    assert [entry.id for entry in odd] == [f"{group}-1", f"{group}-3"]
    assert odd[0].typed_search_attributes == keyword(f"{group}-1")
    with pytest.raises(RPCError):
        await listed("NoSuch = 1")
    for handle in handles:
        await handle.delete()
    while await listed(f"ScheduleId STARTS_WITH '{group}'"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
