"""What is broken or missing is said, and takes nothing else down."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from pitchey_core.errors import RegistryError
from pitchey_core.hooks import ProcessorSpec, ToolSpec, hookimpl
from pitchey_core.registry import PluginFailure, PluginInfo, Registry
from pitchey_runner.cli import main


def plugin(name: str, **spec: Any) -> Any:
    @hookimpl
    def pitchey_processors() -> list[ProcessorSpec]:
        return [ProcessorSpec(name=name, summary="A sample", **spec)]

    module: Any = ModuleType(f"{name}_plugin")
    module.pitchey_processors = pitchey_processors
    return module


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Registry:
    found = Registry()
    monkeypatch.setattr(Registry, "load", lambda: found)
    monkeypatch.setenv("PITCHEY_STORE", str(tmp_path / "jobs.db"))
    monkeypatch.setenv("PITCHEY_DATA_DIR", str(tmp_path / "data"))
    return found


def test_a_missing_extra_is_exit_code_3_with_its_remedy(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.register(plugin("stamp", target="package_that_is_not_there.x:Stamp", extra="pitchey-stamp[all]"))
    for words in (["stamp", "--help"], ["stamp", "in"], ["submit", "stamp"], ["schema", "stamp"]):
        assert main(words) == 3
        shown = capsys.readouterr()
        assert "package_that_is_not_there" in shown.err
        assert "pip install 'pitchey-stamp[all]'" in shown.err
    assert main(["doctor", "--json"]) == 3
    (processor,) = json.loads(capsys.readouterr().out)["processors"]
    assert processor["error"]["class"] == "ExtraMissing"
    assert main(["doctor", "--no-json"]) == 3
    assert "pip install 'pitchey-stamp[all]'" in capsys.readouterr().out
    assert main(["--help"]) == 0


def test_a_missing_tool_is_exit_code_3(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    stamp = plugin("stamp", target="pitchey_testkit.quiet:Noop", tools=("stamper",))

    @hookimpl
    def pitchey_tools() -> list[ToolSpec]:
        return [ToolSpec("stamper", remedies={"*": "install stamper"})]

    stamp.pitchey_tools = pitchey_tools
    registry.register(stamp)
    assert main(["doctor", "--no-json"]) == 3
    assert "install stamper" in capsys.readouterr().out


def test_a_plugin_that_failed_to_load(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    info = PluginInfo("stamp", "stamp.plugin", "pitchey-stamp", "2.0")
    registry.failures.append(PluginFailure(info, ImportError("no\x1b[2J module")))
    assert main(["plugins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["error"] == "ImportError: no\x1b[2J module"
    assert main(["plugins", "--no-json"]) == 0
    assert "no\\x1b[2J module" in capsys.readouterr().out
    assert main(["doctor"]) == 1
    capsys.readouterr()
    assert main(["stamp", "in"]) == 2
    assert "pitchey-stamp 2.0 could not be loaded" in capsys.readouterr().err


def test_help_and_verbs_survive_two_plugins_of_one_name(
    monkeypatch: pytest.MonkeyPatch, registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    def clash() -> Registry:
        raise RegistryError("processor 'x' is claimed by a and by b", remedy="uninstall one of them")

    monkeypatch.setattr(Registry, "load", clash)
    assert main(["--help"]) == 0
    assert "claimed by a and by b" in " ".join(capsys.readouterr().out.split())
    assert main(["list"]) == 0
    assert main(["plugins"]) == 2
    assert "uninstall one of them" in capsys.readouterr().err
