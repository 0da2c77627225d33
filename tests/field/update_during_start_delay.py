"""An update that reaches a run whose start is delayed (start_delay of an hour) gets the first workflow task; the run
goes on from there.

Found with the official Go SDK's integration tests: accepted or rejected, the update is answered, and then no further
workflow task comes: a timer that fired and an activity that completed wait for the end of the hour.
"""

from common import *
from temporalio import activity, workflow
from temporalio.client import WorkflowUpdateFailedError


@activity.defn
async def work() -> str:
    return "done"


@workflow.defn
class Delayed:
    @workflow.run
    async def run(self, how: str) -> str:
        if how == "timer":
            await asyncio.sleep(0.5)
        else:
            return await workflow.execute_activity(work, start_to_close_timeout=S(5))
        return "done"

    @workflow.update
    async def change(self, good: bool) -> str:
        return "changed"

    @change.validator
    def only_good(self, good: bool) -> None:
        if not good:
            raise ValueError("not this one")


async def main():
    client = await connect()
    queue = fresh("q")
    async with worker(client, queue, [Delayed], [work]):
        for how in ("timer", "activity"):
            for good in (True, False):
                handle = await client.start_workflow(
                    Delayed.run, how, id=fresh("delayed"), task_queue=queue, start_delay=S(3600)
                )
                try:
                    answer = await asyncio.wait_for(handle.execute_update(Delayed.change, good), 20)
                except WorkflowUpdateFailedError:
                    answer = "rejected"
                check(
                    answer == ("changed" if good else "rejected"),
                    f"the update is answered ({how}, good={good})",
                    answer,
                )
                try:
                    result = await asyncio.wait_for(handle.result(), 10)
                except TimeoutError:
                    result = "still open: " + " ".join(kinds(await history(client, handle.id)))
                check(result == "done", f"the run goes on to its end ({how}, good={good})", result)


go(main)
