"""Timers: firing, cancelling, ids used again."""

from harness.commands import command
from harness.hand import cancel_timer, complete_workflow, marker, start_timer
from harness.rpc import payloads, seconds

from ..driver import Driver, refused
from ..registry import cases, scenario


@scenario
async def fires(s: Driver):
    await s.start()
    await s.step(start_timer("t", 1))
    await s.finish()


@scenario
async def fire_in_order_of_their_times(s: Driver):
    await s.start()
    await s.step(start_timer("late", 4), start_timer("early", 1))
    await s.step()
    await s.finish()


@scenario
async def canceled(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600), start_timer("u", 600))
    await s.signal("s")
    await s.step(cancel_timer("t"))
    await s.describe()


@scenario
async def canceled_in_the_task_that_started_it(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600), cancel_timer("t"))
    await s.describe()


@scenario
async def canceled_and_started_again_in_one_task(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600))
    await s.signal("s")
    await s.step(cancel_timer("t"), start_timer("t", 1))
    await s.finish()


@scenario
async def id_is_free_again_after_firing(s: Driver):
    await s.start()
    await s.step(start_timer("t", 1))
    await s.step(start_timer("t", 1))
    await s.finish()


@scenario
async def canceled_when_it_has_fired_unseen(s: Driver):
    await s.start()
    await s.step(start_timer("t", 1))
    await s.signal("s")
    task = await s.poll()
    await s.no_sooner(1.8)
    await s.complete(task, cancel_timer("t"), marker("m"))
    await s.describe()


@scenario
async def closed_over_a_timer_that_fired_unseen(s: Driver):
    await s.start()
    await s.step(start_timer("t", 1))
    await s.signal("s")
    task = await s.poll()
    await s.no_sooner(1.8)
    await refused(s.complete(task, complete_workflow()))
    await s.finish()


@scenario
async def canceled_after_firing(s: Driver):
    await s.start()
    await s.step(start_timer("t", 1))
    task = await s.poll()
    await refused(s.complete(task, cancel_timer("t")))
    await s.finish()


@scenario
async def with_a_summary(s: Driver):
    await s.start()
    await s.step(command("START_TIMER", timer_id="t", start_to_fire_timeout=seconds(600),
                         user_metadata={"summary": payloads("sum").payloads[0]}))


@scenario
async def open_at_the_end(s: Driver):
    await s.start()
    await s.step(start_timer("t", 600), complete_workflow("out"))
    await s.describe()


@scenario
async def fires_after_a_cancel_request(s: Driver):
    await s.start()
    await s.step(start_timer("t", 2))
    await s.request_cancel()
    await s.step()
    await s.finish()


@cases({"none": {}, "zero": {"start_to_fire_timeout": seconds(0)}})
async def without_a_time_fires_at_once(s: Driver, fields: dict):
    await s.start()
    await s.step(command("START_TIMER", timer_id="t", **fields))
    await s.finish()
