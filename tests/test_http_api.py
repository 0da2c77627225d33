"""The API as JSON on the HTTP port of real nodes: what SDK workers do is seen and steered through it."""

import base64
import gzip
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest
from temporalio.api.workflowservice.v1 import request_response_pb2 as w

from harness.cluster import Cluster, wait_until
from harness.hand import Hand, complete_workflow, start_timer
from harness.http import Reply, ask, rules
from harness.rpc import Api, execution, payloads, unique

NAMESPACE = "/api/v1/namespaces/default"
START = {"workflowType": {"name": "T"}, "taskQueue": {"name": "nobody"}}


@pytest.fixture
def node(cluster):
    return cluster.nodes[0]


def get(node, path: str, **more) -> Reply:
    return ask(node.http, "GET", path, **more)


def post(node, path: str, body=None, **more) -> Reply:
    return ask(node.http, "POST", path, body, **more)


def workflow(id: str, rest: str = "") -> str:
    return f"{NAMESPACE}/workflows/{quote(id, safe='')}{rest}"


def events(node, id: str, query: str = "") -> list[dict]:
    reply = get(node, workflow(id, f"/history{query}"))
    assert reply.status == 200, reply.body
    return reply.json["history"]["events"]


@pytest.mark.tenure
def test_a_workflow_is_started_signalled_described_and_ended(cluster):
    """Each call at another node."""
    one, two, three = cluster.nodes
    id = unique("wf")
    started = post(one, workflow(id), START | {"input": ["<b>", {"n": 12345678901234567890}], "memo": {"fields": {"m": None}}})
    assert started.status == 200 and started.json["started"], started.body
    again = post(two, workflow(id), START)
    assert (again.status, again.json["code"]) == (409, 6)
    assert again.json["details"][0]["@type"].endswith("/temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure")
    assert again.json["details"][0]["runId"] == started.json["runId"]
    assert post(three, workflow(id, "/signal/s"), {"input": [1]}).status == 200
    described = get(two, workflow(id)).json["workflowExecutionInfo"]
    assert described["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
    assert described["memo"]["fields"]["m"] == {"metadata": {"encoding": "YmluYXJ5L251bGw="}}
    assert post(one, workflow(id, "/terminate"), {"reason": "enough"}).json == {}
    found = events(three, id)
    assert found[0]["workflowExecutionStartedEventAttributes"]["input"] == ["<b>", {"n": 12345678901234567890}]
    assert found[2]["workflowExecutionSignaledEventAttributes"]["input"] == [1]
    assert found[-1]["eventType"] == "EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED"

    def listed():
        reply = get(one, f"{NAMESPACE}/workflows?query={quote(f'WorkflowId = {id!r}')}&pageSize=10")
        return reply.json.get("executions")

    assert wait_until(listed, 10, "it is listed")[0]["execution"]["workflowId"] == id


@pytest.mark.tenure
@pytest.mark.parametrize("id", ["a/b", "ä ö", "<script>alert(1)</script>", "a%2Fb", "q?x=1&y#z", "..", "\u202e\x01"])
def test_odd_ids_are_ids(node, id):
    id = unique("wf") + id
    assert post(node, workflow(id), START).status == 200
    reply = get(node, workflow(id))
    assert reply.json["workflowExecutionInfo"]["execution"]["workflowId"] == id
    assert b"<" not in reply.body
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.tenure
def test_payloads_that_are_no_json_stay_what_they_are(node):
    id, data = unique("wf"), bytes(range(256)) * 100
    full = {"metadata": {"encoding": base64.b64encode(b"binary/plain").decode()}, "data": base64.b64encode(data).decode()}
    assert post(node, workflow(id), START | {"input": {"payloads": [full, full]}}).status == 200
    shown = events(node, id)[0]["workflowExecutionStartedEventAttributes"]["input"]
    assert shown == {"payloads": [full, full]}


@pytest.mark.tenure
def test_a_payload_of_2_mb_goes_in_and_out(node):
    id, text = unique("wf"), "<&>" * 300_000
    assert post(node, workflow(id), START | {"input": [text]}, timeout=30).status == 200
    assert events(node, id)[0]["workflowExecutionStartedEventAttributes"]["input"] == [text]
    full = events(node, id, "?noPayloadShorthand")[0]["workflowExecutionStartedEventAttributes"]["input"]
    assert json.loads(base64.b64decode(full["payloads"][0]["data"])) == text
    beyond = post(node, workflow(unique("wf")), START | {"input": ["x" * (2 << 20)]}, timeout=30)
    assert (beyond.status, beyond.json["code"]) == (400, 3), beyond.body[:200]


@pytest.mark.tenure
def test_what_is_refused(node):
    id = unique("wf")
    for body, status in [
        ("{", 400), ("[]", 400), ("null", 400), ("{} {}", 400), ('{"unknown": 1}', 400), (b'{"identity": "\xff"}', 400),
        ('{"memo": {"fields": {"a": 1}}}', 400), ('{"lastFailure":' + '{"cause":' * 5000 + "{}" + "}" * 5001, 400),
        ('{"identity": "' + "x" * (4 << 20) + '"}', 413),
        ('{"input": [' + ",".join("0" for _ in range(500_000)) + "]}", 429),
    ]:
        reply = post(node, workflow(id), body)
        assert reply.status == status, (body[:100], reply.body)
        assert reply.json["code"] in (3, 8) and reply.json["message"]
    deep = "[" * 100_000 + "]" * 100_000
    assert post(node, workflow(id), json.dumps(START)[:-1] + f', "input": [{deep}]}}').status == 200
    for path, status in [
        ("/api/v1/nothing", 404), (workflow("x", "/nothing"), 404), (f"{NAMESPACE}/workflows/%ff", 400),
        ("/api/v1/namespaces/there-is-none/workflows", 404), (workflow(id, "/history?maximumPageSize=many"), 400),
        (workflow(id, "/history?nextPageToken=!"), 400), (workflow(id, "/history?nextPageToken=AAAA"), 400),
        ("/api/v1/" + "x" * 20_000, 400),
    ]:
        reply = get(node, path)
        assert (reply.status, reply.json["code"] > 0) == (status, True), (path[:100], reply.body)
    assert ask(node.http, "PUT", "/api/v1/system-info").status == 405
    assert get(node, "/readyz").status == 200


@pytest.mark.tenure
def test_pages_of_others_change_nothing(node):
    for headers, status in [
        ({"Origin": "http://evil.example.com"}, 403), ({"Origin": "null"}, 403), ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "text/plain;charset=UTF-8", "Origin": f"http://{node.http}"}, 200),
    ]:
        id = unique("wf")
        reply = post(node, workflow(id), START, headers=headers)
        assert reply.status == status, (headers, reply.body)
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert get(node, workflow(id)).status == (200 if status == 200 else 404)


