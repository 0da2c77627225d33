"""The specs that a reference server is asked about: some that are written out, and some at random."""

import random
from calendar import timegm
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.schedule.v1 import CalendarSpec, IntervalSpec, Range, ScheduleSpec, StructuredCalendarSpec

ZONES = [
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "America/Santiago",
    "Asia/Kolkata",
    "",
]
MONTHS = "Jan,feb,MAR,april,may,jun,jul,aug,sept,oct,nov,december".split(",")
WEEKDAYS = "sun,mo,TUE,wed,thu,friday,sat".split(",")


def instant(year: int, month: int = 1, day: int = 1) -> int:
    return timegm((year, month, day, 0, 0, 0))


def changes(zone: str, year: int) -> list[int]:
    """The hours of a year in which the clocks of a zone are changed."""
    zone_info, found = ZoneInfo(zone or "UTC"), []
    time = datetime(year, 1, 1, tzinfo=timezone.utc)
    while time.year == year:
        later = time + timedelta(hours=1)
        if time.astimezone(zone_info).utcoffset() != later.astimezone(zone_info).utcoffset():
            found.append(int(time.timestamp()))
        time = later
    return found


CHANGES = {(zone, year): changes(zone, year) for zone in ZONES for year in range(2024, 2034)}


def windows(choice: random.Random, zone: str) -> list[tuple[int, int]]:
    """Ten years, days around both changes of the clocks in two of them, and a leap day."""
    spans = [(instant(2024), instant(2034))]
    for year in choice.sample(range(2024, 2034), 2):
        for change in CHANGES.get((zone, year), []):
            spans.append((change - 30 * 3600, change + 30 * 3600))
    leap = choice.choice([2024, 2028, 2032])
    spans.append((instant(leap, 2, 28), instant(leap, 3, 2)))
    return spans


