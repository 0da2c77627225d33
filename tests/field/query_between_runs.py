"""Queries to a workflow that has just continued as new, is about to be retried, or starts with a delay.

Right: between two runs of a chain there is at most a second without a task; a query waits that long and is answered (as
the reference does), so that somebody who queries an entity workflow all the time hears no errors.
"""

from common import *
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError


@workflow.defn
class Entity:
    @workflow.run
    async def run(self, n: int) -> int:
        await workflow.sleep(0.2)
        if n < 6:
            workflow.continue_as_new(n + 1)
        return n

    @workflow.query
    def q(self) -> str:
        return "here"


@workflow.defn
class Retried:
    @workflow.run
    async def run(self) -> int:
        await workflow.sleep(0.2)
        if workflow.info().attempt < 5:
            raise ApplicationError("again")
        return workflow.info().attempt

    @workflow.query
    def q(self) -> str:
        return "here"


async def main():
    clients = [await connect(i) for i in range(3)]
    queue = fresh("q")
    async with worker(clients[0], queue, [Entity, Retried]):
        for name, start in (
            (
                "continues as new every 0.2 s",
                lambda: clients[0].start_workflow(Entity.run, 1, id=fresh(), task_queue=queue),
            ),
            (
                "is retried after 0.5 s",
                lambda: clients[0].start_workflow(
                    Retried.run,
                    id=fresh(),
                    task_queue=queue,
                    retry_policy=RetryPolicy(initial_interval=S(0.5), backoff_coefficient=1.0, maximum_attempts=5),
                ),
            ),
        ):
            handle = await start()
            result = asyncio.create_task(handle.result())
            errors, answers, slowest = [], 0, 0.0
            i = 0
            while not result.done():
                began = time.monotonic()
                try:
                    await clients[i % 3].get_workflow_handle(handle.id).query(Entity.q, rpc_timeout=S(5))
                    answers += 1
                except Exception as error:
                    errors.append(f"{type(error).__name__}: {error}")
                slowest = max(slowest, time.monotonic() - began)
                i += 1
                await asyncio.sleep(0.05)
            check(
                not errors,
                f"a workflow that {name}: every query is answered",
                f"{answers} answered, {len(errors)} not: {sorted(set(errors))}; the slowest {slowest:.2f} s",
            )
        delayed = await clients[0].start_workflow(Entity.run, 6, id=fresh(), task_queue=queue, start_delay=S(0.6))
        try:
            got = await delayed.query(Entity.q, rpc_timeout=S(5))
        except Exception as error:
            got = str(error)
        check(got == "here", "one that starts in 0.6 s", got)
        delayed = await clients[0].start_workflow(Entity.run, 6, id=fresh(), task_queue=queue, start_delay=S(20))
        took = []
        with timed(took):
            try:
                got = await delayed.query(Entity.q, rpc_timeout=S(5))
            except Exception as error:
                got = str(error)
        note(f"one that starts in 20 s: {got}; {took[0]:.2f} s")


go(main, 60)
