"""Every conformance scenario against the reference server's recorded answers. `scripts/conformance` does more."""

import pytest

from conformance import compare
from conformance.registry import load
from conformance.runner import play_all

SCENARIOS = load()
LISTS = compare.load_lists()


@pytest.fixture(scope="module")
async def played(request, cluster) -> dict[str, dict]:
    """The records of all scenarios that are to be tested, played together."""
    wanted = {item.callspec.params["name"] for item in request.session.items if "played" in item.fixturenames}
    return await play_all([SCENARIOS[name] for name in sorted(wanted)], cluster.addresses)


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict]:
    return compare.load_recorded()


# So many at a time leave little to others, and some have a second for what must be done.
@pytest.mark.alone
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name, played, recorded, request):
    assert name in recorded, "scripts/conformance --record records it"
    _, awaited = LISTS.awaits(name)
    diff = compare.difference(name, recorded[name], played[name], LISTS)
    if diff and awaited and request.config.getoption("--target") == "cluster":
        pytest.xfail(f"waits for {awaited}")
    assert not diff, diff


def test_an_entry_whose_difference_is_there_in_some_runs_only_is_never_stale():
    always, sometimes = (compare.Entry(["group/name"], "Call.field", "why", sometimes) for sometimes in (False, True))
    lists = compare.Lists([always, sometimes])
    same = {"calls": [["Call", {"field": 1}]]}
    assert not compare.difference("group/name", same, same, lists)
    assert lists.unused() == [always]
    assert not compare.difference("group/name", same, {"calls": [["Call", {"field": 2}]]}, compare.Lists([sometimes]))
