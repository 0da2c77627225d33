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


def halves() -> list[tuple[int, str]]:
    """Each scenario with the half that it is played in: one process has only one core, and two workers can take a half each."""

    def group(name: str) -> str:
        first = name.split("/")[0]
        return TOGETHER.get(first, first)

    sizes, load, half = Counter(map(group, SCENARIOS)), [0, 0], {}
    for name, size in sizes.most_common():
        half[name] = load.index(min(load))
        load[half[name]] += size
    return [(half[group(name)], name) for name in SCENARIOS]


@pytest.fixture(scope="module")
async def played(request, cluster) -> dict[str, dict]:
    """The records of all scenarios of a half that are to be tested, played together."""
    calls = [item.callspec.params for item in request.session.items if "played" in item.fixturenames]
    wanted = {params["name"] for params in calls if params["played"] == request.param}
    return await play_all([SCENARIOS[name] for name in sorted(wanted)], cluster.addresses)


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict]:
    return compare.load_recorded()


# So many at a time leave little to others, and some have a second for what must be done.
@pytest.mark.late
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("played", "name"), halves(), indirect=["played"], ids=SCENARIOS, scope="module")
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
