"""The dashboard and the alerts, asked of a real Prometheus that scrapes three nodes."""

import json
import re
import subprocess
import tomllib
import urllib.parse
import urllib.request
import uuid
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

from harness.cluster import Cluster, free_ports, wait_until

ROOT = Path(__file__).parent.parent
DASHBOARD, RULES = ROOT / "cluster/grafana/tenure.json", ROOT / "cluster/prometheus/alerts.yml"
ALERTS = tomllib.loads((ROOT / "cluster/prometheus/alerts.toml").read_text())["alert"]

# What the dashboard is told by whoever looks at it.
CHOICES = {"$job": "tenure", "$instance": ".*", "$__rate_interval": "10s"}


def test_they_are_written_from_the_table_of_metrics():
    done = subprocess.run([ROOT / "scripts/dashboards", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"run scripts/dashboards: {done.stdout}{done.stderr}"


def test_what_to_do_is_told_for_each_alert():
    told = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert told == [alert["name"] for alert in ALERTS]


@activity.defn
async def greet(name: str) -> str:
    return f"Hello {name}"


@workflow.defn(sandboxed=False)
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        await workflow.sleep(0.01)
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))


def programs() -> Path:
    """Where prometheus and promtool are."""
    found = subprocess.run([ROOT / "scripts/prometheus"], capture_output=True, text=True)
    if found.returncode == 3:
        pytest.skip(found.stdout.strip())
    assert found.returncode == 0, found.stderr
    return Path(found.stdout.strip())


class Prometheus:
    def __init__(self, address: str):
        self.address = address

    def ask(self, path: str, **query):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict]:
        return self.ask("query", query=expression)["result"]

    def alerts(self) -> dict[str, str]:
        return {alert["labels"]["alertname"]: alert["state"] for alert in self.ask("alerts")["alerts"]}

    def ready(self) -> bool:
        try:
            return bool(self.query("up"))
        except OSError:
            return False


@contextmanager
def prometheus(directory: Path, targets: list[str]):
    home, port = programs(), free_ports(1)[0]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "tenure", "static_configs": [{"targets": targets}]}],
    }
    # JSON is YAML.
    (directory / "prometheus.yml").write_text(json.dumps(config))
    checked = subprocess.run([home / "promtool", "check", "config", directory / "prometheus.yml"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [home / "prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/prometheus",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        asked = Prometheus(f"127.0.0.1:{port}")
        wait_until(asked.ready, 30, "Prometheus has scraped")
        yield asked
    finally:
        process.terminate()
        process.wait(20)


def panels() -> list[tuple[str, str, str]]:
    """Title, query and legend of each line that is drawn."""
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for one in panel.get("panels") or [panel]:
            for target in one.get("targets", []):
                expression = target["expr"]
                for name, choice in CHOICES.items():
                    expression = expression.replace(name, choice)
                found.append((one["title"], expression, target["legendFormat"]))
    return found


@pytest.mark.tenure
async def test_each_panel_shows_something_and_a_node_that_is_down_is_told(directory, say):
    here = directory / f"dashboards-{uuid.uuid4()}"
    with Cluster(here) as cluster, prometheus(here, [node.http for node in cluster.nodes]) as asked:
        client = await Client.connect(cluster.addresses[0])
        async with Worker(client, task_queue="greetings", workflows=[Greeting], activities=[greet]):
            for n in range(20):
                await client.execute_workflow(Greeting.run, "you", id=f"greeting-{n}", task_queue="greetings")
        exposed = {name.partition("{")[0] for node in cluster.nodes for name in node.metrics()}
        silent = []
        for title, expression, legend in panels():
            if set(re.findall(r"\b(?:tenure|process)_\w+", expression)) <= exposed:
                # Rates need two scrapes that know a series.
                wait_until(lambda: asked.query(expression), 20, f"something comes of {title}: {expression}")
            else:
                silent.append(title)
            for one in asked.query(expression):
                unsaid = [label for label in re.findall(r"{{(\w+)}}", legend) if not one["metric"].get(label)]
                assert not unsaid, f"{title}: no {unsaid} in {one['metric']}"
        say(f"of {len(panels())} queries, {len(silent)} of what has not happened yet: {', '.join(silent)}")
        led = str(len(cluster.leaders()))
        wait_until(lambda: asked.query("sum(tenure_raft_shards_led)")[0]["value"][1] == led, 20, "each shard has its leader")
        assert asked.alerts() == {}
        cluster.node(3).kill()
        wait_until(lambda: "TenureNodeDown" in asked.alerts(), 30, "the alert is pending")
