"""What a request costs does not follow how much of its run is pending."""

import statistics
import time

import pytest

from harness.hand import Hand, activity

pytestmark = [pytest.mark.tenure, pytest.mark.alone]

PENDING = 2000
TIMES = 30


async def completion(hand: Hand) -> float:
    """Seconds that it takes to complete one activity."""
    task = await hand.poll_activity()
    assert task.task_token
    began = time.perf_counter()
    await hand.complete_activity(task)
    return time.perf_counter() - began


async def test_an_activity_ends_as_fast_however_many_are_pending(apis):
    alone, among_many = [], []
    many = Hand(apis[:1])
    await many.start()
    await many.step(*[activity(f"a{i}", many.queue, start_to_close=600) for i in range(PENDING)])
    # In turn, so that whatever else the machine does slows both down.
    for _ in range(TIMES):
        one = Hand(apis[:1])
        await one.start()
        await one.step(activity("a", one.queue, start_to_close=600))
        alone.append(await completion(one))
        among_many.append(await completion(many))
    one, many = (statistics.median(times) * 1000 for times in (alone, among_many))
    print(f"completing one activity: alone {one:.2f} ms, among {PENDING} pending {many:.2f} ms, {many / one:.2f} times")
    assert many < 2 * one
