"""Lists of runs: what a query finds among five hundred of them, what a list shows, how it goes on from page to page."""

import re

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from harness.commands import request

from ..driver import Driver, refused
from ..population import Population, populated
from ..registry import cases, scenario

# Words in angle brackets are the population's: marks of time, and run ids.
FOUND = {
    "nothing": "",
    "spaces": "   ",
    # identifiers
    "id": "WorkflowId = 'order-000'",
    "id-of-two-runs": "WorkflowId = 'pay-365'",
    "id-not": "WorkflowId != 'order-000'",
    "id-in": "WorkflowId IN ('order-000', 'pay-001', 'none', 'order-000')",
    "id-not-in": "WorkflowType = 'Parent' AND WorkflowId NOT IN ('parent-400', 'parent-401')",
    "id-prefix": "WorkflowId STARTS_WITH 'child-40'",
    "id-prefix-other-case": "WorkflowId STARTS_WITH 'Order-'",
    "id-prefix-wildcard": "WorkflowId STARTS_WITH 'x_'",
    "id-prefix-percent": "WorkflowId STARTS_WITH '%'",
    "id-prefix-empty": "WorkflowId STARTS_WITH ''",
    "id-not-prefix": "WorkflowType = 'order' AND WorkflowId NOT STARTS_WITH 'pay'",
    "id-between": "WorkflowId BETWEEN 'pay-001' AND 'pay-099'",
    "id-above": "WorkflowId > 'seq-420'",
    "run": "RunId = '<run>'",
    "run-without-hyphens": "RunId = 'x<run>'",
    "parent": "ParentWorkflowId = 'parent-400'",
    "parent-run": "ParentRunId = '<parent_run>'",
    "no-parent": "ParentWorkflowId IS NULL",
    "a-parent": "ParentWorkflowId IS NOT NULL",
    "root": "RootWorkflowId = 'parent-403'",
    "root-run": "RootRunId = '<parent_run>'",
    "root-of-none": "RootWorkflowId = 'order-000' OR RootRunId = '<run>'",
    # types, queues, statuses
    "type": "WorkflowType = 'order'",
    "type-not": "WorkflowType != 'order'",
    "type-in": "WorkflowType IN ('Payment', 'Child')",
    "queue": "TaskQueue = 'Desk'",
    "queue-other-case": "TaskQueue = 'desk'",
    "status": "ExecutionStatus = 'Failed'",
    "status-long": "ExecutionStatus = 'WORKFLOW_EXECUTION_STATUS_FAILED'",
    "status-number": "ExecutionStatus = 3",
    "status-continued": "ExecutionStatus = 'ContinuedAsNew'",
    "status-not": "ExecutionStatus != 'Running'",
    "status-in": "ExecutionStatus IN ('Canceled', 'TimedOut', 5)",
    "status-not-in": "ExecutionStatus NOT IN ('Running', 'Completed')",
    "status-above": "ExecutionStatus > 4",
    "status-paused": "ExecutionStatus = 'Paused'",
    # times
    "started-before": "StartTime < '<started>'",
    "started-after": "StartTime > '<started>'",
    "started-after-zoned": "StartTime >= '<started_zoned>'",
    "started-after-number": "StartTime > <started_ns>",
    "started-between": "StartTime BETWEEN '<started>' AND '<settled>'",
    "started-not-between": "StartTime NOT BETWEEN '<started>' AND '<settled>'",
    "started-long-ago": "StartTime < '1999-12-31T23:59:59Z'",
    "started-not-null": "StartTime IS NOT NULL",
    "closed": "CloseTime IS NOT NULL",
    "open": "CloseTime IS NULL",
    "closed-after": "CloseTime > '<closed>'",
    "closed-before": "CloseTime < '<closed>' AND ExecutionStatus != 'Running'",
    "execution-time": "ExecutionTime > '<settled>'",
    "execution-time-before": "ExecutionTime < '<started>'",
    "duration": "ExecutionDuration >= '1s' AND ExecutionStatus = 'TimedOut'",
    "duration-number": "ExecutionDuration > 600000000000",
    "duration-clock": "ExecutionDuration < '00:10:00'",
    "duration-days": "ExecutionDuration < '1.5d' AND WorkflowType = 'Seq'",
    "no-duration": "ExecutionDuration IS NULL",
    # sizes
    "history-length": "HistoryLength = 5 AND WorkflowType = 'order'",
    "history-length-of-open": "HistoryLength IS NULL",
    "history-size": "HistorySizeBytes > 0",
    "state-transitions": "StateTransitionCount > 0 AND ExecutionStatus = 'Failed'",
    # a namespace's own
    "keyword": "CustomKeyword = 'red'",
    "keyword-quote": "CustomKeyword = 'it''s'",
    "keyword-quote-escaped": "CustomKeyword = 'it\\'s'",
    "keyword-quotes": 'CustomKeyword = "it\'s"',
    "keyword-empty": "CustomKeyword = ''",
    "keyword-not": "CustomKeyword != 'red'",
    "keyword-null": "CustomKeyword IS NULL",
    "keyword-not-null": "CustomKeyword IS NOT NULL",
    "keyword-prefix": "CustomKeyword STARTS_WITH 'red'",
    "keyword-range": "CustomKeyword >= 'green' AND CustomKeyword < 'red'",
    "keyword-upserted": "CustomKeyword = 'upserted'",
    "keyword-in": "CustomKeyword IN ('blue', 'next')",
    "keyword-not-in": "CustomKeyword NOT IN ('blue', 'next', 'red')",
    "backquoted": "`CustomKeyword` = 'red'",
    "int": "CustomInt = 7",
    "int-negative": "CustomInt < -18",
    "int-fraction": "CustomInt = 7.0",
    "int-between": "CustomInt BETWEEN -2 AND 2",
    "int-not-between": "CustomInt NOT BETWEEN -18 AND 18",
    "int-in": "CustomInt IN (1, 2, -3)",
    "int-not-in": "CustomInt NOT IN (1, 2, -3)",
    "int-too-large": "CustomInt = 9223372036854775808",
    "int-never-whole": "CustomInt = 7.5",
    "int-not": "CustomInt != 7",
    "int-null": "CustomInt IS NULL AND CustomKeyword IS NOT NULL",
    "double": "CustomDouble = 0.25",
    "double-whole": "CustomDouble >= 2",
    "double-exponent": "CustomDouble > 2.5e0",
    "double-in": "CustomDouble IN (-1, 0.5)",
    "bool": "CustomBool = true",
    "bool-not": "CustomBool != true",
    "bool-capitals": "CustomBool = FALSE",
    "bool-null": "CustomBool IS NULL",
    "datetime": "CustomDatetime > '2024-06-30T00:00:00Z'",
    "datetime-equal": "CustomDatetime = '2024-06-15T12:00:00.5Z'",
    "datetime-zoned": "CustomDatetime < '2024-02-15T13:00:00.6+01:00'",
    "datetime-number": "CustomDatetime < 1710000000000000000",
    "datetime-between": "CustomDatetime BETWEEN '2024-03-01T00:00:00Z' AND '2024-05-01T00:00:00Z'",
    "text": "CustomText = 'fox'",
    "text-two-words": "CustomText = 'lazy hound'",
    "text-other-case": "CustomText = 'FOX'",
    "text-not": "CustomText != 'fox'",
    "text-hyphen": "CustomText = 'e-mail'",
    "text-null": "CustomText IS NULL",
    "list": "CustomList = 'a'",
    "list-in": "CustomList IN ('b', 'late')",
    "list-not": "CustomList != 'a'",
    "list-not-in": "CustomList NOT IN ('b', 'late')",
    "list-null": "CustomList IS NULL",
    "list-space": "CustomList = 'c d'",
    # of the system, by all names
    "paused": "TemporalPauseInfo IS NOT NULL",
    "paused-without-prefix": "PauseInfo = 'property:activityType=Pay'",
    "paused-type": "TemporalPauseInfo = 'property:activityType=Ship'",
    "problems": "TemporalReportedProblems IS NOT NULL",
    "problems-without-prefix": "ReportedProblems IN ('category=WorkflowTaskFailed', 'cause=none')",
    "change-version": "TemporalChangeVersion = 'p'",
    "change-version-without-prefix": "ChangeVersion = 'patch-100'",
    "build": "BuildIds = 'unversioned' AND WorkflowType = 'Parent'",
    "no-build": "BuildIds IS NULL AND WorkflowType = 'Seq'",
    "division": "TemporalNamespaceDivision = 'secret'",
    "division-null": "TemporalNamespaceDivision IS NULL",
    "division-any": "NamespaceDivision IS NOT NULL",
    "division-or-not": "CustomKeyword = 'red' AND (TemporalNamespaceDivision = 'secret' OR TemporalNamespaceDivision IS NULL)",
    "scheduled-by": "TemporalScheduledById = 's'",
    "schedule-paused": "TemporalSchedulePaused = true",
    "scheduled-start": "TemporalScheduledStartTime > '2024-01-01T00:00:00Z'",
    "schedule": "ScheduleId = 's'",
    "checksum": "BinaryChecksums = 'c'",
    "deployment": "TemporalWorkerDeployment = 'd' OR TemporalWorkerDeploymentVersion = 'd:1'",
    "versioning": "TemporalWorkflowVersioningBehavior = 'Pinned' OR TemporalUsedWorkerDeploymentVersions = 'd:1'",
    "external-payloads": "TemporalExternalPayloadCount > 0 OR TemporalExternalPayloadSizeBytes > 0",
    # together
    "and": "WorkflowType = 'order' AND ExecutionStatus = 'Completed' AND CustomBool = true",
    "or": "CustomInt = 1 OR CustomInt = 2",
    "and-or": "CustomInt = 1 OR CustomInt = 2 AND CustomBool = true",
    "parentheses": "(CustomInt = 1 OR CustomInt = 2) AND CustomBool = true",
    "not": "NOT CustomInt = 1",
    "not-of-all": "NOT (WorkflowType = 'order' OR CustomBool = true)",
    "not-not": "NOT NOT CustomInt = 1",
    "signs": "CustomInt = 1 || CustomInt = 2 && CustomBool = true",
    "small-words": "CustomInt = 1 or CustomInt in (2) and CustomBool is not null",
    "lines": "CustomInt = 1\n  OR CustomInt = 2",
    "long": "WorkflowId = '" + "x" * 20_000 + "'",
    "group-by": "GROUP BY ExecutionStatus",
    "always": "CustomInt = 1 OR NOT CustomInt = 1",
}
REFUSED = {
    "unknown": "NoSuch = 'x'",
    "unknown-in-and": "WorkflowType = 'order' AND NoSuch IS NULL",
    "small-name": "workflowtype = 'order'",
    "small-name-of-its-own": "customint = 1 or CustomInt = 1",
    "batcher": "BatcherUser = 'u'",
    "batcher-namespace": "BatcherNamespace = 'n'",
    "bare-value": "WorkflowType = order",
    "value-first": "'order' = WorkflowType",
    "no-value": "WorkflowType =",
    "no-operator": "WorkflowType",
    "only-and": "AND",
    "unclosed": "(WorkflowType = 'order'",
    "unquoted": "WorkflowType = 'order",
    "trailing": "WorkflowType = 'order' 'pay'",
    "empty-in": "WorkflowType IN ()",
    "keyword-number": "CustomKeyword = 5",
    "keyword-bool": "CustomKeyword = true",
    "keyword-like": "CustomKeyword LIKE 're%'",
    "int-text": "CustomInt = 'seven'",
    "int-prefix": "CustomInt STARTS_WITH '1'",
    "double-text": "CustomDouble = 'x'",
    "bool-text": "CustomBool = 'true'",
    "bool-number": "CustomBool = 1",
    "bool-between": "CustomBool BETWEEN true AND false",
    "datetime-text": "CustomDatetime = 'yesterday'",
    "datetime-day": "CustomDatetime > '2024-06-30'",
    "datetime-space": "StartTime > '2024-06-30 12:00:00'",
    "datetime-prefix": "CustomDatetime STARTS_WITH '2024'",
    "text-above": "CustomText > 'fox'",
    "text-in": "CustomText IN ('fox', 'dog')",
    "text-prefix": "CustomText STARTS_WITH 'fo'",
    "list-above": "CustomList > 'a'",
    "list-between": "CustomList BETWEEN 'a' AND 'b'",
    "list-prefix": "CustomList STARTS_WITH 'a'",
    "status-unknown": "ExecutionStatus = 'Gone'",
    "status-number-unknown": "ExecutionStatus = 99",
    "duration-text": "ExecutionDuration > 'long'",
    "null-equal": "CustomInt = NULL",
    "is-true": "CustomBool IS TRUE",
    "between-one": "CustomInt BETWEEN 1",
    "column": "Keyword10 = 'red'",
    "namespace": "NamespaceId = 'x'",
    "limit": "CustomInt = 1 LIMIT 5",
    "order-by": "ORDER BY StartTime DESC",
    "order-by-after": "CustomInt = 1 ORDER BY CloseTime",
    "order-by-unknown": "ORDER BY NoSuch",
    "select": "SELECT * FROM executions",
    "semicolon": "CustomInt = 1; DROP TABLE executions",
    "function": "lower(WorkflowType) = 'order'",
    "deep": "(" * 500 + "CustomInt = 1" + ")" * 500,
    "many": " OR ".join(f"CustomInt = {number}" for number in range(1000)),
}


