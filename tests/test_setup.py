"""What set-up checks, on machines that have things by half. Each check uses the thing; a file of its name is not enough."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECKS = ["compiler", "certificates", "curl", "python", "libclang", "chromium", "rust", "clippy"]
# What the checks themselves are written with.
BASICS = ["as", "bash", "cat", "cmp", "cut", "dirname", "grep", "head", "ld", "mktemp", "rm", "sed", "sort"]
# The interpreter itself, not the one of an environment or a shim.
PYTHON = os.path.realpath(sys.executable)


class Machine:
    """A machine that has the basics and what is put on it."""

    def __init__(self, home: Path):
        self.bin = home / "bin"
        self.lib = home / "lib"
        self.venv = home / "venv"
        for directory in (self.bin, self.lib):
            directory.mkdir()
        self.variables = {
            "PATH": str(self.bin),
            "TENURE_ROOT": str(ROOT),
            "TENURE_VENV": str(self.venv),
            "LIBCLANG_PATH": str(self.lib),
            "SSL_CERT_FILE": str(home / "certificates"),
        }
        for name in BASICS:
            self.has(name)
        self.says("python3", f'exec "{PYTHON}" "$@"')

    def has(self, name: str):
        """The real command."""
        found = shutil.which(name)
        assert found, name
        self.says(name, f'exec "{found}" "$@"')

    def says(self, name: str, script: str):
        """A command that does this instead."""
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(f"#!{shutil.which('bash')}\n{script}\n")
        (self.bin / name).chmod(0o755)

    def complaint(self, check: str) -> str | None:
        """What the check says is wrong, or None if it is content."""
        command = [shutil.which("bash"), "-c", f'source "{ROOT}/scripts/checks"; {check}_works']
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 or done.stderr, "a check that fails says why"
        return done.stderr if done.returncode else None


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(tmp_path)


def real_libclang() -> Path:
    done = subprocess.run(
        ["bash", "-c", "ls /usr/lib/llvm-*/lib/libclang.so.1 /usr/lib/*/libclang-*.so.1 2>/dev/null | tail -n1"],
        capture_output=True,
        text=True,
    )
    return Path(done.stdout.strip()).resolve()


@pytest.mark.parametrize("check", CHECKS)
def test_this_machine_is_set_up(check):
    variables = os.environ | {"TENURE_ROOT": str(ROOT), "TENURE_VENV": os.environ.get("TENURE_VENV", "/nowhere")}
    subprocess.run(
        ["bash", "-c", f'source "{ROOT}/scripts/checks"; {check}_works'], env=variables, check=True, timeout=60
    )


@pytest.mark.parametrize("check", sorted(set(CHECKS) - {"python"}))
def test_a_bare_machine_lacks_everything(machine, check):
    assert machine.complaint(check)


def test_the_libclang_of_compilers_is_not_the_one_of_bindgen(machine):
    for name in ["libclang-cpp.so.14", "libclang-cpp.so", "libclangBasic.a", "libclang.a"]:
        shutil.copy(real_libclang(), machine.lib / name)
    assert "there is no libclang" in machine.complaint("libclang")


@pytest.mark.parametrize(
    "name", ["libclang.so", "libclang-14.so", "libclang.so.1", "libclang-14.so.1", "libclang-14.0.6.so"]
)
def test_libclang_goes_by_many_names(machine, name):
    (machine.lib / name).symlink_to(real_libclang())
    assert machine.complaint("libclang") is None


def test_a_libclang_that_does_not_load(machine):
    (machine.lib / "libclang.so").write_text("/* a linker script */")
    assert "libclang.so" in machine.complaint("libclang")


def test_a_libclang_without_the_compilers_headers(machine):
    # As libclang1 alone behaves: it loads, and each `#include` is a diagnostic.
    (machine.lib / "half.c").write_text(
        "void *clang_createIndex(int a, int b) { return &clang_createIndex; }\n"
        "void *clang_parseTranslationUnit() { return &clang_parseTranslationUnit; }\n"
        "unsigned clang_getNumDiagnostics() { return 1; }\n"
    )
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "half.c", "-o", "libclang.so.1"], cwd=machine.lib, check=True)
    assert "headers" in machine.complaint("libclang")


def test_the_newest_libclang_is_the_one_that_is_loaded(machine):
    (machine.lib / "libclang-14.so").symlink_to(real_libclang())
    (machine.lib / "libclang-99.so").write_text("half a download")
    assert "libclang-99" in machine.complaint("libclang")


def test_a_compiler_without_its_library(machine):
    for name in ["cc", "ar"]:
        machine.has(name)
    machine.says("c++", 'echo "fatal error: string: No such file or directory" >&2; exit 1')
    assert "string" in machine.complaint("compiler")


def test_a_compiler_without_a_linker(machine):
    for name in ["cc", "c++", "ar"]:
        machine.has(name)
    real = shutil.which("c++")
    machine.says("c++", f'exec "{real}" -fuse-ld=none "$@"')
    assert machine.complaint("compiler")


def test_a_compiler_without_binutils(machine):
    for name in ["cc", "c++"]:
        machine.has(name)
    assert "ar" in machine.complaint("compiler")


def test_a_compiler_without_make(machine):
    for name in ["cc", "c++", "ar"]:
        machine.has(name)
    assert "make" in machine.complaint("compiler")


@pytest.mark.parametrize("lacks", ["import ensurepip", "import venv"], ids=["ensurepip", "venv"])
def test_a_python_that_makes_no_environments(machine, lacks):
    machine.says(
        "python3", f'[[ "$*" == *venv* ]] && {{ echo "No module: {lacks}" >&2; exit 1; }}; exec "{PYTHON}" "$@"'
    )
    assert lacks in machine.complaint("python")


def test_an_old_python(machine):
    machine.says("python3", 'echo "Python 3.10 is needed, this is 3.7.3" >&2; exit 1')
    assert "3.10" in machine.complaint("python")


def test_an_environment_whose_python_is_gone_is_made_again(machine):
    (machine.venv / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "tests/requirements.txt", machine.venv / ".tenure-requirements")
    (machine.venv / "bin/python").symlink_to("/nowhere/python3.9")
    assert machine.complaint("environment")
    assert machine.complaint("python") is None, "one can be made"


def test_rustup_without_a_toolchain(machine):
    for name in ["cargo", "rustc"]:
        machine.says(name, 'echo "error: rustup could not choose a version of cargo to run" >&2; exit 1')
    assert "could not choose" in machine.complaint("rust")


def test_an_old_rust(machine):
    machine.says("cargo", 'echo "cargo 1.70.0"')
    machine.says("rustc", 'echo "rustc 1.70.0 (90c541806 2023-05-31)"')
    assert "1.70.0 is too old" in machine.complaint("rust")


def test_a_toolchain_without_clippy(machine):
    machine.says("cargo", """echo "error: 'cargo-clippy' is not installed for the toolchain 'stable'" >&2; exit 1""")
    assert "not installed" in machine.complaint("clippy")


def test_a_chromium_that_is_only_a_name(machine):
    machine.says("chromium", 'echo "requires the snap to be installed" >&2; exit 1')
    assert "snap" in machine.complaint("chromium")


def test_certificates_that_were_emptied(machine):
    Path(machine.variables["SSL_CERT_FILE"]).touch()
    assert machine.complaint("certificates")
