"""``--help`` is complete, and cheap."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from pitchey_runner.cli import main
from pitchey_runner.cli.app import VERBS

_HEAVY = (
    "pydantic",
    "sqlalchemy",
    "sqlmodel",
    "alembic",
    "rich",
    "anyio",
    "yaml",
    "fsspec",
    "psutil",
    "av",
    "numpy",
)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pitchey_runner.cli import main\ncode = main(['--help'])\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules], file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    for verb in [*VERBS, "video", "test-echo", "test-hello"]:
        assert f"\n  {verb} " in done.stdout


@pytest.mark.parametrize(
    "words",
    [[verb] for verb in VERBS]
    + [["dead", verb] for verb in ("list", "show", "retry", "purge")]
    + [
        ["cost", "prices"],
        ["plugins", "list"],
        ["db", "upgrade"],
        ["db", "status"],
        ["db", "export"],
        ["db", "import"],
        ["db", "check"],
        ["submit", "test-echo"],
    ]
    + [["video"], ["video-processor"], ["test-echo"], ["test-hello"]],
    ids=" ".join,
)
def test_every_verb_has_help_and_the_shared_options(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: pitchey-run {' '.join(words)} ")
    for flag in ("--store", "--json", "--debug"):
        assert flag in shown


def test_options_come_from_the_payload_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test-echo", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "[TEXT]" in shown
    assert "-n, --repeat, --times INTEGER RANGE How often [default: 1] [1<=x<=1000]" in shown
    assert "--loud / --no-loud In capitals [default: off]" in shown
    assert "--style [plain|quoted|boxed] How it looks [default: plain]" in shown
    assert "--scale FLOAT RANGE A number with bounds [0<x<=2.5]" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pitchey-run {version('pitchey')}\n"