def filled(population: Population, query: str) -> str:
    return re.sub(r"<(\w+)>", lambda word: population.words[word[1]], query)


def ranges(labels: list[str]) -> str:
    """`001-003 007` and so on: labels that are numbers, then the others."""
    numbers = sorted(int(label) for label in labels if label.isdigit())
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in found]
    return " ".join(shown + sorted(label for label in labels if not label.isdigit()))


async def runs(s: Driver, population: Population, method: str = "ListWorkflowExecutions", **fields) -> list[str]:
    """The labels of all that a list finds, page by page, unrecorded."""
    labels, token = [], b""
    while True:
        asked = request(method, namespace=s.namespace, next_page_token=token, **fields)
        reply = await s.peek.api.call(method, asked)
        labels += [population.label(info) for info in reply.executions]
        token = reply.next_page_token
        if not token:
            return labels


async def note_runs(s: Driver, population: Population, method: str = "ListWorkflowExecutions", **fields) -> None:
    try:
        found = await runs(s, population, method, **fields)
    except grpc.aio.AioRpcError as error:
        s.note("error", f"{error.code().name}: {error.details()}")
    else:
        s.note("runs", f"{len(found)}: {ranges(found)}")


@cases(FOUND)
async def query(s: Driver, text: str):
    s, population = await populated(s)
    text = filled(population, text)
    await note_runs(s, population, query=text)
    await s.call("CountWorkflowExecutions", query=text)


