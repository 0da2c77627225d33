"""`scripts/conformance`: plays the scenarios and compares."""

import argparse
import asyncio
import random
import re
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from harness.cluster import Cluster, Oracle

from . import compare
from .registry import load
from .runner import AT_ONCE, Progress, play_all
from .servers import SETTINGS, Shake, reference, version_of

ABOUT = """Plays the conformance scenarios on a three-node cluster and compares what they saw with the recorded answers
of the reference server."""


# Where the reference server, which records, is not to be busy; or where calls wait for leaders besides.
FEWER = 16


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=ABOUT)
    parser.add_argument("--reference", action="store_true", help="compare with a live reference server, not with records")
    parser.add_argument("--record", action="store_true", help="play twice on the reference server, and record")
    parser.add_argument("--shake", action="store_true", help="move leaders at random meanwhile")
    parser.add_argument("--address", action="append", help="of a node that runs already, instead of nodes of its own")
    parser.add_argument("-k", metavar="REGEX", default="", help="only scenarios whose name it is found in")
    parser.add_argument("--list", action="store_true", help="print the scenarios' names")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16), help="of the order and of --shake")
    parser.add_argument("--at-once", type=int, metavar="N",
                        help=f"scenarios that are played at a time (default: {AT_ONCE}; {FEWER} with --record, --reference, --shake)")
    parser.add_argument("--keep", metavar="DIRECTORY", help="where servers keep data and logs (default: removed)")
    options = parser.parse_args()
    options.at_once = options.at_once or (FEWER if options.record or options.reference or options.shake else AT_ONCE)
    return options


def main() -> int:
    # Whoever reads the output may have read enough.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    options = arguments()
    chosen = {name: each for name, each in load().items() if re.search(options.k, name)}
    if options.list:
        print("\n".join(chosen))
        return 0
    if not chosen:
        print(f"no scenario is named {options.k}")
        return 2
    print(f"{len(chosen)} scenarios, seed {options.seed}", flush=True)
    with ExitStack() as stack:
        directory = Path(options.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        if options.record:
            return record(stack.enter_context(reference(directory)), chosen, options)
        return check(stack, directory, chosen, options)


def record(server: Oracle, chosen: dict, options) -> int:
    """Twice, in two orders; an answer that depends on luck is none. What differed has another chance on an idle server."""
    def played(names: list[str], seed: int, at_once: int) -> dict:
        progress = Progress("reference", len(names))
        return asyncio.run(play_all(
            [chosen[name] for name in names], server.addresses, server.http, at_once=at_once, seed=seed, done=progress))

    about = {"server": version_of(server)}
    kept = {name: found for name, found in compare.load_recorded().items() if name in load()}
    steady: dict[str, dict] = {}
    left = list(chosen)
    for at_once in (options.at_once, 4, 2):
        first, second = (played(left, options.seed + i, at_once) for i in range(2))
        why = {name: first[name].get("aborted") or compare.difference(name, first[name], second[name]) for name in left}
        steady |= {name: first[name] for name in left if not why[name]}
        # What follows may take long, and it may fail.
        compare.save(kept | steady, about)
        left = [name for name in left if why[name]]
        if not left:
            break
    for name in left:
        print(f"\n=== {name} is not steady\n{why[name]}")
    print(f"{len(chosen)} scenarios, {len(steady)} recorded, {len(left)} unsteady or aborted")
    return 1 if left else 0


def check(stack: ExitStack, directory: Path, chosen: dict, options) -> int:
    scenarios = list(chosen.values())
    cluster = None if options.address else stack.enter_context(Cluster(directory / "cluster", settings=SETTINGS))
    addresses = options.address or cluster.addresses
    # A node that runs already has its HTTP port where those of `scripts/cluster` have it.
    http = cluster.http if cluster else [f"{host}:{int(port) + 1000}" for host, _, port in (a.rpartition(":") for a in addresses)]

    async def both() -> tuple[dict, dict]:
        def side(label: str, addresses: list[str], http: list[str]):
            progress = Progress(label, len(scenarios))
            return play_all(scenarios, addresses, http, at_once=options.at_once, seed=options.seed, done=progress)

        if not options.reference:
            return compare.load_recorded(), await side("ours", addresses, http)
        server = stack.enter_context(reference(directory))
        return tuple(await asyncio.gather(side("reference", server.addresses, server.http), side("ours", addresses, http)))

    async def shaken():
        if not options.shake:
            return await both()
        async with Shake(cluster, options.seed) as shake:
            found = await both()
        print(f"leaders moved {shake.moved} times")
        return found

    if options.shake and not cluster:
        print("--shake needs nodes of its own, so it does not go with --address")
        return 2
    theirs, ours = asyncio.run(shaken())
    whole = not options.k and not options.shake
    return 0 if report(theirs, ours, compare.load_lists(), whole) else 1


def report(theirs: dict, ours: dict, lists: compare.Lists, whole: bool) -> bool:
    """Prints every difference and the sum; whether all is well. `whole`: every scenario was played."""
    equal, unexplained = 0, 0
    waiting: dict[tuple[str, str], dict[str, bool]] = {}
    for name, found in ours.items():
        diff = compare.difference(name, theirs[name], found, lists) if name in theirs else "it is not recorded"
        awaited = lists.awaits(name)
        if any(awaited):
            waiting.setdefault(awaited, {})[name] = bool(diff)
        elif diff:
            unexplained += 1
            print(f"\n=== {name}\n{diff}")
        equal += not diff
    for (pattern, feature), differ in waiting.items():
        left = [name for name, differs in differ.items() if differs]
        if len(left) < len(differ):
            print(f"{pattern} waits for {feature}, but only these of {len(differ)} do: {', '.join(left) or 'none'}")
    stale = lists.unused() if whole else []
    for entry in stale:
        print(f"no difference is left that {entry.path} of {entry.scenarios} explains: take it from differences.toml")
    different = sum(sum(differ.values()) for differ in waiting.values())
    waits = f", {different} waiting for a feature" if different else ""
    print(f"{len(ours)} scenarios, {equal} equal, {unexplained} unexplained differences{waits}")
    return not unexplained and not stale


if __name__ == "__main__":
    sys.exit(main())
