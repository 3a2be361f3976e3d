"""The tools table, with real programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pitchey_core.errors import ConfigError, ToolMissing, UnknownName
from pitchey_core.hooks import ToolSpec
from pitchey_core.tools import ToolTable, os_families

GREETER = ToolSpec(
    "greeter",
    executables=("greeter-ng", "greeter"),
    remedies={"debian": "apt-get install greeter", "fedora": "dnf install greeter", "*": "build greeter"},
    bundled="no_such_package:path",
    bundled_requirement="greeter-bin>=1",
)


def program(path: Path, body: str = "echo 'greeter version 1.2.3-rc1 built today'") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def interpreter_path() -> str:
    return sys.executable


def broken_capabilities(path: Path) -> dict[str, Any]:
    raise RuntimeError(f"cannot ask {path.name}")


def good_capabilities(path: Path) -> dict[str, Any]:
    return {"encoders": ["x264"], "where": str(path)}


def test_the_order_of_places(bin_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing):
        ToolTable({"greeter": GREETER}).path("greeter")
    program(bin_folder / "greeter")
    assert ToolTable({"greeter": GREETER}).path("greeter") == bin_folder / "greeter"
    program(bin_folder / "greeter-ng")
    table = ToolTable({"greeter": GREETER})
    assert table.path("greeter") == bin_folder / "greeter-ng"
    own = program(tmp_path / "own")
    assert ToolTable({"greeter": GREETER}, {"greeter": str(own)}).path("greeter") == own
    assert ToolTable({"greeter": GREETER}, {"greeter": "greeter"}).path("greeter") == bin_folder / "greeter"
    (bin_folder / "greeter-ng").unlink()
    assert table.path("greeter") == bin_folder / "greeter-ng"


def test_the_bundled_program_comes_last(bin_folder: Path) -> None:
    spec = ToolSpec("greeter", bundled=f"{__name__}:interpreter_path")
    status = ToolTable({"greeter": spec}).probe("greeter")
    assert (status.path, status.source) == (Path(sys.executable), "bundled")
    assert status.version == ".".join(map(str, sys.version_info[:3]))
    program(bin_folder / "greeter")
    assert ToolTable({"greeter": spec}).probe("greeter").source == "PATH"


def test_a_missing_tool_comes_with_the_remedy_for_this_system() -> None:
    with pytest.raises(ToolMissing) as caught:
        ToolTable({"greeter": GREETER}).path("greeter")
    remedy = caught.value.remedy
    assert remedy is not None
    families = os_families()
    if "debian" in families:
        assert remedy.startswith("apt-get install greeter, or ")
    elif "fedora" in families:
        assert remedy.startswith("dnf install greeter, or ")
    else:
        assert remedy.startswith("build greeter, or ")
    assert "pip install 'greeter-bin>=1'" in remedy
    assert "tools.greeter" in remedy


@pytest.mark.parametrize(
    ("content", "families"),
    [
        ('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n', ["ubuntu", "debian"]),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', ["rocky", "rhel", "centos", "fedora"]),
        ("ID=alpine\n", ["alpine"]),
        ("ID=amzn\n", ["amzn", "fedora"]),
        ("nothing\n", []),
    ],
)
def test_systems_are_recognised(tmp_path: Path, content: str, families: list[str]) -> None:
    file = tmp_path / "os-release"
    file.write_text(content)
    assert os_families(file) == families
    assert os_families(tmp_path / "missing") == []


def test_a_wrong_setting_names_its_key(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    for given, words in {
        str(tmp_path / "none"): "does not exist",
        str(plain): "is not an executable file",
        str(tmp_path): "is not an executable file",
    }.items():
        table = ToolTable({"greeter": GREETER}, {"greeter": given})
        with pytest.raises(ConfigError, match=rf"^tools\.greeter: .* {words}"):
            table.path("greeter")
        assert isinstance(table.probe("greeter").error, ConfigError)


def test_unknown_tools() -> None:
    table = ToolTable({"greeter": GREETER})
    for ask in (table.path, table.probe, table.spec):
        with pytest.raises(UnknownName, match="did you mean 'greeter'"):
            ask("greter")


def test_a_probe_really_runs_it(bin_folder: Path) -> None:
    program(bin_folder / "greeter")
    spec = ToolSpec("greeter", capabilities=f"{__name__}:good_capabilities")
    status = ToolTable({"greeter": spec}).probe("greeter")
    assert status.error is None
    assert status.version == "1.2.3-rc1"
    assert status.capabilities == {"encoders": ["x264"], "where": str(bin_folder / "greeter")}


def test_what_a_probe_finds_wrong_is_data(bin_folder: Path) -> None:
    program(bin_folder / "crashes", "echo 'libfoo.so: cannot open' >&2; exit 127")
    program(bin_folder / "silent", "echo hello")
    program(bin_folder / "unprobable")
    specs = {
        "crashes": ToolSpec("crashes"),
        "missing": ToolSpec("missing"),
        "silent": ToolSpec("silent"),
        "unprobable": ToolSpec("unprobable", capabilities=f"{__name__}:broken_capabilities"),
    }
    crashes, missing, silent, unprobable = ToolTable(specs).probe_all()
    assert "libfoo.so: cannot open" in str(crashes.error)
    assert crashes.path == bin_folder / "crashes"
    assert isinstance(missing.error, ToolMissing)
    assert (missing.path, missing.source) == (None, None)
    assert (silent.version, silent.error) == (None, None)
    assert "RuntimeError: cannot ask unprobable" in str(unprobable.error)
    assert unprobable.version == "1.2.3-rc1"


def test_a_probe_is_made_once(bin_folder: Path, tmp_path: Path) -> None:
    program(bin_folder / "counter", f"echo x >> {tmp_path}/calls; echo 1.0")
    table = ToolTable({"counter": ToolSpec("counter")})
    assert table.probe("counter") is table.probe("counter")
    assert (tmp_path / "calls").read_text() == "x\n"


def test_declared_variables_reach_the_program(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bin_folder / "greeter", 'echo "$GREETER_VERSION"; echo "$OTHER"')
    monkeypatch.setenv("GREETER_VERSION", "7.8")
    monkeypatch.setenv("OTHER", "9.9")
    spec = ToolSpec("greeter", environment=("GREETER_VERSION",), version_pattern=r"(?s)(.*\S)")
    assert ToolTable({"greeter": spec}).probe("greeter").version == "7.8"