@cases(REFUSED)
async def refused_query(s: Driver, text: str):
    s, population = await populated(s)
    await refused(s.call("ListWorkflowExecutions", query=filled(population, text), page_size=1))
    await refused(s.call("CountWorkflowExecutions", query=filled(population, text)))


@cases({name: FOUND[name] for name in ("nothing", "id-prefix", "keyword", "open", "division", "list-in")}
       | {name: REFUSED[name] for name in ("unknown", "order-by", "unclosed")})
async def scanned(s: Driver, text: str):
    s, population = await populated(s)
    if text in REFUSED.values():
        await refused(s.call("ScanWorkflowExecutions", query=text))
    else:
        await note_runs(s, population, "ScanWorkflowExecutions", query=text)


# --- what an item shows ---


@cases({
    "running": "WorkflowId = 'order-000'",
    "running-without-anything": "WorkflowId = 'seq-439'",
    "upserted": "WorkflowId = 'order-100'",
    "failing": "WorkflowId = 'order-112'",
    "paused": "WorkflowId = 'pay-117'",
    "delayed": "WorkflowId = 'order-120'",
    "completed": "WorkflowId = 'order-140'",
    "failed": "WorkflowId = 'order-220'",
    "canceled": "WorkflowId = 'order-280'",
    "terminated": "WorkflowId = 'order-320'",
    "continued": "WorkflowId = 'pay-365' AND ExecutionStatus = 'ContinuedAsNew'",
    "continuing": "WorkflowId = 'pay-365' AND ExecutionStatus = 'Running'",
    "timed-out": "WorkflowId = 'pay-385'",
    "parent": "WorkflowId = 'parent-401'",
    "child-running": "WorkflowId = 'child-401-0'",
    "child-closed": "WorkflowId = 'child-400-1'",
    "hidden": "WorkflowId = 'hidden-440' AND TemporalNamespaceDivision = 'secret'",
})
async def item(s: Driver, text: str):
    s, _ = await populated(s)
    await s.call("ListWorkflowExecutions", query=text)


