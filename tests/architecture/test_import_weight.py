"""What is imported at start is paid for by every call of ``pitchey-run`` and every library user."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from source_tree import plugin_packages

HEAVY = {
    "PIL", "alembic", "anyio", "av", "docx", "ffmpeg", "fsspec", "lxml", "numpy", "onnxruntime", "openpyxl",
    "opentelemetry", "platformdirs", "pptx", "prometheus_client", "psutil", "pydantic", "pydantic_settings",
    "pypdf", "pypdfium2", "pytesseract", "rich", "sqlalchemy", "sqlmodel", "tokenizers", "yaml",
}  # fmt: skip
LIGHT = [
    "pitchey_core",
    "pitchey_core.errors",
    "pitchey_core.ffmpeg",
    "pitchey_core.hooks",
    "pitchey_core.registry",
    "pitchey_runner",
    "pitchey_runner.cli",
    "pitchey_runner.cli.app",
    *sorted(f"{package}.plugin" for package in plugin_packages()),
]


def _imported_by(code: str) -> set[str]:
    """Top-level names of all modules that are loaded after some code ran in a new interpreter."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize("module", LIGHT)
def test_importing_it_imports_nothing_heavy(module: str) -> None:
    assert _imported_by(f"import {module}") & HEAVY == set()


def test_an_isolated_process_starts_with_nothing_heavy() -> None:
    code = "import pitchey_core.isolation, pitchey_document.isolated, pitchey_document.pages.reading"
    assert _imported_by(code) & HEAVY == set()


def test_a_registry_of_everything_installed_is_light() -> None:
    code = "from pitchey_core.registry import Registry; Registry.load()"
    assert _imported_by(code) & HEAVY == set()


def test_help_is_light() -> None:
    code = (
        "import contextlib, io\n"
        "from pitchey_runner.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(['--help'])"
    )
    assert _imported_by(code) & HEAVY == set()


def test_the_test_kit_is_imported_by_nobody() -> None:
    code = "import pitchey_core; [getattr(pitchey_core, name) for name in pitchey_core.__all__]"
    assert "pytest" not in _imported_by(code)
