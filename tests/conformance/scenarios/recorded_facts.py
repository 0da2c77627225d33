"""Markers, search attributes, memo: what a workflow writes down for itself."""

from harness.commands import command
from harness.hand import failure
from harness.rpc import payloads

from ..driver import Driver
from ..registry import cases, scenario


def one(value: str):
    return payloads(value).payloads[0]


@cases({
    "bare": {"marker_name": "m"},
    "side-effect": {"marker_name": "SideEffect", "details": {"data": payloads("1"), "side-effect-id": payloads("2")}},
    "version": {"marker_name": "Version", "details": {"change-id": payloads("c"), "version": payloads("1")}},
    "local-activity": {
        "marker_name": "core_local_activity", "details": {"result": payloads("out"), "data": payloads("{}")},
        "header": {"fields": {"h": payloads("v").payloads[0]}}},
    "failed-local-activity": {"marker_name": "LocalActivity", "failure": failure("no")},
})
async def marker(s: Driver, fields: dict):
    await s.start()
    await s.step(command("RECORD_MARKER", user_metadata={"summary": one("sum")}, **fields))
    await s.signal("s")
    await s.finish()


@scenario
async def memo_is_changed(s: Driver):
    await s.start(memo={"fields": {"a": one("1"), "b": one("2")}})
    await s.step(command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo={"fields": {"b": one("3"), "c": one("4")}}))
    await s.describe()


@scenario
async def memo_loses_a_field(s: Driver):
    nothing = {"metadata": {"encoding": b"binary/null"}}
    await s.start(memo={"fields": {"a": one("1"), "b": one("2")}})
    await s.step(command("MODIFY_WORKFLOW_PROPERTIES", upserted_memo={"fields": {"a": nothing}}))
    await s.describe()