@scenario
async def items_of_the_other_lists(s: Driver):
    s, _ = await populated(s)
    every = {"earliest_time": Timestamp(), "latest_time": None}
    await s.call("ScanWorkflowExecutions", query="WorkflowId = 'order-140'")
    for id in ("order-000", "child-401-0"):
        await s.call("ListOpenWorkflowExecutions", execution_filter={"workflow_id": id}, start_time_filter=every)
    for id in ("order-140", "child-400-1"):
        await s.call("ListClosedWorkflowExecutions", execution_filter={"workflow_id": id}, start_time_filter=every)


# --- order and pages ---


@cases({
    "all": ("WorkflowType = 'Seq'", ""),
    "open": ("WorkflowType = 'Seq' AND CloseTime IS NULL", "ListOpenWorkflowExecutions"),
    "closed": ("WorkflowType = 'Seq' AND CloseTime IS NOT NULL", "ListClosedWorkflowExecutions"),
})
async def order(s: Driver, text: str, older: str):
    """Those that are open first, the last that was started before the others; then the last that was closed."""
    s, population = await populated(s)
    for method in ("ListWorkflowExecutions", "ScanWorkflowExecutions"):
        s.note(method, " ".join(await runs(s, population, method, query=text)))
    if older:
        s.note(older, " ".join(await runs(s, population, older, type_filter={"name": "Seq"}, start_time_filter=since())))


