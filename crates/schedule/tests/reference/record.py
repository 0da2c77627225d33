"""Records what a reference server makes of schedule specs, as `tests/answers.rs` compares it: a line of JSON for each.

    temporal server start-dev --headless --port 17233 &
    python record.py --address 127.0.0.1:17233 --seed 7 --count 500 > answers.jsonl

Specs are made at random from the seed, which is in the first line, besides some that are written out in `cases.py`. Each
is created as a paused schedule, described, asked for its times in some windows of ten years (among them days on which
clocks change, and leap days), and deleted.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import sys
from datetime import timedelta

from cases import CASES, instant, random_spec, windows
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowType
from temporalio.api.schedule.v1 import Schedule, ScheduleAction, ScheduleSpec, ScheduleState
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import NewWorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeNamespaceRequest,
    DescribeScheduleRequest,
    ListScheduleMatchingTimesRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

NAMESPACE = "default"
# Times of a window that are kept.
KEPT = 25
# How long the reference server may think about one that excludes much.
PATIENCE = timedelta(seconds=4)


def encoded(message) -> str:
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def milliseconds(times: list[Timestamp]) -> list[int]:
    return [time.seconds * 1000 + time.nanos // 1_000_000 for time in times]


def runs(times: list[int]) -> str:
    """Seconds to the first time and from each to the next, `60*3` for three times 60; of others than whole seconds, `5m`
    for 5 milliseconds."""
    steps: list[list[int]] = []
    for earlier, later in zip([0, *times], times):
        if steps and steps[-1][0] == later - earlier:
            steps[-1][1] += 1
        else:
            steps.append([later - earlier, 1])
    lengths = [f"{step}m" if step % 1000 else str(step // 1000) for step, _ in steps]
    return " ".join(length + (f"*{count}" if count > 1 else "") for length, (_, count) in zip(lengths, steps))


class Reference:
    def __init__(self, client: Client):
        self.service = client.workflow_service

    async def answer(self, spec: ScheduleSpec, schedule_id: str, spans: list[tuple[int, int]]) -> dict:
        answer = {"id": schedule_id, "spec": encoded(spec), "words": str(spec).replace("\n", " ")[:100]}
        try:
            await self.create(spec, schedule_id)
        except RPCError as error:
            return {**answer, "code": error.status.name, "message": error.message}
        request = DescribeScheduleRequest(namespace=NAMESPACE, schedule_id=schedule_id)
        described = (await self.service.describe_schedule(request, timeout=PATIENCE)).schedule.spec
        if described != spec:
            answer["canonical"] = encoded(described)
        answer["windows"] = [await self.window(schedule_id, *span) for span in spans]
        await self.service.delete_schedule(DeleteScheduleRequest(namespace=NAMESPACE, schedule_id=schedule_id))
        return answer

    async def create(self, spec: ScheduleSpec, schedule_id: str) -> None:
        start = NewWorkflowExecutionInfo(
            workflow_id="w", workflow_type=WorkflowType(name="w"), task_queue=TaskQueue(name="q")
        )
        schedule = Schedule(spec=spec, action=ScheduleAction(start_workflow=start), state=ScheduleState(paused=True))
        request = CreateScheduleRequest(
            namespace=NAMESPACE, schedule_id=schedule_id, request_id=schedule_id, schedule=schedule
        )
        await self.service.create_schedule(request)

    async def window(self, schedule_id: str, start: int, end: int) -> dict:
        request = ListScheduleMatchingTimesRequest(
            namespace=NAMESPACE,
            schedule_id=schedule_id,
            start_time=Timestamp(seconds=start),
            end_time=Timestamp(seconds=end),
        )
        try:
            listed = await self.service.list_schedule_matching_times(request, timeout=PATIENCE)
            times = milliseconds(listed.start_time)
        except RPCError as error:
            if error.status != RPCStatusCode.INVALID_ARGUMENT:
                raise
            return {"from": start, "to": end, "code": error.status.name, "message": error.message}
        # Where there are more than are kept, the window ends at the last that is.
        if len(times) > KEPT:
            times = times[:KEPT]
            end = times[-1] // 1000
            times = [time for time in times if time <= end * 1000]
        return {"from": start, "to": end, "times": runs(times)}


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=500)
    arguments = parser.parse_args()
    client = await Client.connect(arguments.address)
    reference = Reference(client)
    described = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
    head = {"seed": arguments.seed, "count": arguments.count, "namespace_id": described.namespace_info.id}
    print(json.dumps(head))
    print(f"seed {arguments.seed}", file=sys.stderr)
    choice = random.Random(arguments.seed)
    day = instant(2027)
    for number, spec in enumerate(CASES):
        answer = await reference.answer(spec, f"case-{number}-{arguments.seed}", [(day, day + 40 * 86400)])
        print(json.dumps(answer), flush=True)
    for number in range(arguments.count):
        spec = random_spec(choice)
        spans = windows(choice, spec.timezone_name)
        try:
            print(json.dumps(await reference.answer(spec, f"random-{number}-{arguments.seed}", spans)), flush=True)
        except RPCError as error:
            print(f"no answer: {error.message}: {spec}", file=sys.stderr)
    # The client's threads outlive the loop.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
