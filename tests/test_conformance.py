"""Every conformance scenario against the reference server's recorded answers. `scripts/conformance` does more."""

from collections import Counter

import pytest

from conformance import compare
from conformance.registry import load
from conformance.runner import play_all

SCENARIOS = load()
LISTS = compare.load_lists()


# Groups of scenarios that share what takes long to make.
TOGETHER = {"counts": "lists"}


def halves() -> dict[str, int]:
    """The half in which each scenario is played: a process has only one core, and two workers can take a half each."""

    def group(name: str) -> str:
        first = name.split("/")[0]
        return TOGETHER.get(first, first)

    # What lists are of takes as long to make as so many scenarios.
    sizes, load, half = Counter(map(group, SCENARIOS)) + Counter(lists=400), [0, 0], {}
    for name, size in sizes.most_common():
        half[name] = load.index(min(load))
        load[half[name]] += size
    return {name: half[group(name)] for name in SCENARIOS}


HALVES = halves()


@pytest.fixture(scope="module")
def played(request, cluster):
    """Gives the records of all scenarios of a half that are to be tested, which are played together when they are first asked
    for."""
    names = {item.callspec.params["name"] for item in request.session.items if "played" in item.fixturenames}
    records = {}

    async def records_of(half: int) -> dict[str, dict]:
        if half not in records:
            wanted = sorted(name for name in names if HALVES[name] == half)
            records[half] = await play_all([SCENARIOS[name] for name in wanted], cluster.addresses, cluster.http)
        return records[half]

    return records_of


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict]:
    return compare.load_recorded()


# So many at a time leave little to others, and some have a second for what must be done.
@pytest.mark.late
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.part(str(HALVES[name]))) for name in SCENARIOS])
async def test_scenario(name, played, recorded, request):
    assert name in recorded, "scripts/conformance --record records it"
    _, awaited = LISTS.awaits(name)
    ours = (await played(HALVES[name]))[name]
    diff = compare.difference(name, recorded[name], ours, LISTS)
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