@cases({f"{size}": size for size in (1, 7, 10, 30, 500, 1000, 1001, 100_000, 2**31 - 1, 0, -1)})
async def pages(s: Driver, size: int):
    """How many runs each page holds; a page that is full may be followed by an empty one."""
    s, population = await populated(s)
    text = "WorkflowType = 'Seq'" if size < 500 and size > 0 else ""
    sizes, seen, token = [], [], b""
    while len(sizes) < 60:
        reply = await s.peek.api.call("ListWorkflowExecutions", request(
            "ListWorkflowExecutions", namespace=s.namespace, query=text, page_size=size, next_page_token=token))
        sizes.append(len(reply.executions))
        seen += [population.label(info) for info in reply.executions]
        token = reply.next_page_token
        if not token:
            break
    s.note("pages", sizes)
    s.note("runs", f"{len(seen)}, {len(set(seen))} of them different")


@cases({
    method: (method, fields) for method, fields in {
        "ListWorkflowExecutions": {}, "ScanWorkflowExecutions": {},
        "ListOpenWorkflowExecutions": {"start_time_filter": {}}, "ListClosedWorkflowExecutions": {"start_time_filter": {}},
    }.items()
})
async def page_sizes(s: Driver, method: str, fields: dict):
    """`maximum_page_size` of the older requests."""
    s, population = await populated(s)
    field = "page_size" if method in ("ListWorkflowExecutions", "ScanWorkflowExecutions") else "maximum_page_size"
    fields = {name: since() for name in fields}
    for size in (0, 1, 1000, 1001, 2**31 - 1, -1):
        reply = await s.peek.api.call(method, request(method, namespace=s.namespace, **fields, **{field: size}))
        s.note(f"{size}", f"{len(reply.executions)}, {'more' if reply.next_page_token else 'no more'}")


@cases({"garbage": b"garbage", "json": b"{}", "array": b"[]", "number": b"1", "null": b"null", "zeros": bytes(16)})
async def bad_token(s: Driver, token: bytes):
    s, _ = await populated(s)
    await refused(s.call("ListWorkflowExecutions", next_page_token=token, query="WorkflowType = 'Nobody'"))
    await refused(s.call("ScanWorkflowExecutions", next_page_token=token, query="WorkflowType = 'Nobody'"))
    await refused(s.call("ListOpenWorkflowExecutions", next_page_token=token, start_time_filter=since(),
                         type_filter={"name": "Nobody"}))
    await refused(s.call("ListClosedWorkflowExecutions", next_page_token=token, start_time_filter=since(),
                         type_filter={"name": "Nobody"}))


@scenario
async def token_of_another_query(s: Driver):
    s, population = await populated(s)
    first = await s.peek.api.call("ListWorkflowExecutions", request(
        "ListWorkflowExecutions", namespace=s.namespace, query="WorkflowType = 'Seq'", page_size=20))
    for text in ("WorkflowType = 'Parent'", "WorkflowType = 'Seq' AND CloseTime IS NULL"):
        await refused(s.call("ListWorkflowExecutions", query=text, page_size=20, next_page_token=first.next_page_token))


