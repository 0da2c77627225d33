"""What the build leaves out, because there is nothing in it."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("crates/*/Cargo.toml")) + [ROOT / "examples/rust"]

# A code block of a doc comment, and its language.
BLOCK = re.compile(r"^\s*//[/!]\s*```(\w*).*\n(?:\s*//[/!](?!\s*```).*\n)*\s*//[/!]\s*```$", re.MULTILINE)
TEST = re.compile(r"^\s*#\[(?:\w+::)*test\b|\bproptest!", re.MULTILINE)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_what_cargo_is_told_to_skip_has_no_tests(package):
    manifest = tomllib.loads((package / "Cargo.toml").read_text())
    source = "\n".join(path.read_text() for path in sorted((package / "src").rglob("*.rs")))
    library = manifest.get("lib", {})
    if not library.get("doctest", True):
        assert set(BLOCK.findall(source)) <= {"text", "ignore"}, "examples in the documentation would not run"
    if not all(target.get("test", True) for target in [library, *manifest.get("bin", [])]):
        assert not TEST.search(source), "tests would not run"


PUBLISHED = ["api", "client", "sdk-macros", "sdk"]


@pytest.mark.parametrize("crate", PUBLISHED)
def test_what_users_need_can_be_published(crate):
    """`scripts/publish` compiles each from its package, too."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]
    manifest = tomllib.loads((ROOT / "crates" / crate / "Cargo.toml").read_text())
    package = manifest["package"]
    assert package.get("publish", True) is True and package["description"]
    for name in manifest.get("dependencies", {}):
        if name.startswith("tenure-"):
            assert name.removeprefix("tenure-") in PUBLISHED, f"{name} is not published"
            assert "version" in workspace[name], f"{name} has a path and no version"
