"""The checks of this project. ``nox`` without arguments runs all of them, as CI does.

Every session but ``example`` uses the environment that nox itself runs in (``pip install -e '.[dev]'
-e tests/support/pitchey_test_plugins``). ``example`` makes one of its own, with the built wheel in it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False
# The tests come last, so that pytest's closing line is the last thing one reads.
nox.options.sessions = ["lint", "types", "bench", "example", "tests"]

ROOT = Path(__file__).parent
EXAMPLE = ROOT / "examples" / "pitchey-watermark"
BIN = Path(sys.executable).parent
PARALLEL = ("-n", "2", "--dist", "worksteal")


def _program(name: str) -> str:
    """A program of the environment that nox runs in, also where that one is not on ``PATH``."""
    return str(BIN / name)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.run(_program("ruff"), "check", ".")
    session.run(_program("ruff"), "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly: the packages, the example plugin, and this file."""
    session.run(_program("mypy"))
    session.run(_program("mypy"), "-p", "pitchey_watermark", env={"MYPYPATH": str(EXAMPLE)})
    session.run(_program("mypy"), str(ROOT / "noxfile.py"))


@nox.session
def tests(session: nox.Session) -> None:
    """All tests. Arguments go to pytest: ``nox -s tests -- -k storage``."""
    session.run(_program("pytest"), *PARALLEL, "-q", *session.posargs)


@nox.session
def quick(session: nox.Session) -> None:
    """The tests that take no more than a few seconds each."""
    session.run(_program("pytest"), *PARALLEL, "-q", "-m", "not slow", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Each benchmark for one round, so that none of them rots. For figures, run them one by one."""
    for benchmark in sorted(ROOT.glob("benchmarks/bench_*.py")):
        session.run(sys.executable, str(benchmark), "--rounds", "1", *session.posargs)


@nox.session(venv_backend="venv")
def example(session: nox.Session) -> None:
    """The wheel and the example plugin as a user would install them, in an environment of their own."""
    with tempfile.TemporaryDirectory(prefix="pitchey-wheel-") as folder:
        session.run("python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, str(ROOT))
        (wheel,) = Path(folder).glob("pitchey-*.whl")
        session.install("-q", f"{wheel}[bundled,testing]", f"{EXAMPLE}[test]")
    session.chdir(EXAMPLE)
    session.run("pytest", "-q", "-p", "no:cacheprovider")
    session.run("python", "-I", str(ROOT / "tests" / "support" / "drive_watermark.py"))


@nox.session
def demo(session: nox.Session) -> None:
    """The demonstration, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="pitchey-demo-") as folder:
        session.run(_program("pitchey-run"), "demo", *(session.posargs or ["-o", folder]))
