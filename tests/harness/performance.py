"""Programs of an SDK of another language, several in one process, which tells of each as it ends."""

import json
import os
import subprocess
import threading
from pathlib import Path

from .cluster import BINARY
from .reaper import dies_with_us


class Performance:
    """One such process. A line `{"name": ...}` is a program's end, `{"at": ...}` a point where it waits for a line."""

    def __init__(self, command: list, log: Path):
        self.log = log
        self.told: dict[str, dict] = {}
        self.news = threading.Condition()
        self.over = False
        self.child = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("w"), text=True,
            env=os.environ | {"TENURE_BIN": str(BINARY)},
        )
        dies_with_us(self.child.pid)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in self.child.stdout or ():
            with self.news:
                if line.startswith("{"):
                    told = json.loads(line)
                    self.told[told.get("at") or told["name"]] = told
                self.news.notify_all()
        with self.news:
            self.over = True
            self.news.notify_all()

    def of(self, name: str, seconds: float) -> dict:
        """What is told of the program, or of the point."""
        with self.news:
            assert self.news.wait_for(lambda: name in self.told or self.over, seconds), f"{name}: no news in {seconds} s"
        assert name in self.told, f"{self.child.args} ended with {self.child.wait()}:\n{self.tail()}"
        return self.told[name]

    def go_on(self) -> None:
        """Sends the program on that waits at a point."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        self.child.kill()
        self.child.wait()