@pytest.mark.tenure
def test_answers_are_compressed_for_those_who_ask(node):
    plain = get(node, "/api/v1/cluster-info")
    zipped = get(node, "/api/v1/cluster-info", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(zipped.body)) == plain.json


@pytest.mark.tenure
async def test_a_long_poll_ends_with_an_event_or_by_the_deadline(node, hand: Hand):
    await hand.start()
    path = workflow(hand.id, "/history")
    page = get(node, f"{path}?waitNewEvent=true").json
    token = quote(page["nextPageToken"], safe="")
    began = time.monotonic()
    late = get(node, f"{path}?waitNewEvent=true&nextPageToken={token}", headers={"Grpc-Timeout": "4S"})
    assert 1 < time.monotonic() - began < 6
    assert late.status in (200, 504), late.body
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(get, node, f"{path}?waitNewEvent=true&nextPageToken={token}", timeout=30)
        while not node.total('tenure_requests_in_progress{kind="wait"}'):
            time.sleep(0.05)
        await hand.signal("s")
        answer = waiting.result()
    assert [event["eventType"] for event in answer.json["history"]["events"]] == ["EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"]


@pytest.mark.tenure
async def test_a_client_that_goes_away_leaves_no_wait(tmp_path):
    with Cluster(tmp_path / "one", count=1) as cluster:
        node, api = cluster.nodes[0], Api(cluster.addresses[0])
        hand = Hand([api])
        await hand.start()
        path = workflow(hand.id, "/history?waitNewEvent=true")
        token = quote(get(node, path).json["nextPageToken"], safe="")
        host, port = node.http.split(":")

        def waits() -> float:
            return node.metrics().get('tenure_requests_in_progress{kind="wait"}', 0)

        sockets = [socket.create_connection((host, int(port))) for _ in range(10)]
        for each in sockets:
            each.sendall(f"GET {path}&nextPageToken={token} HTTP/1.1\r\nHost: {node.http}\r\n\r\n".encode())
        wait_until(lambda: waits() == 10, 10, "all wait")
        for each in sockets:
            each.close()
        wait_until(lambda: waits() == 0, 10, "none waits")
        gone = {k: v for k, v in node.metrics().items() if k.startswith("tenure_requests_total") and "CANCELLED" in k}
        assert sum(gone.values()) == 10, gone
        await api.close()


