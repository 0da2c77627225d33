"""Measures what speed and growth cost: three local nodes of ours beside the reference server, scenario by scenario.

A whole run takes hours and writes docs/benchmarks.md. A run of some scenarios, or a --quick one, prints its tables
and writes nothing unless it is told where. Servers are started afresh for each scenario, one after the other, in each round.
"""

import argparse
import re
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from . import ROOT, conditions, page, servers
from .measure import Run
from .results import Results, digits
from .scenarios import SCENARIOS, Scenario

DOCUMENT = ROOT / "docs" / "benchmarks.md"

began = time.monotonic()


def say(line: str) -> None:
    print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="scripts/bench lists and scripts/bench burst are measurements of their own; --help tells of them.")
    parser.add_argument("--list", action="store_true", help="print the scenarios, and that is all")
    parser.add_argument("--scenarios", metavar="REGEX", help="only those whose names it finds")
    parser.add_argument("--servers", metavar="LIST", help=f"only these, with commas between them, of {', '.join(servers.ALL)}")
    parser.add_argument("--seconds", type=float, help="of each load (default: 10)")
    parser.add_argument("--rounds", type=int, help="in which all servers have their turn; long scenarios have one (default: 3)")
    parser.add_argument("--scale", type=float, help="a factor on the counts of long scenarios, and on half an hour (default: 1)")
    parser.add_argument("--quick", action="store_true", help="--seconds 2 --rounds 1 --scale 0.01: some minutes, of little worth")
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"the document, with pictures and results.json in a directory "
                        f"beside it (default of a whole run: {DOCUMENT.relative_to(ROOT)})")
    parser.add_argument("--render", type=Path, metavar="JSON", help="measure nothing: write the document of these results again")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--budget-mib", type=int, default=256, help="memory.budget_bytes of each node, in MiB")
    parser.add_argument("--payload", type=int, default=100, help="bytes of each input and result")
    parser.add_argument("--pollers", type=int, default=64, help="of the worker, of each kind")
    options = parser.parse_args()
    whole = not (options.scenarios or options.servers or options.quick or options.seconds or options.scale or options.rounds)
    options.output = options.output or (DOCUMENT if whole or options.render else None)
    for name, quick, usual in ("seconds", 2.0, 10.0), ("rounds", 1, 3), ("scale", 0.01, 1.0):
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else usual)
    return options


def chosen(options) -> list[Scenario]:
    found = [scenario for scenario in SCENARIOS if re.search(options.scenarios or "", scenario.name)]
    if not found:
        sys.exit(f"no scenario is called like {options.scenarios!r}; --list names them")
    return found


def turns(options, scenario: Scenario) -> list[tuple[int, type[servers.Server]]]:
    """Rounds and servers, in the order in which they are measured: one after the other, in each round."""
    wanted = options.servers.split(",") if options.servers else list(servers.ALL)
    rounds = 1 if scenario.once else options.rounds
    # What the mock does says something of the generator only.
    return [(round_, servers.ALL[key]) for round_ in range(rounds) for key in scenario.servers
            if key in wanted and (key != "mock" or round_ == 0)]


def play(options, scenario: Scenario, round_: int, kind: type[servers.Server], run: Run, directory: Path, results: Results) -> None:
    where = directory / f"{scenario.name}-{kind.key}-{round_}".replace(" ", "-").replace(",", "")
    with kind(where, options, scenario.apart) as server:
        for load, figures in scenario.play(server, scenario, run):
            results.add(scenario.name, load, kind.key, round_, figures)
            told = ", ".join(f"{name} {digits(value)}" for name, value in figures.items() if isinstance(value, (int, float)))
            say(f"  {kind.title}, {load}: {told}")


def measure(options) -> tuple[Results, bool]:
    results, failed = Results(), False
    run = Run(options, lambda line: say(f"    {line}"))
    with tempfile.TemporaryDirectory(prefix="tenure-bench-") as name:
        directory = Path(name)
        results.conditions = conditions.gather(options, directory)
        scenarios = chosen(options)
        for number, scenario in enumerate(scenarios, start=1):
            for round_, kind in turns(options, scenario):
                say(f"[{number}/{len(scenarios)}] {scenario.name}, round {round_ + 1}: {kind.title}")
                try:
                    play(options, scenario, round_, kind, run, directory, results)
                except Exception:
                    # Hours of others are worth more than one.
                    failed = True
                    traceback.print_exc()
                    say(f"  {scenario.name} on {kind.title} failed")
                if options.output:
                    results.save(options.output.with_suffix("") / "results.json")
        results.conditions["after"] = conditions.afterwards(directory)
    return results, failed


def main() -> int:
    options = arguments()
    if options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name}: {scenario.says}")
        return 0
    # So that the servers are stopped with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results, failed = (Results.read(options.render), False) if options.render else measure(options)
    if options.output:
        if not options.render:
            results.save(options.output.with_suffix("") / "results.json")
        page.write(results, options.output)
        say(f"wrote {options.output}")
    else:
        print(page.text(results, {}, ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
