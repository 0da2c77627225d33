"""What is measured: one table, as data. `plays` says how each kind of scenario is played."""

from dataclasses import dataclass, field

from . import plays
from .plays import Load

ALL = ("tenure", "file", "memory", "mock")
SERVERS = ("tenure", "file", "memory")
OURS = ("tenure",)

IN_FLIGHT = (Load("1 in flight", in_flight=1), Load("16 in flight", in_flight=16), Load("64 in flight", in_flight=64),
             Load("256 in flight", in_flight=256))
OPEN = (Load("open, 50 % of the most", share=0.5), Load("open, 80 % of the most", share=0.8))
FEW_AND_MANY = (IN_FLIGHT[0], IN_FLIGHT[2])
MANY = (IN_FLIGHT[2],)


@dataclass(frozen=True)
class Scenario:
    name: str
    # Of the document: what a unit is, and whatever one has to know of it.
    says: str
    play: object
    # What it is given; what of it varies is its `loads`.
    options: dict = field(default_factory=dict)
    loads: tuple[Load, ...] = ()
    servers: tuple[str, ...] = SERVERS
    # Servers have all cores but one, and the generator has that one.
    apart: bool = False
    # Played once in each round; long ones once in a run.
    once: bool = False


def load(name: str, says: str, work: str, loads: tuple[Load, ...], servers=ALL, apart=False, **options) -> Scenario:
    return Scenario(name, says, plays.loads, {"work": work} | options, loads, servers, apart)


SCENARIOS = (
    load("one activity", "A workflow with one activity, from its start to its end. Workers do without sticky queues and eager tasks.",
         "workflow", IN_FLIGHT + OPEN),
    load("ten in sequence", "Ten activities, one after the other.", "workflow", MANY, activities=10),
    load("ten in parallel", "Ten activities at the same time.", "workflow", MANY, activities=10, parallel=True),
    load("eager", "One activity; the first task comes with the answer to the start, the activity with that to its workflow task.",
         "workflow", FEW_AND_MANY, SERVERS, eager=True),
    load("sticky", "One activity; the second workflow task comes on the worker's own queue, without the history before it.",
         "workflow", FEW_AND_MANY, SERVERS, sticky=True),
    load("ten in sequence, eager and sticky", "As workers of the SDKs do it.", "workflow", MANY, SERVERS, activities=10, eager=True,
         sticky=True),
    load("local activities", "Ten local activities in one workflow task: markers in history, and nothing else.", "workflow",
         FEW_AND_MANY, markers=10),
    load("signals to one", "A signal to one workflow that no worker takes up; another one after 5,000.", "signal", MANY, targets=1),
    load("signals to 1,000", "A signal to each of 1,000 workflows in turn.", "signal", (IN_FLIGHT[0], IN_FLIGHT[3]), targets=1_000),
    load("updates", "An update of one of 1,000 workflows, until it is complete; sticky.", "update", FEW_AND_MANY, sticky=True),
    load("queries", "A query of one of 1,000 workflows, answered by its worker; sticky.", "query", FEW_AND_MANY, sticky=True),
    load("starts", "The start of a workflow that no worker takes up.", "start", (IN_FLIGHT[0], IN_FLIGHT[2], IN_FLIGHT[3])),
    load("overload", "Starts, five times as many as the servers can do, and calls before and after it. The servers have all cores "
         "but one, which the generator has. A call is given up after 10 s.", "start",
         (Load("256 in flight", in_flight=256), Load("before: a fifth of it", share=0.2), Load("five times it", share=5.0, longer=3),
          Load("after: a fifth of it", share=0.2)), OURS, apart=True, deadline=10),
    Scenario("timers", "A workflow with one timer. Times are how much later than due its worker has the task; `/s` of many that are "
             "due at once counts from then. Of timers at a rate there are 100 a second, on the reference server 5.", plays.timers,
             {"count": 100_000, "creations": 400, "rate": 100}, once=True),
    Scenario("backlog", "Tasks of workflows that were all started before there was a worker.", plays.backlog, {"count": 100_000}, once=True),
    Scenario("lists", "Lists and counts, one at a time, over a catalogue of 50,000 runs (the reference server: 1,000) of 20 types with an "
             "attribute of 5,000 values, a tenth of them open, while workflows with one activity run, four at a time.",
             plays.lists, {"count": 50_000}, once=True),
    Scenario("idle", "Workflows that are open and sleep, and nobody calls. Memory is resident, of the process with the most of it; "
             "disk of one node; a workflow's share is what it added.", plays.idle, {"count": 100_000}, once=True),
    Scenario("restart", "All processes end and start again on their data: 16 KiB of input that cannot be compressed for each run. "
             "The time is until all are ready.", plays.restart, {"megabytes": 1_000}, servers=("tenure", "file"), once=True),
    Scenario("leader kill", "`kill -9` of the node that leads most, in the middle of 20 workflows a second through the other two: ten "
             "times. The gap is the longest time that one of them took, start to end.", plays.leader_kill, {"kills": 10, "rate": 20}, servers=OURS, once=True),
    Scenario("growth", "One activity, 64 in flight, beside ever more workflows that are open and sleep.", plays.growth,
             {"steps": (1_000, 10_000, 100_000, 1_000_000)}, servers=OURS, once=True),
    Scenario("sustained", "One activity, 32 in flight, for half an hour.", plays.sustained, {"minutes": 30, "in_flight": 32}, servers=OURS, once=True),
)
