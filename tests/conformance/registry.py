"""The list of scenarios: async functions that take a driver, marked with `@scenario`."""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Awaitable, Callable

from .driver import Driver

SCENARIOS: dict[str, "Scenario"] = {}


@dataclass
class Scenario:
    name: str
    play: Callable[[Driver], Awaitable[None]]
    # Calls that have a path go over HTTP.
    http: bool = False

    @property
    def group(self) -> str:
        """The module; its recorded answers share a file."""
        return self.name.partition("/")[0]


def scenario(function):
    """Registers `module/function`."""
    add(named(function), function)
    return function


def cases(table: dict[str, tuple]):
    """Registers `module/function[case]` for each row; the row's values follow the driver."""
    def register(function):
        for case, row in table.items():
            row = row if isinstance(row, tuple) else (row,)
            add(f"{named(function)}[{case}]", lambda driver, row=row: function(driver, *row))
        return function

    return register


def over_http(module: str):
    """Registers each scenario of a module once more as `over_http/module.name`: the same calls, over HTTP."""
    importlib.import_module(f".scenarios.{module}", __package__)
    for name, each in list(SCENARIOS.items()):
        if name.startswith(f"{module}/"):
            add(f"over_http/{name.replace('/', '.')}", each.play, http=True)


def named(function) -> str:
    return f"{function.__module__.rpartition('.')[2]}/{function.__name__}"


def add(name: str, play, http: bool = False) -> None:
    assert name not in SCENARIOS, f"two scenarios are named {name}"
    SCENARIOS[name] = Scenario(name, play, http)


def load() -> dict[str, Scenario]:
    from . import scenarios

    for module in pkgutil.iter_modules(scenarios.__path__):
        importlib.import_module(f"{scenarios.__name__}.{module.name}")
    return dict(sorted(SCENARIOS.items()))
