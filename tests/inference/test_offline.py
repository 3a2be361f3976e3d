"""No network after installation: neither for the built-in models, nor for anybody who counts runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import socket, sys, tempfile, os
class Refused(socket.socket):
    def connect(self, address, *rest):
        if self.family != socket.AF_UNIX: raise AssertionError(f"connects to {address}")
        return super().connect(address, *rest)
    connect_ex = connect
socket.socket = Refused
def no_names(*args, **options): raise AssertionError(f"looks up {args}")
socket.getaddrinfo = no_names
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except AssertionError:
    pass
else:
    raise SystemExit("the guard lets through what it shall see")
from pitchey_inference.loaded import MODELS_IN_USE
from pitchey_inference.parameters import parse_parameters
from pitchey_inference.plugin import pitchey_catalog
from pitchey_inference.catalog import Catalog
from pitchey_inference.bundles.opening import Access
from pitchey_inference.checks import ModelLimits
from pitchey_inference.tasks.base import Request, TextItem
from pitchey_core.storage import FetchPolicy
catalog = Catalog({entry.name: entry for entry in pitchey_catalog()})
for name in catalog.names:
    ready = MODELS_IN_USE.get(name, catalog, Access(FetchPolicy(), None), threads=1, limits=ModelLimits())
    given = {"labels": ["drama", "comedy"]} if name.startswith("zero") else {}
    parameters = parse_parameters(ready.task.parameters, given, name)
    (answer,) = ready.task.run([Request(TextItem("Anna must save the town before dawn."), parameters)])
    assert not isinstance(answer, Exception), answer
    print(name)
print(sorted(os.listdir(tempfile.gettempdir())))
"""


def test_all_built_in_models_work_without_a_network(tmp_path: Path) -> None:
    """In a network namespace without interfaces where that can be had, and with sockets refused in any case."""
    unshare = ["unshare", "--user", "--map-root-user", "--net"]
    try:
        able = subprocess.run([*unshare, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        able = False
    (tmp_path / "temp").mkdir()
    done = subprocess.run(
        [*(unshare if able else []), sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(tmp_path / "temp"),
            "PITCHEY_MODEL_CACHE": str(tmp_path / "cache"),
        },
    )
    assert done.returncode == 0, done.stderr
    *names, left = done.stdout.splitlines()
    assert set(names) >= {"minilm", "pitch-analyzer-v2", "sentiment-v1", "summarizer-v3", "zero-shot-v1"}
    # The runtime keeps an identifier there when it reports to its maker.
    assert left == "[]"


def test_a_job_in_a_slot_needs_no_network(tmp_path: Path) -> None:
    """By the command line, in a network namespace where not even loopback is up."""
    unshare = ["unshare", "--user", "--map-root-user", "--net"]
    program = Path(sys.executable).with_name("pitchey-run")
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        pytest.skip("no network namespace can be made here")
    check = "import socket; socket.create_connection(('127.0.0.1', 9), 2)"
    cut_off = subprocess.run([*unshare, sys.executable, "-c", check], capture_output=True, text=True)
    assert "unreachable" in cut_off.stderr, "the namespace has a network"
    done = subprocess.run(
        [
            *unshare,
            str(program),
            "inference",
            "-m",
            "pitch-analyzer-v2",
            "--text",
            "A diver finds a city.",
            "--json",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "PITCHEY_STORE": f"sqlite:///{tmp_path}/jobs.db",
            "PITCHEY_DATA_DIR": str(tmp_path / "data"),
            "PITCHEY_MODEL_CACHE": str(tmp_path / "cache"),
        },
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["facts"]["result"]["genre"]


def test_the_runtime_is_only_imported_where_its_telemetry_is_off() -> None:
    root = Path(__file__).parents[2] / "plugins" / "pitchey_inference"
    wrong = [
        path.name
        for path in root.rglob("*.py")
        if path.name != "library.py"
        and any(
            line.strip().startswith(("import onnxruntime", "from onnxruntime"))
            for line in path.read_text().splitlines()
        )
    ]
    assert wrong == []


def test_providers_are_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from pitchey_core.errors import ConfigError
    from pitchey_inference.runtime.providers import chosen_providers

    assert chosen_providers("cpu") == ("CPUExecutionProvider",)
    assert chosen_providers("")[-1] == "CPUExecutionProvider"
    with pytest.raises(ConfigError, match="PITCHEY_ORT_PROVIDERS: 'tpu'") as caught:
        chosen_providers("tpu")
    assert "CPUExecutionProvider" in str(caught.value.remedy)