@pytest.mark.tenure
def test_a_schedule_does_what_its_preview_said(cluster):
    """Each call at another node. The spec has jitter, which goes by the schedule's id."""
    one, two, three = cluster.nodes
    id = unique("s")
    spec = {"cronString": ["30 2,14 * * MON-FRI"], "jitter": "600s", "timezoneName": "Europe/Berlin"}
    action = {"startWorkflow": START | {"workflowId": id}}

    def preview(node, spec, **more) -> Reply:
        return post(node, "/tenure/api/v1/namespaces/default/schedule-preview", {"spec": spec} | more)

    def make(node, spec, id=id) -> Reply:
        return post(node, f"{NAMESPACE}/schedules/{id}", {"schedule": {"spec": spec, "action": action}, "requestId": "r"})

    before = datetime.now(UTC).isoformat()
    foreseen = preview(one, spec, scheduleId=id, maximumTimes=25).json
    assert foreseen["meaning"] == "at 02:30 and 14:30 from Monday to Friday in Europe/Berlin, each delayed by up to 10 minutes"
    assert len(foreseen["times"]) == 25
    assert make(two, spec).status == 200
    span = urlencode({"startTime": before, "endTime": foreseen["times"][-1]})
    told = get(three, f"{NAMESPACE}/schedules/{id}/matching-times?{span}").json
    assert told["startTime"] == foreseen["times"]

    assert preview(two, spec, scheduleId="another").json["times"] != foreseen["times"][:10], "its jitter is another"
    nameless = preview(three, spec).json["times"]
    assert len(nameless) == 10 and all(time.endswith(":30:00Z") for time in nameless)
    assert len(preview(one, {"cronString": ["* * * * *"]}, maximumTimes=2_000_000).json["times"]) == 1000
    assert preview(one, {}).json == {"meaning": "never"}
    for bad in ({"cronString": ["30 25 * * *"]}, {"interval": [{"interval": "0s"}]}, {"timezoneName": "Mars/Olympus"}):
        refused = preview(two, bad, scheduleId="bad")
        assert (refused.status, refused.json) == (400, make(two, bad, "bad").json)


@pytest.mark.tenure
def test_requests_are_counted_by_method(node):
    name = 'tenure_requests_total{method="GetSystemInfo",code="OK"}'
    before = node.metrics().get(name, 0)
    get(node, "/api/v1/system-info")
    assert node.metrics()[name] == before + 1
    assert any(key.startswith("tenure_request_seconds") and "GetSystemInfo" in key for key in node.metrics())


@pytest.mark.tenure
def test_what_is_not_there_says_so_by_name(node):
    found = {}
    for method, bindings in rules().items():
        verb, path, _ = bindings[-1]
        for part in ("{", "}"):
            path = path.replace(part, "")
        reply = ask(node.http, verb.upper(), path, "" if verb in ("post", "put") else None, timeout=20,
                    headers={"Grpc-Timeout": "200m"})
        found[method] = reply.status
        if reply.status == 501:
            assert reply.json == {"code": 12, "message": f"{method} is not implemented"}
        else:
            assert reply.status != 404 or reply.json["message"] != "Not Found", (method, path)
    assert list(found.values()).count(501) < 50, found


@pytest.mark.tenure
@pytest.mark.late
async def test_a_long_history_is_a_page_of_json(node, hand: Hand):
    """Pages of the largest size that are given out; what is said is how fast they come."""
    await hand.start()
    for number in range(10):
        await hand.step(*[start_timer(f"t{number}-{each}", 3600) for each in range(500)])
        await hand.signal("next")
    await hand.step(complete_workflow())
    began, token, count, size = time.monotonic(), "", 0, 0
    while True:
        reply = get(node, workflow(hand.id, f"/history?maximumPageSize=50000&nextPageToken={quote(token, safe='')}"), timeout=60)
        page = reply.json
        count, size = count + len(page["history"]["events"]), size + len(reply.body)
        token = page.get("nextPageToken", "")
        if not token:
            break
    took = time.monotonic() - began
    assert count > 5_000
    assert took < 10, f"{count} events, {size} bytes in {took:.2f} s"