def field(choice: random.Random, least: int, most: int, names: list[str] | None = None, first: int = 0) -> str:
    def value(number: int) -> str:
        named = names and number - first < len(names) and choice.random() < 0.4
        return names[number - first] if named else str(number)

    def element() -> str:
        start = choice.randint(least, most)
        end = choice.randint(start, most)
        step = choice.randint(1, max(2, (most - least) // 3))
        return choice.choice(
            [value(start), value(start), f"{value(start)}-{value(end)}", f"*/{step}", f"{start}/{step}",
             f"{value(start)}-{end}/{step}"]
        )

    return ",".join(element() for _ in range(choice.choice([1, 1, 1, 2, 3])))


def often(choice: random.Random, chance: float, text: str, otherwise: str = "*") -> str:
    return text if choice.random() < chance else otherwise


def calendar(choice: random.Random, exclusion: bool = False) -> CalendarSpec:
    everything = "*" if exclusion else "0"
    return CalendarSpec(
        second=often(choice, 0.2, field(choice, 0, 59), everything),
        minute=often(choice, 0.3 if exclusion else 0.7, field(choice, 0, 59), everything),
        hour=often(choice, 0.5, field(choice, 0, 23)),
        day_of_month=often(choice, 0.25, field(choice, 1, 31)),
        month=often(choice, 0.2, field(choice, 1, 12, MONTHS, 1)),
        day_of_week=often(choice, 0.25, field(choice, 0, 7, WEEKDAYS)),
        year=often(choice, 0.1, field(choice, 2024, 2033), choice.choice(["", "*"])),
        comment=often(choice, 0.1, "a comment", ""),
    )


def some_days(choice: random.Random, exclusion: CalendarSpec | StructuredCalendarSpec) -> None:
    """Keeps an exclusion from leaving out everything, on which the reference server works until the year 2100."""
    if isinstance(exclusion, CalendarSpec):
        exclusion.day_of_week = str(choice.randint(0, 6))
    else:
        exclusion.ClearField("hour")
        exclusion.hour.append(Range(start=choice.randint(0, 12), end=choice.randint(12, 22)))


def cron(choice: random.Random, zone: str) -> str:
    c = calendar(choice)
    text = f"{c.minute} {c.hour} {c.day_of_month} {c.month} {c.day_of_week}"
    if choice.random() < 0.2:
        text += f" {c.year or '*'}"
        if choice.random() < 0.5:
            text = f"{c.second} {text}"
    text = often(choice, 0.1, choice.choice(["@hourly", "@daily", "@weekly", "@monthly", "@yearly"]), text)
    return f"{zone}{text}" + often(choice, 0.1, " # why", "")


def ranges(choice: random.Random, least: int, most: int) -> list[Range]:
    def one() -> Range:
        start = choice.randint(least, most)
        end = choice.choice([0, start, choice.randint(start, most), most])
        return Range(start=start, end=end, step=choice.choice([0, 0, 1, 2, 5, 7]))

    return [one() for _ in range(choice.choice([1, 1, 2, 3]))]


def structured(choice: random.Random, exclusion: bool = False) -> StructuredCalendarSpec:
    def some(chance: float, least: int, most: int, otherwise: list[Range]) -> list[Range]:
        return ranges(choice, least, most) if choice.random() < chance else otherwise

    everything = [Range(start=0, end=59)] if exclusion else [Range()]
    return StructuredCalendarSpec(
        second=some(0.2, 0, 59, everything),
        minute=some(0.3 if exclusion else 0.7, 0, 59, everything),
        hour=some(0.5, 0, 23, [Range(start=0, end=23)]),
        day_of_month=some(0.25, 1, 31, [Range(start=1, end=31)]),
        month=some(0.2, 1, 12, [Range(start=1, end=12)]),
        day_of_week=some(0.25, 0, 6, [Range(start=0, end=6)]),
        year=some(0.1, 2024, 2033, []),
    )


def interval(choice: random.Random) -> IntervalSpec:
    every = choice.choice([60, 90, 420, 3600, 5400, 86400, 7 * 86400, choice.randint(30, 10**6)])
    phase = choice.choice([0, 0, choice.randint(0, every - 1)])
    nanos = choice.choice([0, 0, 0, 500_000_000])
    return IntervalSpec(
        interval=Duration(seconds=every, nanos=nanos), phase=Duration(seconds=phase) if phase else None
    )


def random_spec(choice: random.Random) -> ScheduleSpec:
    zone = choice.choice(ZONES)
    spec = ScheduleSpec(timezone_name=zone)
    for _ in range(choice.choice([1, 1, 1, 2])):
        kind = choice.choice(["calendar", "cron", "structured", "structured", "interval"])
        if kind == "calendar":
            spec.calendar.append(calendar(choice))
        elif kind == "cron":
            with_zone = zone and not spec.cron_string and choice.random() < 0.3
            prefix = choice.choice(["TZ=", "CRON_TZ="]) + zone + " " if with_zone else ""
            if not spec.cron_string:
                spec.cron_string.append(cron(choice, prefix))
        elif kind == "structured":
            spec.structured_calendar.append(structured(choice))
        else:
            spec.interval.append(interval(choice))
    if choice.random() < 0.3:
        spec.exclude_calendar.append(calendar(choice, exclusion=True))
        some_days(choice, spec.exclude_calendar[0])
    if choice.random() < 0.3:
        spec.exclude_structured_calendar.append(structured(choice, exclusion=True))
        some_days(choice, spec.exclude_structured_calendar[0])
    if choice.random() < 0.2:
        spec.start_time.CopyFrom(Timestamp(seconds=choice.randint(instant(2023), instant(2030))))
    if choice.random() < 0.2:
        nanos = choice.choice([0, 1, 999_999_999])
        spec.end_time.CopyFrom(Timestamp(seconds=choice.randint(instant(2026), instant(2036)), nanos=nanos))
    if choice.random() < 0.25:
        nanos = choice.choice([0, 0, 5_000_000])
        spec.jitter.CopyFrom(Duration(seconds=choice.choice([0, 1, 30, 3600, 86400 * 40]), nanos=nanos))
    return spec


def crons(*texts: str, **others) -> ScheduleSpec:
    return ScheduleSpec(cron_string=texts, **others)


def every(seconds: int, nanos: int = 0, phase: Duration | None = None) -> ScheduleSpec:
    interval = Duration(seconds=seconds, nanos=nanos)
    return ScheduleSpec(interval=[IntervalSpec(interval=interval, phase=phase)])


def whole(**fields) -> StructuredCalendarSpec:
    one = [Range()]
    days = {"day_of_month": [Range(start=1, end=31)], "month": [Range(start=1, end=12)]}
    base = {"second": one, "minute": one, "hour": one, "day_of_week": [Range(end=6)], **days}
    return StructuredCalendarSpec(**{**base, **fields})


def one_calendar(**fields) -> ScheduleSpec:
    return ScheduleSpec(structured_calendar=[whole(**fields)])


def written(**fields) -> ScheduleSpec:
    return ScheduleSpec(calendar=[CalendarSpec(**fields)])


BERLIN = Path("/usr/share/zoneinfo/Europe/Berlin").read_bytes()
ALL = CalendarSpec(second="*", minute="*", hour="*")
R = Range

EVERY = """@every|@every x|@every 5|@every 5x|@every 1.5d/1h|@every 1d12h/ 3h|@every  3h|@every 3h/|@every 3h/5h
@every 100ms|@every -3h|@every +3h|@every 3h/-1h|@every 3h # hello|@everything 3h|@every 9999999h|@every 1e3s
@every 1h/1h/1h|@every 106752d|@every 0|@every .5h|@every 1.s|@every .h|@every .d|@every 1.2.3d|@every d|@every 1dd
@every 1h1m1s1ms1us1ns|@every 1µs|@every 1é|@every 1"h|@every -|@every 92233720368547758079ns|@every 2h-1h|@every 1.0000000001h
@every 9223372036854775807ns|@every 9223372036854775808ns|@every 1d1d|@every 0.1d/0.05d|@every 1h/0|@every\t3h|@every 3 h"""
FIELDS = """|* * * *|* * * * * * * *|TZ=UTC|TZ=|TZ= @daily|  0 0 12 ? * MON *|61 * * * *|1-70 25 0 13 8|5-1 * * * *|1/2/3 1-2-3 * * *
*/0 */x * * *|*/99999999999999999999 * * * *|*/-99999999999999999999 * * * *|*/100 * * * *|*/4294967296 * * * *
*/2147483648 * * * *|*/4294967298 * * * *|*/+2 * * * *|*/ * * * *|1, * * * *|,1 * * * *|+5 * * * *|-5 * * * *|5- * * * *|- * * * *
* * * janu,DEC mo,7,5-7,1-7/2,1-7,7-7,sun-sa|* * * * sat-sun|* * * * 3/2|* * * * 7/2|* * * * */7|* * * * 0-7|* * * * 0-7/7
* * * ja *|* * * * m|* * * mayday *|* * * * * 1999|* * * * * */5|* * * * * 2100-2101|* * * * * 2100|@reboot|@Hourly
@hourly # every hour|@yearly|@annually|@monthly|@weekly|@daily|@midnight|CRON_TZ=Europe/Berlin   5 4 * * mon-fri 2030 # hi # there
5 4 * * * # |5 4 * * * #|# only|5  4\t* * *|0 0 29 2 *|0 0 31 2 *|0 0 30 2 * 2028|0-59 0-23 1-31 1-12 0-6|TZ=Europe/Berlin\t5 4 * * *
1.5 * * * *|0x5 * * * *|05 04 * * *|٣ * * * *|1_0 * * * *|*-5 * * * *|5-* * * * *|** * * * *|L * * * *|5#3 * * * *"""

CASES = [
    ScheduleSpec(),
    *(crons(text) for texts in (EVERY, FIELDS) for line in texts.split("\n") for text in line.split("|")),
    crons("* * * * * # " + "c" * 200),
    crons("* * * * * # " + "c" * 201),
    crons("TZ=Europe/Berlin @every 3h", "TZ=Europe/Berlin 5 * * * *"),
    crons("TZ=Europe/Berlin 5 4 * * *", "CRON_TZ=Europe/Berlin 5 5 * * *"),
    crons("TZ=Nowhere @every 3h"),
    crons("@hourly", "TZ=UTC @daily"),
    crons("TZ=Europe/Berlin @daily", timezone_name="UTC"),
    crons("TZ=Europe/Berlin @daily", timezone_name="Europe/Berlin"),
    crons("TZ=Europe/Berlin @daily", timezone_data=BERLIN),
    *(
        crons("@daily", timezone_name=name)
        for name in "UTC,Local,Etc/UTC,EST5EDT,Nowhere/X,../x,Europe/../UTC,/etc,\\x,a\\b,utc,europe/berlin,CEST,+05:00,Etc/GMT+5,"
        "Etc/Unknown,Asia/Calcutta,US/Pacific,Europe/Kiev,GMT,Zulu,Europe/Berlin ".split(",")
    ),
    crons("@daily", timezone_data=b"junk"),
    crons("@daily", timezone_data=BERLIN),
    crons("@daily", timezone_data=BERLIN, timezone_name="Mine"),
    crons("@daily", timezone_data=BERLIN[: len(BERLIN) // 2]),
    written(),
    written(hour=" 5 ", minute="1 , 2", comment="x"),
    written(hour="5,6", minute="*", second="*/7", comment="c" * 200),
    written(comment="ü" * 150),
    written(year="x", month="foo", day_of_week="xx", hour="24", second="-1", minute="x", day_of_month="32"),
    written(year="*,2030"),
    written(year=" * "),
    written(hour="\u00a05\u3000"),
    ScheduleSpec(structured_calendar=[StructuredCalendarSpec()]),
    one_calendar(
        second=[R(start=60)],
        minute=[R(start=-1)],
        hour=[R(start=3, end=2)],
        day_of_month=[R()],
        month=[R(start=1, end=13)],
        year=[R(start=1999, end=2101)],
        day_of_week=[R(start=7, end=7, step=-1)],
        comment="y" * 201,
    ),
    one_calendar(second=[R(start=5, end=-1)]),
    one_calendar(second=[R(end=59, step=2**31 - 1)]),
    one_calendar(second=[]),
    one_calendar(minute=[R(end=5), R(start=3, end=9, step=2), R(start=5)]),
    every(0),
    ScheduleSpec(interval=[IntervalSpec()]),
    every(0, 1),
    every(0, 999_999_999),
    every(1, 0, Duration(seconds=1)),
    every(86400, 500_000_000, Duration(seconds=1, nanos=200_000_000)),
    every(10, 0, Duration(seconds=-1)),
    every(-10),
    every(315_576_000_000),
    every(315_576_000_001),
    every(-315_576_000_001),
    every(2**63 - 1),
    every(10, -500_000_000),
    every(-10, 500_000_000),
    every(10, 2_000_000_000),
    every(0, 2_000_000_000),
    every(10, 0, Duration(seconds=10**14)),
    every(0, 5, Duration(seconds=1, nanos=-5)),
    every(40 * 365 * 86400, 0, Duration(seconds=17 * 365 * 86400)),
    every(70 * 365 * 86400, 0, Duration(seconds=57 * 365 * 86400 + 15 * 86400)),
    crons("@daily", exclude_structured_calendar=[StructuredCalendarSpec()]),
    crons("@daily", exclude_structured_calendar=[whole(second=[R(start=100)], comment="z" * 300)]),
    crons("@daily", exclude_structured_calendar=[whole(day_of_week=[R(start=2, end=100, step=2)])]),
    crons("@daily", exclude_calendar=[CalendarSpec(hour="99")]),
    crons("@hourly", exclude_calendar=[CalendarSpec(hour="9", comment="q" * 300)]),
    # With more times than a year has hours, the reference server does not come to an end.
    crons("@weekly", exclude_calendar=[ALL]),
    crons("@daily", jitter=Duration(seconds=-5)),
    crons("@daily", jitter=Duration(seconds=10**15)),
    crons("@daily", jitter=Duration(seconds=1, nanos=-5)),
    crons("@daily", jitter=Duration(seconds=3600)),
    crons("* * * * *", jitter=Duration(seconds=3600)),
    crons("@yearly", jitter=Duration(seconds=10**9)),
    crons("@daily", start_time=Timestamp(seconds=instant(2030)), end_time=Timestamp(seconds=instant(2029))),
    crons("@daily", start_time=Timestamp(seconds=10**15)),
    crons("@daily", start_time=Timestamp(seconds=5, nanos=-7)),
    crons("@daily", start_time=Timestamp(seconds=-5)),
    crons("@daily", end_time=Timestamp(seconds=5, nanos=-7)),
    crons("@daily", end_time=Timestamp(seconds=-(10**15))),
    crons("* * * * *", start_time=Timestamp(seconds=instant(2027) + 86400, nanos=500_000_000)),
    crons("@daily", end_time=Timestamp(seconds=instant(2027) + 3 * 86400)),
    crons("@daily", end_time=Timestamp(seconds=instant(2027) + 3 * 86400, nanos=-1)),
]
