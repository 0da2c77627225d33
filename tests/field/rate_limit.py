"""temporalio/temporal#3145, #7916, cadence-workflow/cadence-java-client#553, temporalio/documentation#1138:
`max_task_queue_activities_per_second`.

Two workers ask for 5 activities a second for the whole queue. Right: 30 activities take some 6 s (bursts of a second
allowed: at least 3.5 s).
"""

from common import *
from temporalio import activity, workflow

at = []


@activity.defn
async def tick() -> None:
    at.append(time.monotonic())


@workflow.defn
class W:
    @workflow.run
    async def run(self, n: int) -> None:
        await asyncio.gather(*(workflow.execute_activity(tick, start_to_close_timeout=S(60)) for _ in range(n)))


async def main():
    a, b = await connect(0), await connect(1)
    queue = fresh("q")
    options = dict(max_task_queue_activities_per_second=5.0, disable_eager_activity_execution=True)
    async with worker(a, queue, [W], [tick], **options), worker(b, queue, [W], [tick], **options):
        await asyncio.sleep(1)
        await asyncio.wait_for(a.execute_workflow(W.run, 30, id=fresh(), task_queue=queue), 60)
    spread = at[-1] - at[0]
    check(
        spread >= 3.5,
        "30 activities at 5 a second are spread",
        f"{spread:.2f} s; by second {[len([t for t in at if i <= t - at[0] < i + 1]) for i in range(int(spread) + 1)]}",
    )


go(main, 80)
