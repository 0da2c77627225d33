"""Requests to the HTTP port and their answers as they are: paths, queries, the shorthand of payloads, errors."""

from harness.http import Reply

from ..driver import Driver
from ..registry import cases, scenario

WORKFLOW = "/api/v1/namespaces/default/workflows/{id}"


def start(s: Driver, **more) -> dict:
    return {"workflowType": {"name": "T"}, "taskQueue": {"name": s.queue}, "requestId": s.unique("start"), "identity": "test"} | more


async def begun(s: Driver, **more) -> Reply:
    reply = await s.ask("POST", WORKFLOW, start(s, **more))
    s.run = reply.json["runId"]
    return reply


@scenario
async def a_workflow_from_its_start_to_its_end(s: Driver):
    await begun(s, input=["in", 1], memo={"fields": {"m": {"a": "b"}}})
    await s.ask("POST", WORKFLOW, start(s, requestId=s.unique("another")))
    await s.ask("POST", f"{WORKFLOW}/signal/s", {"input": ["x"], "requestId": s.unique("signal"), "identity": "test"})
    await s.ask("GET", WORKFLOW)
    await s.ask("GET", f"{WORKFLOW}/history")
    await s.ask("POST", f"{WORKFLOW}/terminate", {"reason": "enough", "identity": "test"})
    await s.ask("POST", f"{WORKFLOW}/terminate", {"reason": "enough", "identity": "test"})
    await s.ask("GET", f"{WORKFLOW}/history?historyEventFilterType=HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT")
    await s.ask("GET", f"/namespaces/default/workflows/{{id}}/history-reverse?maximumPageSize=1&execution.runId={s.run}")


@cases({
    "null": None, "true": True, "number": 12.5, "text": "ü\"", "list": [1, [2]], "object": {"a": {"b": "c"}},
    "protobuf": {"_protoMessageType": "a.B", "x": 1},
    "full": {"metadata": {"encoding": "YmluYXJ5L3BsYWlu"}, "data": "//79"},
    "null-in-full": {"metadata": {"encoding": "YmluYXJ5L251bGw="}},
    "no-encoding": {"metadata": {"x": "eA=="}, "data": "//79"},
    "no-base64": {"metadata": {"encoding": "!"}, "data": "!"},
    "more-fields": {"metadata": {"encoding": "YQ=="}, "data": "YQ==", "x": "y"},
})
async def payload(s: Driver, value):
    await begun(s, input=[value], header={"fields": {"h": value}})
    for query in ("", "&noPayloadShorthand", "&pretty"):
        await s.ask("GET", f"{WORKFLOW}/history?x{query}")


@scenario
async def payloads_in_full(s: Driver):
    full = {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "MQ=="}, {"metadata": {"encoding": "eA=="}, "data": "MQ=="}]}
    await begun(s, input=full)
    for kind in ("application/json", "application/json+no-payload-shorthand", "application/json+pretty"):
        await s.ask("GET", f"{WORKFLOW}/history", headers={"Accept": kind})


@cases({
    "short-enum": {"workflowIdReusePolicy": "AllowDuplicate"}, "enum-number": {"workflowIdReusePolicy": 2},
    "long-enum": {"workflowIdReusePolicy": "WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE"},
    "proto-names": {"workflow_run_timeout": "60s", "retry_policy": {"maximum_attempts": "3", "backoff_coefficient": 2}},
    "null": {"memo": None, "input": None}, "timeout": {"workflowExecutionTimeout": "90.5s"},
    "unsafe-base64": {"header": {"fields": {"h": {"metadata": {"encoding": "-_8"}, "data": "YQ"}}}},
})
async def fields(s: Driver, more: dict):
    await begun(s, **more)


@cases({
    "unknown": '{"unknown": 1}', "cut": '{"identity":', "list": "[]", "null": "null", "twice": '{"identity": "a", "identity": "b"}',
    "number-for-text": '{"identity": 1}', "bad-enum": '{"workflowIdReusePolicy": "Nonsense"}',
    "bad-duration": '{"workflowRunTimeout": "soon"}', "fraction": '{"retryPolicy": {"maximumAttempts": 1.5}}',
    "empty": "", "nothing": "{}",
})
async def bad_body(s: Driver, body: str):
    await s.ask("POST", WORKFLOW, body)


@cases({
    "page-size": "maximumPageSize=x", "twice": "maximumPageSize=1&maximumPageSize=2", "boolean": "waitNewEvent=2",
    "run": "execution.runId=x", "token": "nextPageToken=!!", "unknown": "nonsense=1", "message": "execution=1",
    "too-large": "maximumPageSize=99999999999", "in-path": "namespace=other", "snake": "maximum_page_size=1000",
})
async def query(s: Driver, query: str):
    await begun(s)
    await s.ask("GET", f"{WORKFLOW}/history?{query}")


@cases({
    "not-there": ("GET", "/api/v1/nothing"),
    "unknown-namespace": ("GET", "/api/v1/namespaces/there-is-none"), "unknown-workflow": ("GET", WORKFLOW),
    "bad-query": ("GET", "/api/v1/namespaces/default/workflows?query=Nonsense%20%3D%201"),
})
async def paths(s: Driver, verb: str, path: str):
    await s.ask(verb, path)


@scenario
async def a_schedule(s: Driver):
    path = "/api/v1/namespaces/default/schedules/{id}"
    action = {"startWorkflow": {"workflowId": s.unique("started"), "workflowType": {"name": "T"}, "taskQueue": {"name": s.queue}}}
    spec = {"structuredCalendar": [{"year": [{"start": 2099}], "comment": "far"}]}
    await s.ask("POST", path, {"schedule": {"spec": spec, "action": action, "state": {"paused": True, "notes": "n"}}, "requestId": s.unique("create")})
    await s.ask("POST", path, {"schedule": {"spec": spec, "action": action}, "requestId": s.unique("again")})
    await s.ask("POST", f"{path}/patch", {"patch": {"unpause": "go"}, "requestId": s.unique("patch")})
    await s.ask("GET", f"{path}/matching-times?startTime=2099-01-01T00:00:00Z&endTime=2099-01-03T00:00:00Z")
    await s.ask("DELETE", path)
    await s.ask("GET", f"{path}")
