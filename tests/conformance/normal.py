"""Protobuf messages as plain data that two runs of one scenario share: generated ids, times and sizes get names.

An id's name is given by order of appearance, so a reference to the wrong run shows. A time says "now" or how many
minutes from the scenario's beginning it lies, so a deadline that is off shows; years away it is told as it is.
"""

import json
import re
from datetime import datetime

from google.protobuf import symbol_database
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api import errordetails, failure, protocol, update  # noqa: F401  what an Any may hold
from temporalio.api.errordetails.v1 import message_pb2 as _details  # noqa: F401
from temporalio.api.update.v1 import message_pb2 as _updates  # noqa: F401

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# The identity of the reference server's own worker: its process and host.
WORKER = re.compile(r"^\d+@[^@]*@$")

# The name of a namespace that is being deleted ends with the beginning of its id.
DELETED = re.compile(r"-deleted-[0-9a-f]{5}")

# Where in a query an error is, and which attribute it is about: ours tell it after the reference server's words.
PLACE = re.compile(r"(?:, in what is asked of \w+)? \(at (?:line \d+, )?column \d+\)$")

# A time within a text, such as the one that ends the id of a run that a schedule started.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
DAY_S = 86_400
# A time that far from now is one that the scenario gave.
FAR_S = 1000 * DAY_S

# The reference server's schedules are workflows, of which an error tells.
NO_SCHEDULE = re.compile(r"workflow not found for ID: temporal-sys-scheduler:.*", re.DOTALL)

# Fields that measure the server and not the semantics.
MEASURED = {
    "approximate_backlog_age", "execution_duration", "history_size_bytes", "last_access_time", "rate_per_second",
    "server_version", "state_size_bytes", "task_id", "tasks_add_rate", "tasks_dispatch_rate",
}
# Of those, the ones that come and go with the load.
FLEETING = {"poller_scaling_decision", "backlog_count_hint"}

# Errors of HTTP requests whose words are each server's own.
WORDS = [
    (re.compile(r"^(temporalproto: |unexpected EOF|the body cannot be read: ).*", re.DOTALL), "a body that cannot be read"),
    (re.compile(r"^(parsing (?:field|list) \"\w*\"): .*", re.DOTALL), r"\1"),
]

# Of JSON: what begins a word of a name, fields that differ from time to time, and those that are opaque.
SNAKE = re.compile(r"[A-Z]")
OWN_IN_JSON = {"taskId", "clusterId", "stateTransitionCount"}
TOKENS = {"next_page_token", "task_token"}
NO_TIME = "0001-01-01T00:00:00Z"

# Ids that one half of the server gives another.
OWN = {
    "WorkflowTaskStartedEventAttributes": ["request_id"],
    "ActivityTaskStartedEventAttributes": ["request_id"],
}


