"""A pytest plugin: how several workers of pytest-xdist (`-n 3`) share the tests out.

Each has servers of its own. Tests that share a fixture of their file stay on one worker, so that it is made once, and so
do those of several files that are marked `shares`. Those marked `late` come when most is done; those marked `alone` have
the machine to themselves.
"""

import fcntl
import json
import shutil
import tempfile
from pathlib import Path

import pytest


def pytest_configure(config):
    # Of the process that runs the workers: what they tell it.
    config.stash[DIRECTORY] = None


DIRECTORY = pytest.StashKey()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    directory = node.config.stash[DIRECTORY] or tempfile.mkdtemp(prefix="tenure-workers-")
    node.config.stash[DIRECTORY] = node.workerinput["directory"] = directory


def pytest_unconfigure(config):
    if directory := config.stash.get(DIRECTORY, None):
        shutil.rmtree(directory, ignore_errors=True)


def directory_of(config) -> Path | None:
    """What all workers see, if this process is one."""
    given = getattr(config, "workerinput", {}).get("directory")
    return given and Path(given)


# --- in a worker ---


def pytest_collection_modifyitems(config, items):
    """Other tests fit in beside those that may take longest; one of them at the end would keep its worker busy alone.
    What wants little beside it, or nothing, comes when the other workers have hardly anything left."""

    def place(item):
        late = item.get_closest_marker("late") is not None
        return not is_alone(item), not late, allowed_seconds(item), group_of(item) is not None

    if directory_of(config):
        items.sort(key=place, reverse=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    """Before the tests' names are sent to whoever shares them out."""
    if directory := directory_of(session.config):
        groups = {item.nodeid: group for item in session.items if (group := group_of(item))}
        (directory / f"groups-{session.config.workerinput['workerid']}").write_text(json.dumps(groups))


def group_of(item) -> str | None:
    if is_alone(item):
        return "alone"
    if shares := item.get_closest_marker("shares"):
        return shares.args[0]
    made = {name: fixtures[-1] for name, fixtures in item._fixtureinfo.name2fixturedefs.items()}
    if not any(fixture.scope == "module" for fixture in made.values()):
        return None
    # A fixture is made anew for each of its parameters.
    parameters = [str(item.callspec.params[name]) for name, fixture in sorted(made.items())
                  if fixture.params and fixture.scope != "function"]
    part = item.get_closest_marker("part")
    return " ".join([str(item.path), *parameters, *(part.args if part else [])])


def is_alone(item) -> bool:
    return item.get_closest_marker("alone") is not None


def allowed_seconds(item) -> float:
    limit = item.get_closest_marker("timeout")
    return limit.args[0] if limit else 0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """While a test runs that is to be alone, none does on another worker."""
    directory = directory_of(item.config)
    if not directory:
        return (yield)
    with (directory / "turn").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX if is_alone(item) else fcntl.LOCK_SH)
        return (yield)


# --- in the process that runs the workers ---


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    # Not xdist's `loadgroup`, which changes the names of tests, and fails to with this pytest.
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        groups: dict[str, str] | None = None

        def _split_scope(self, nodeid: str) -> str:
            if self.groups is None:
                # All workers tell the same.
                told = next(Path(config.stash[DIRECTORY]).glob("groups-*"))
                self.groups = json.loads(told.read_text())
            return self.groups.get(nodeid, nodeid)

    # In the order that the workers have sorted them into.
    config.option.loadscopereorder = False
    return ByGroup(config, log)
