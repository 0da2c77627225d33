"""Workflow commands and requests as data: any of them by its name in the API, its fields as keywords."""

from temporalio.api.command.v1 import Command
from temporalio.api.enums.v1 import CommandType
from temporalio.api.operatorservice.v1 import request_response_pb2 as operator
from temporalio.api.workflowservice.v1 import request_response_pb2 as workflow


def command(name: str, *, user_metadata=None, **attributes) -> Command:
    """A command with its attributes, e.g. `command("START_TIMER", timer_id="t")`."""
    field = f"{name.lower()}_command_attributes"
    return Command(
        command_type=CommandType.Value(f"COMMAND_TYPE_{name}"), user_metadata=user_metadata, **{field: attributes}
    )


def request(method: str, **fields):
    """The request of a method, of either service."""
    name = f"{method}Request"
    return getattr(workflow if hasattr(workflow, name) else operator, name)(**fields)