class Normal:
    """The names given so far in one scenario. `token` is the part of all its ids that differs from run to run."""

    def __init__(self, token: str, began: float):
        self.token = token
        self.began = began
        self.named: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        # Events of the final histories, so that a task shows those it was given by number and type.
        self.known: set[str] = set()
        # Fields that depend on the time of day in this scenario.
        self.vague: set[str] = set()

    def text(self, value: str, kind: str = "id") -> str:
        if WORKER.match(value):
            return "its own worker"
        value = DELETED.sub("-deleted", PLACE.sub("", value.replace(f"-{self.token}", "")))
        value = NO_SCHEDULE.sub("schedule not found", value)
        value = MOMENT.sub(lambda found: self.moment(found.group()), value)
        return UUID.sub(lambda found: self.name(found.group(), kind), value)

    def name(self, value: str, kind: str) -> str:
        if value not in self.named:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.named[value] = f"{kind}-{self.counts[kind]}"
        return self.named[value]

    def message(self, message):
        """A message as a dict of the fields that are set; well-known types as text."""
        special = SPECIAL.get(message.DESCRIPTOR.full_name)
        if special:
            return special(self, message)
        own = OWN.get(message.DESCRIPTOR.name, ())
        return {
            field.name: self.field(field, value)
            for field, value in message.ListFields()
            if field.name not in FLEETING and field.name not in own and not unset(value)
        }

    def field(self, field: FieldDescriptor, value):
        if field.name in MEASURED or field.name in self.vague:
            return "~"
        if field.message_type and field.message_type.GetOptions().map_entry:
            of = field.message_type.fields_by_name["value"]
            if field.name == "queries":
                # Their ids are the server's own, in any form.
                return {self.name(key, "query"): self.single(of, value[key]) for key in sorted(value)}
            pairs = ((self.text(str(key), kind_of(field)), self.single(of, value[key])) for key in sorted(value))
            return dict(sorted(pairs))
        if field.name == "first_workflow_task_backoff" and 0 < value.ToNanoseconds() < 1e9:
            # The rest of the second that a run must be apart from the one that it continues.
            return "below 1s"
        if field.is_repeated:
            return [self.single(field, each) for each in value]
        return self.single(field, value)

    def single(self, field: FieldDescriptor, value):
        if field.message_type:
            return self.message(value)
        if field.enum_type:
            return enum(field.enum_type, value)
        if field.name == "conflict_token":
            # It tells what changes a schedule and what does not.
            return self.name(value.hex(), "token")
        if field.type == FieldDescriptor.TYPE_BYTES:
            return "<bytes>"
        if field.type == FieldDescriptor.TYPE_STRING:
            return self.text(value, kind_of(field))
        return value

    def json(self, value, name: str = ""):
        """JSON as an HTTP port answers it, with the names that its fields have there."""
        field = SNAKE.sub(lambda found: f"_{found.group().lower()}", name)
        if field in MEASURED:
            return "~"
        if isinstance(value, dict):
            fields = {self.text(key): self.json(value[key], key) for key in value
                      if key not in OWN_IN_JSON and value[key] != NO_TIME}
            return dict(sorted(fields.items()))
        if isinstance(value, list):
            return [self.json(each, name) for each in value]
        if isinstance(value, str):
            for words, instead in WORDS if field == "message" else ():
                value = words.sub(instead, value)
            return "<bytes>" if field in TOKENS else self.text(value, "run" if "run_id" in field else "id")
        return value

    def event(self, event) -> list:
        """[number and type, attributes and whatever else is set]."""
        attributes = getattr(event, event.WhichOneof("attributes")) if event.WhichOneof("attributes") else None
        rest = {
            field.name: self.field(field, value)
            for field, value in event.ListFields()
            if field.name not in ("event_id", "event_type", "version", "task_id")
            and not field.name.endswith("_event_attributes")
        }
        if rest.get("event_time") == "now":
            del rest["event_time"]
        return [title(event), (self.message(attributes) if attributes else {}) | rest]

    def run(self, events) -> list:
        """A final history."""
        found = [self.event(event) for event in events]
        self.known.update(json.dumps(event) for event in found)
        return found

    def history(self, history) -> list:
        """What a reply tells of a history: events as in the final one by title, others in full."""
        events = [self.event(event) for event in history.events]
        return [event[0] if json.dumps(event) in self.known else event for event in events]

    def timestamp(self, value) -> str:
        if value.seconds == 0:
            return "epoch"
        passed = value.ToNanoseconds() / 1e9 - self.began
        return value.ToJsonString() if abs(passed) > FAR_S else self.since(passed)

    def moment(self, text: str) -> str:
        """A time in a text: as it is, unless it is one of the scenario's own day."""
        passed = datetime.fromisoformat(text).timestamp() - self.began
        return text if abs(passed) > DAY_S else self.since(passed)

    def since(self, passed: float) -> str:
        minutes = round(passed / 60)
        return "now" if minutes == 0 else f"now{minutes:+}min"

    def payload(self, value) -> str:
        metadata = dict(value.metadata)
        encoding = metadata.pop("encoding", b"").decode()
        more = "".join(f" {key}={metadata[key].decode(errors='replace')}" for key in sorted(metadata))
        data = value.data.decode(errors="backslashreplace")
        if len(data) > 200:
            data = f"{len(data)} bytes"
        return self.text(f"{encoding}{more}:{data}")

    def any(self, value) -> dict:
        name = value.type_url.rpartition("/")[2]
        try:
            message = symbol_database.Default().GetSymbol(name)()
        except KeyError:
            return {"@": name}
        value.Unpack(message)
        return {"@": name} | self.message(message)


def unset(value) -> bool:
    """Whether it is the time that Go sends for none: the first day of the year 1."""
    return isinstance(value, Timestamp) and value.seconds == -62_135_596_800


def title(event) -> str:
    name = enum(event.DESCRIPTOR.fields_by_name["event_type"].enum_type, event.event_type)
    return f"{event.event_id} {''.join(part.capitalize() for part in name.split('_'))}"


def enum(kind, value: int):
    """The value's name without the prefix that all of them share."""
    found = kind.values_by_number.get(value)
    if not found:
        return value
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.name).upper() + "_"
    return found.name.removeprefix(prefix)


def kind_of(field: FieldDescriptor) -> str:
    """What an id in this field identifies."""
    for part, kind in (("run_id", "run"), ("request_id", "request"), ("namespace_id", "namespace")):
        if part in field.name:
            return kind
    return "id"


def duration(_, value) -> str:
    seconds = value.ToNanoseconds() / 1e9
    if abs(seconds - round(seconds, 1)) > 0.01:
        # What is left of a time that a scenario gave; none gives hundredths.
        return f"below {int(seconds) + 1}s"
    return f"{round(seconds, 1):g}s"


SPECIAL = {
    "google.protobuf.Any": Normal.any,
    "google.protobuf.Duration": duration,
    "google.protobuf.Timestamp": Normal.timestamp,
    "temporal.api.common.v1.Payload": Normal.payload,
    "temporal.api.common.v1.Payloads": lambda normal, value: [normal.payload(each) for each in value.payloads],
    "temporal.api.history.v1.History": Normal.history,
    "temporal.api.history.v1.HistoryEvent": Normal.event,
}
