"""The API as JSON over HTTP, in the same hands as the gRPC one: paths come from the API's own annotations."""

import asyncio
import functools
import http.client
import json
import re
from pathlib import Path
from urllib.parse import quote, urlencode

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, message_factory
from temporalio.api import errordetails, failure, protocol, update  # noqa: F401  what an Any may hold
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import message_pb2 as _details  # noqa: F401
from temporalio.api.operatorservice.v1 import request_response_pb2 as operator_messages
from temporalio.api.workflowservice.v1 import request_response_pb2 as messages

from .rpc import DURABLE, Api

DESCRIPTORS = Path(__file__).resolve().parents[2] / "crates" / "api" / "src" / "descriptors.bin"
VERBS = ("get", "put", "post", "delete", "patch")
CODES = {code.value[0]: code for code in grpc.StatusCode}


@functools.cache
def rules() -> dict[str, list[tuple[str, str, str]]]:
    """(verb, path, body) of each binding of each annotated method."""
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    options = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
    extension = pool.FindExtensionByName("google.api.http")
    found = {}
    for file in files:
        for method in (method for service in file.service for method in service.method):
            rule = options.FromString(method.options.SerializeToString()).Extensions[extension]
            bindings = [binding for binding in (rule, *rule.additional_bindings) if binding.WhichOneof("pattern")]
            if bindings:
                found[method.name] = [
                    (binding.WhichOneof("pattern"), getattr(binding, binding.WhichOneof("pattern")), binding.body)
                    for binding in bindings
                ]
    return found


class Reply:
    """An answer as it came."""

    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def ask(address: str, verb: str, path: str, body=None, headers: dict[str, str] | None = None,
        timeout: float = 10) -> Reply:
    """One request. A body that is not text or bytes is sent as JSON."""
    headers = dict(headers or {})
    if body is not None:
        if not isinstance(body, (str, bytes)):
            # As the reference server writes payloads anew.
            body = json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
        body = body if isinstance(body, bytes) else body.encode()
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(verb, path, body, headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class HttpApi(Api):
    """An `Api` whose methods go over HTTP where they have a path, and over gRPC where they have none."""

    def __init__(self, address: str, http_address: str):
        super().__init__(address)
        self.http = http_address

    async def over_http(self, method: str, request, timeout: float = 10, headers: dict[str, str] | None = None):
        binding = next((found for found in map(functools.partial(bound, request), reversed(rules().get(method, []))) if found), None)
        if not binding:
            return await super().call(method, request, timeout, headers)
        verb, path, body = binding
        sent = dict(DURABLE.get(method, ())) if headers is None else dict(headers)
        sent["Grpc-Timeout"] = f"{round(timeout * 1000)}m"
        reply = await asyncio.to_thread(ask, self.http, verb, path, body, sent, timeout + 5)
        if reply.status != 200:
            raise error(reply.json)
        return json_format.ParseDict(reply.json, response(method))


def bound(request, rule: tuple[str, str, str]):
    """(verb, path with query, body) of a request; none if a field of the path is empty."""
    verb, path, body = rule
    values = []

    def fill(found: re.Match) -> str:
        names = found.group(1).partition("=")[0].split(".")
        value = request
        for name in names:
            value = getattr(value, name)
        values.append((names, value))
        return quote(value, safe="")

    path = re.sub(r"\{([^}]*)\}", fill, path)
    # A segment that holds a slash, or nothing, is not the reference server's.
    if any(not value or "/" in value for _, value in values):
        return None
    rest = type(request)()
    rest.CopyFrom(request)
    for names, _ in values:
        within = rest
        for name in names[:-1]:
            within = getattr(within, name)
        within.ClearField(names[-1])
    fields = json_format.MessageToDict(rest)
    if body == "*":
        return verb.upper(), f"{path}?noPayloadShorthand", fields
    if body:
        raise NotImplementedError(f"a body of {body}")
    return verb.upper(), f"{path}?{urlencode([('noPayloadShorthand', ''), *flat(fields)])}", None


def flat(fields: dict, before: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in fields.items():
        if isinstance(value, dict):
            found += flat(value, f"{before}{name}.")
        else:
            for each in value if isinstance(value, list) else [value]:
                found.append((before + name, json.dumps(each) if isinstance(each, bool) else str(each)))
    return found


def response(method: str):
    module = messages if hasattr(messages, f"{method}Response") else operator_messages
    return getattr(module, f"{method}Response")()


def error(status: dict) -> grpc.aio.AioRpcError:
    """The error that gRPC would have brought."""
    details = [json_format.ParseDict(detail, any_pb2.Any()) for detail in status.get("details", [])]
    found = GrpcStatus(code=status["code"], message=status.get("message", ""), details=details)
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", found.SerializeToString())) if details else grpc.aio.Metadata()
    return grpc.aio.AioRpcError(CODES[found.code], grpc.aio.Metadata(), trailers, details=found.message)
