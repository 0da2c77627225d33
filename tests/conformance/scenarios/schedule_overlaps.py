"""Actions of a schedule that come while a run of it is open: skipped, buffered, in the place of it, beside it."""

from harness.hand import cancel_workflow

from ..driver import Driver
from ..registry import cases, scenario
from ..scheduling import (
    ALLOW_ALL, BUFFER_ALL, BUFFER_ONE, CANCEL_OTHER, POLICIES, SKIP, TERMINATE_OTHER, backfill, create, did, noon, noons,
    run_at, trigger,
)


@cases({
    "skip": (SKIP, {"skipped": 3}),
    "buffer-one": (BUFFER_ONE, {"buffered": 1, "skipped": 2}),
    "buffer-all": (BUFFER_ALL, {"buffered": 3}),
    "allow-all": (ALLOW_ALL, {"actions": 4}),
    # The last one takes the place of those that have not begun.
    "cancel-other": (CANCEL_OTHER, {"skipped": 0}),
    "terminate-other": (TERMINATE_OTHER, {"skipped": 0}),
})
async def four_at_once(s: Driver, policy: int, state: dict):
    await create(s)
    await backfill(s, noons(1, 4, policy))
    await did(s, **({"actions": 1} | state))


async def beside(s: Driver, policy: int, state: dict, **own) -> None:
    """A run, and an action beside it."""
    await create(s, {"policies": own})
    await trigger(s, noon(1))
    await did(s, 1)
    await trigger(s, noon(2), policy)
    await did(s, **({"actions": 1} | state))
    if CANCEL_OTHER in (policy, own.get("overlap_policy")):
        await run_at(s, noon(1)).happened("WorkflowExecutionCancelRequested")


STATES = {
    "skip": (SKIP, {"skipped": 1}),
    "buffer-one": (BUFFER_ONE, {"buffered": 1}),
    "buffer-all": (BUFFER_ALL, {"buffered": 1}),
    "allow-all": (ALLOW_ALL, {"actions": 2}),
    "cancel-other": (CANCEL_OTHER, {"buffered": 1}),
    "terminate-other": (TERMINATE_OTHER, {"actions": 2}),
}


@cases(STATES)
async def of_the_trigger(s: Driver, policy: int, state: dict):
    await beside(s, policy, state)


@cases(STATES)
async def of_the_schedule(s: Driver, policy: int, state: dict):
    await beside(s, 0, state, overlap_policy=policy)


@scenario
async def of_the_trigger_before_that_of_the_schedule(s: Driver):
    await beside(s, SKIP, {"skipped": 1}, overlap_policy=BUFFER_ALL)


@scenario
async def buffered_runs_follow_each_other(s: Driver):
    await create(s)
    await backfill(s, noons(1, 3, BUFFER_ALL))
    await did(s, 1, buffered=2)
    await s.finish("one")
    await did(s, 2, buffered=1)
    await s.finish("two")
    await did(s, 3)
    await s.finish("three")
    await did(s, 3, running=0)


@scenario
async def one_is_kept(s: Driver):
    """The first one that came."""
    await create(s, {"policies": {"overlap_policy": BUFFER_ONE}})
    for day in (1, 2, 3):
        await trigger(s, noon(day))
        await did(s, 1, buffered=int(day > 1), skipped=max(day - 2, 0))
    await s.finish("one")
    await did(s, 2)
    await s.finish("two")
    await did(s, 2, running=0)


@scenario
async def canceled_for_another(s: Driver):
    await beside(s, CANCEL_OTHER, {"buffered": 1})
    await s.step(cancel_workflow())
    await did(s, 2, closed=1)


@scenario
async def canceled_but_it_goes_on(s: Driver):
    """It is asked once more; in the end the third action takes the place of the second one."""
    await beside(s, CANCEL_OTHER, {"buffered": 1})
    await trigger(s, noon(3), CANCEL_OTHER)
    await did(s, 1, buffered=2)
    await s.finish("all the same")
    await did(s, 2, closed=1)


@scenario
async def terminated_for_another(s: Driver):
    await beside(s, TERMINATE_OTHER, {"actions": 2})
    await run_at(s, noon(1)).describe()
    await s.finish("two")
    await did(s, 2, running=0)


@scenario
async def terminated_before_it_could_be_canceled(s: Driver):
    await beside(s, CANCEL_OTHER, {"buffered": 1})
    await trigger(s, noon(3), TERMINATE_OTHER)
    await did(s, 2, closed=1)


@cases(POLICIES)
async def beside_what_is_buffered(s: Driver, policy: int):
    """There is a run, and two actions wait for it."""
    await create(s)
    await backfill(s, noons(1, 3, BUFFER_ALL))
    await did(s, 1, buffered=2)
    await trigger(s, noon(4), policy)
    state = {SKIP: {"buffered": 2, "skipped": 1}, BUFFER_ONE: {"buffered": 2, "skipped": 1}, BUFFER_ALL: {"buffered": 3},
             CANCEL_OTHER: {"buffered": 3}, TERMINATE_OTHER: {"actions": 2, "buffered": 1},
             ALLOW_ALL: {"actions": 2, "buffered": 2}}[policy]
    await did(s, **({"actions": 1} | state))
    if policy == CANCEL_OTHER:
        await run_at(s, noon(1)).happened("WorkflowExecutionCancelRequested")


@scenario
async def run_beside_others_is_not_waited_for(s: Driver):
    """What was allowed beside others is not in the way of those that come later."""
    await create(s)
    await trigger(s, noon(1), ALLOW_ALL)
    await did(s, 1, running=0)
    await trigger(s, noon(2), SKIP)
    await did(s, 2, running=1)
    await trigger(s, noon(3), SKIP)
    await did(s, 2, skipped=1)


@scenario
async def allowed_by_the_schedule(s: Driver):
    """The policy is the schedule's, and not the trigger's own."""
    await create(s, {"policies": {"overlap_policy": ALLOW_ALL}})
    await trigger(s, noon(1))
    await did(s, 1)
    await trigger(s, noon(2), SKIP)
    await did(s, 2)


@scenario
async def skipped_times_are_not_made_up_for(s: Driver):
    await create(s)
    await backfill(s, noons(1, 3))
    await did(s, 1, skipped=2)
    await s.finish("out")
    await did(s, 1, running=0)
    await trigger(s, noon(4))
    await did(s, 2)
