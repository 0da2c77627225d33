"""Records held against each other: meant differences left out, the rest shown as a diff."""

import difflib
import json
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"


@dataclass
class Entry:
    """Leaves that may differ: glob patterns of scenario names and of paths, with the reason. `sometimes`: in some runs
    they do, in others not."""

    scenarios: list[str]
    path: str
    reason: str
    sometimes: bool = False
    used: bool = False

    def means(self, name: str) -> bool:
        return any(matches(original(name), pattern) for pattern in self.scenarios)


@dataclass
class Lists:
    """What `differences.toml` and `awaiting.toml` say."""

    differences: list[Entry]
    awaiting: dict[str, str] = field(default_factory=dict)

    def awaits(self, name: str) -> tuple[str, str]:
        """The pattern under which a scenario waits, and for what; empty if it does not."""
        found = ((pattern, feature) for pattern, feature in self.awaiting.items() if matches(original(name), pattern))
        return next(found, ("", ""))

    def unused(self) -> list[Entry]:
        return [entry for entry in self.differences if not entry.used and not entry.sometimes]


def original(name: str) -> str:
    """The scenario that another one plays over HTTP: what is meant of it is meant of both."""
    group, _, rest = name.partition("/")
    return rest.replace(".", "/", 1) if group == "over_http" else name


def matches(name: str, pattern: str) -> bool:
    # Case names stand in brackets, which fnmatch takes for a set.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def load_lists() -> Lists:
    differences = tomllib.loads((HERE / "differences.toml").read_text())
    awaiting = tomllib.loads((HERE / "awaiting.toml").read_text())
    return Lists(
        [Entry(**entry) for entry in differences.get("difference", [])],
        {pattern: feature for feature, patterns in awaiting.items() for pattern in patterns},
    )


def lines_of(found: dict) -> list[tuple[str, str]]:
    """(path, text) for each leaf and heading, in order."""
    lines: list[tuple[str, str]] = []

    def walk(value, path: str, label: str, depth: int) -> None:
        indent = "  " * depth
        if isinstance(value, dict):
            lines.append((path, f"{indent}{label}:"))
            for key, each in value.items():
                walk(each, f"{path}.{key}", key, depth + 1)
        elif isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value):
            lines.append((path, f"{indent}{label}:"))
            for each in value:
                entry(each, path, depth + 1)
        else:
            lines.append((path, f"{indent}{label}: {json.dumps(value)}"))

    def entry(value, path: str, depth: int) -> None:
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            # An event, or a call.
            walk(value[1], f"{path}.{value[0].rpartition(' ')[2]}" if path else value[0], value[0], depth)
        else:
            walk(value, path, "-", depth)

    for call in found.get("calls", []):
        entry(call, "", 0)
    if "aborted" in found:
        walk(found["aborted"], "aborted", "aborted", 0)
    for title, events in found.get("histories", {}).items():
        lines.append(("history", f"history of {title}"))
        for event in events:
            entry(event, "history", 1)
    return lines


def difference(name: str, theirs: dict, ours: dict, lists: Lists | None = None) -> str:
    """A unified diff of two records; empty if they are equal but for what is meant."""
    left, right = lines_of(theirs), lines_of(ours)
    for entry in lists.differences if lists else []:
        if not entry.means(name):
            continue
        meant = lambda line: fnmatchcase(line[0], entry.path)  # noqa: E731
        entry.used = entry.used or [l for l in left if meant(l)] != [l for l in right if meant(l)]
        left = [line for line in left if not meant(line)]
        right = [line for line in right if not meant(line)]
    if left == right:
        return ""
    diff = difflib.unified_diff(
        [text for _, text in left], [text for _, text in right], "reference", "ours", lineterm="", n=4
    )
    return "\n".join(diff)


# --- recorded answers ---


def save(records: dict[str, dict], about: dict) -> None:
    """One file for each group of scenarios; those of groups that are gone are removed."""
    RECORDED.mkdir(exist_ok=True)
    groups: dict[str, dict] = {}
    for name, found in sorted(records.items()):
        groups.setdefault(name.partition("/")[0], {})[name] = found
    for old in RECORDED.glob("*.json"):
        if old.stem not in groups:
            old.unlink()
    for group, found in groups.items():
        (RECORDED / f"{group}.json").write_text(to_json({"about": about, "scenarios": found}))


def load_recorded() -> dict[str, dict]:
    found: dict[str, dict] = {}
    for path in sorted(RECORDED.glob("*.json")):
        found |= json.loads(path.read_text())["scenarios"]
    return found


def to_json(value, depth: int = 0) -> str:
    """A call or an event on a line of its own, so that a change of one shows as one line."""
    def inner(value, depth: int) -> str:
        pad = " " * (depth + 1)
        if isinstance(value, dict) and value and depth < 4 and any(isinstance(v, (dict, list)) for v in value.values()):
            body = ",\n".join(f"{pad}{json.dumps(k)}: {inner(v, depth + 1)}" for k, v in value.items())
            return f"{{\n{body}\n{' ' * depth}}}"
        if isinstance(value, list) and value and depth < 5 and all(isinstance(v, list) for v in value):
            body = ",\n".join(f"{pad}{json.dumps(v)}" for v in value)
            return f"[\n{body}\n{' ' * depth}]"
        return json.dumps(value)

    return inner(value, depth) + "\n"
