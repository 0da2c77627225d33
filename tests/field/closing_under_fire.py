"""temporalio/temporal#1289, #4764, #8097, temporalio/omes#12: signals come faster than a workflow task takes.

A workflow continues as new after 20 signals; its tasks take some 50 ms (a local activity); 4 senders signal without a
pause for 15 seconds. Right: the chain gets on while the flood lasts (the reference turns signals away for a moment once
a completion was refused because of them, and the SDK tries again), no sender hears an error, nothing is lost.
"""

from common import *
from temporalio import activity, workflow


@activity.defn
async def work() -> None:
    await asyncio.sleep(0.05)


@workflow.defn
class Entity:
    def __init__(self):
        self.inbox = []

    @workflow.run
    async def run(self, got: int, runs: int) -> list:
        taken = 0
        while True:
            await workflow.wait_condition(lambda: bool(self.inbox))
            n, self.inbox = self.inbox, []
            await workflow.execute_local_activity(work, start_to_close_timeout=S(5))
            taken += len(n)
            got += len([x for x in n if x != "end"])
            if "end" in n:
                return [got, runs]
            if taken >= 20 and not self.inbox:
                workflow.continue_as_new(args=[got, runs + 1])

    @workflow.signal
    async def put(self, what: str) -> None:
        self.inbox.append(what)


async def main():
    client = await connect(0)
    queue, wid = fresh("q"), fresh("entity")
    async with worker(client, queue, [Entity], [work]):
        handle = await client.start_workflow(Entity.run, args=[0, 1], id=wid, task_queue=queue)
        errors, sent, runs, slowest = [], 0, [], 0.0
        end = time.monotonic() + float(os.environ.get("FIRE_SECONDS", "15"))

        async def send(k):
            nonlocal sent, slowest
            mine = (await connect(k)).get_workflow_handle(wid)
            while time.monotonic() < end:
                began = time.monotonic()
                try:
                    await mine.signal(Entity.put, f"{k}")
                    sent += 1
                except Exception as error:
                    errors.append(repr(error))
                slowest = max(slowest, time.monotonic() - began)

        async def watch():
            while time.monotonic() < end:
                d = (await client.get_workflow_handle(wid).describe()).raw_description
                if not runs or runs[-1][0] != d.workflow_execution_info.execution.run_id:
                    runs.append([d.workflow_execution_info.execution.run_id, 0, 0])
                runs[-1][1] = d.workflow_execution_info.history_length
                runs[-1][2] = max(runs[-1][2], d.pending_workflow_task.attempt)
                await asyncio.sleep(0.25)

        await asyncio.gather(watch(), *(send(k) for k in range(4)))
        note(
            f"{sent} signals, {len(errors)} errors {errors[:2]}, the slowest {slowest:.1f} s; (events) of the runs seen: {[r[1] for r in runs]}"
        )
        check(not errors, "no sender hears an error", len(errors))
        check(
            len(runs) >= 3,
            "the chain gets on under fire",
            f"{len(runs)} runs seen, the longest of {max(r[1] for r in runs)} events",
        )
        await client.get_workflow_handle(wid).signal(Entity.put, "end")
        got, n = await asyncio.wait_for(handle.result(), 30)
        check(got == sent, "each signal is told once", f"{got} of {sent} in {n} runs")
        longest = runs[-1][0]
        events = await history(client, wid, runs[0][0])
        note(
            f"first run: failed tasks {kinds(events).count('WORKFLOW_TASK_FAILED')} of {kinds(events).count('WORKFLOW_TASK_STARTED')}"
        )


go(main, 60 + float(os.environ.get("FIRE_SECONDS", "15")))
