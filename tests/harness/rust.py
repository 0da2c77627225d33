"""Programs of examples/rust as real processes."""

import asyncio
import os
from pathlib import Path

from .cluster import TARGET, Process, wait_until


def program(name: str) -> Path:
    found = TARGET / "debug" / name
    assert found.exists(), f"{found} is missing: cargo build -p tenure-examples"
    return found


def environment(addresses: list[str], **more: str) -> dict[str, str]:
    return {"TENURE_ADDRESS": ",".join(dict.fromkeys(addresses))} | more


class Program(Process):
    """One that runs until it is told to stop."""

    def __init__(self, name: str, *options, addresses: list[str], log: Path, **more: str):
        super().__init__([program(name), *options], log, environment(addresses, **more))

    def __enter__(self) -> "Program":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def says(self, what: str, seconds: float = 20) -> str:
        """Waits for a line that contains `what`."""

        def found():
            assert self.running, f"{self.arguments} has ended with {self.child.returncode}:\n{self.tail()}"
            return next((line for line in self.lines() if what in line), None)

        return wait_until(found, seconds, f"{self.arguments} says {what!r}")

    def lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []


async def run(name: str, *options, addresses: list[str], seconds: float = 60) -> str:
    """Runs a program to its end; gives what it printed."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("TENURE_")}
    child = await asyncio.create_subprocess_exec(
        program(name), *map(str, options), env=inherited | environment(addresses),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            printed = (await child.communicate())[0].decode()
    except BaseException:
        child.kill()
        await child.wait()
        raise
    assert child.returncode == 0, f"{name} ended with {child.returncode}:\n{printed}"
    return printed
