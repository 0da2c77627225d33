"""temporalio/sdk-java#898 (a retry policy with maximum < initial interval is refused by the server again and again) and
temporalio/temporal#1303 (back-off for workflow tasks), temporalio/temporal#7296.

Right: the reason is in history and in describe; retries of the task slow down instead of keeping worker and cluster
busy; a query is answered with a clear error; the workflow goes on once the worker is repaired.
"""

from common import *
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

tries = []
repaired = False


@activity.defn
async def hello() -> str:
    return "hello"


@workflow.defn
class Misconfigured:
    @workflow.run
    async def run(self) -> str:
        tries.append(time.monotonic())
        policy = None if repaired else RetryPolicy(initial_interval=S(10), maximum_interval=S(1))
        if policy:
            object.__setattr__(policy, "_validate", lambda: None)
        return await workflow.execute_activity(hello, start_to_close_timeout=S(5), retry_policy=policy)

    @workflow.query
    def q(self) -> int:
        return 1


async def main():
    global repaired
    client = await connect(0)
    queue = fresh("q")
    RetryPolicy._validate = lambda self: None  # what sdk-java#898 lacked
    async with worker(client, queue, [Misconfigured], [hello]):
        handle = await client.start_workflow(Misconfigured.run, id=fresh(), task_queue=queue, task_timeout=S(5))
        began = time.monotonic()
        await asyncio.sleep(10)
        description = (await handle.describe()).raw_description
        pending = description.pending_workflow_task
        count = len([t for t in tries if t - began < 10])
        note(
            f"10 s: the workflow function ran {count} times; attempt {pending.attempt}; by second {[len([t for t in tries if i <= t - began < i + 1]) for i in range(10)]}"
        )
        events = await history(client, handle.id)
        note(str(kinds(events)))
        messages = [
            e.workflow_task_failed_event_attributes.failure.message
            for e in events
            if kinds([e]) == ["WORKFLOW_TASK_FAILED"]
        ]
        check(any("MaximumInterval" in m for m in messages), "the reason is in history", messages[:1])
        check(count <= 12, "retries slow down", f"{count} in 10 s")
        took = []
        with timed(took):
            try:
                note(f"query: {await handle.query(Misconfigured.q, rpc_timeout=S(8))}")
            except Exception as error:
                note(f"query: {error}")
        check(took[0] < 3, "a query hears something soon", f"{took[0]:.2f} s")
        repaired = True
        try:
            check(await asyncio.wait_for(handle.result(), 30) == "hello", "goes on once repaired")
        except TimeoutError:
            check(False, "goes on within 30 s once repaired")


go(main, 80)