# --- requests ---

LISTS = ("ListWorkflowExecutions", "ScanWorkflowExecutions", "CountWorkflowExecutions", "ListOpenWorkflowExecutions",
         "ListClosedWorkflowExecutions", "ListArchivedWorkflowExecutions")


@cases({f"{method}-{name}": (method, namespace) for method in LISTS
        for name, namespace in {"no-namespace": "", "unknown-namespace": "there-is-none"}.items()})
async def bad_namespace(s: Driver, method: str, namespace: str):
    await refused(s.call(method, namespace=namespace))


@cases({"plain": {}, "query": {"query": "WorkflowType = 'order'"}, "bad-query": {"query": "nonsense"},
        "page": {"page_size": 10, "query": "WorkflowType = 'order'"}, "negative": {"page_size": -1},
        "token": {"next_page_token": b"garbage"}, "large-page": {"page_size": 100_000}})
async def archived(s: Driver, fields: dict):
    s, _ = await populated(s)
    await refused(s.call("ListArchivedWorkflowExecutions", **fields))


def since(earliest: str = "", latest: str = "") -> dict:
    def at(text: str):
        found = Timestamp()
        found.FromJsonString(text)
        return found

    return {"earliest_time": at(earliest) if earliest else Timestamp(), **({"latest_time": at(latest)} if latest else {})}


FILTERS = {
    "none": {},
    "all-times": {"start_time_filter": {}},
    "times-unset": {"start_time_filter": {"of": ("", "")}},
    "early": {"start_time_filter": {"of": ("", "<started>")}},
    "late": {"start_time_filter": {"of": ("<started>", "")}},
    "late-to-now": {"start_time_filter": {"of": ("<started>", "<settled>")}},
    "before-the-end": {"start_time_filter": {"of": ("", "<closed>")}},
    "after-the-end": {"start_time_filter": {"of": ("<closed>", "")}},
    "ends-before-it-begins": {"start_time_filter": {"of": ("<settled>", "<started>")}},
    "type": {"type_filter": {"name": "order"}},
    "type-and-times": {"start_time_filter": {"of": ("<started>", "")}, "type_filter": {"name": "order"}},
    "type-unknown": {"type_filter": {"name": "None"}},
    "type-empty": {"type_filter": {"name": ""}},
    "type-quote": {"type_filter": {"name": "it's"}},
    "execution": {"execution_filter": {"workflow_id": "pay-365"}},
    "execution-and-times": {"start_time_filter": {"of": ("<settled>", "")}, "execution_filter": {"workflow_id": "pay-365"}},
    "execution-run": {"execution_filter": {"workflow_id": "order-000", "run_id": "<run>"}},
    "execution-only-run": {"execution_filter": {"run_id": "<run>"}},
    "execution-other-run": {"execution_filter": {"workflow_id": "order-000", "run_id": "<parent_run>"}},
    "execution-bad-run": {"execution_filter": {"workflow_id": "order-000", "run_id": "x"}},
    "execution-empty": {"execution_filter": {}},
    "execution-quote": {"execution_filter": {"workflow_id": "it's \\"}},
}


def made(population: Population, fields: dict) -> dict:
    found = {}
    for name, value in fields.items():
        if name == "start_time_filter":
            value = since(*(filled(population, text) for text in value["of"])) if "of" in value else {}
        else:
            value = {key: filled(population, text) if isinstance(text, str) else text for key, text in value.items()}
        found[name] = value
    return found


async def by_filter(s: Driver, method: str, fields: dict):
    s, population = await populated(s)
    fields = made(population, fields)
    await note_runs(s, population, method, **fields)


@cases(FILTERS)
async def open_by_filter(s: Driver, fields: dict):
    await by_filter(s, "ListOpenWorkflowExecutions", fields)


@cases(FILTERS | {f"status-{status}": {"status_filter": {"status": status}} for status in (0, 1, 2, 3, 4, 5, 6, 7, 99)}
       | {"status-and-times": {"start_time_filter": {"of": ("<started>", "")}, "status_filter": {"status": 3}},
          "hidden": {"execution_filter": {"workflow_id": "hidden-440"}}})
async def closed_by_filter(s: Driver, fields: dict):
    await by_filter(s, "ListClosedWorkflowExecutions", fields)
