"""The official CLI, each command to the next address."""

import asyncio
import itertools
import json
import subprocess

from .cluster import TEMPORAL


class Cli:
    def __init__(self, addresses: list[str]):
        self.addresses = itertools.cycle(addresses)

    async def __call__(self, *arguments: str, fails: bool = False, text: bool = False):
        """What the command prints, as JSON unless `text`."""
        command = [str(TEMPORAL), *arguments, "--address", next(self.addresses), "--command-timeout", "30s"]
        if not text:
            command += ["-o", "json"]
        child = await asyncio.create_subprocess_exec(
            *command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        out, err = await child.communicate()
        if fails:
            assert child.returncode != 0, out.decode()
            return err.decode()
        assert child.returncode == 0, f"{' '.join(arguments)}: {err.decode()}\n{out.decode()}"
        return out.decode() if text else json.loads(out or b"null")
