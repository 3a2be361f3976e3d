"""The registry: entry points one by one, failures kept, clashes named."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pitchey_core.errors import ExtraMissing, RegistryError, UnknownName
from pitchey_core.hooks import CatalogEntry, CommandSpec, ProcessorSpec, ToolSpec, hookimpl
from pitchey_core.registry import PluginInfo, Registry


def plugin(**offers: Any) -> ModuleType:
    """A plugin module with the given hooks."""

    def hook(value: Any) -> Callable[[], Any]:
        def implementation() -> Any:
            if isinstance(value, Exception):
                raise value
            return value

        return hookimpl(implementation)

    module = ModuleType("made")
    for name, value in offers.items():
        setattr(module, f"pitchey_{name}", hook(value))
    return module


def info(name: str) -> PluginInfo:
    return PluginInfo(name, f"{name}.plugin", f"dist-{name}", "1.0")


SPEC = ProcessorSpec("shrink", "nowhere:Shrink", "Make small", aliases=("squeeze",))


def test_the_built_in_plugin_comes_through_the_entry_point_group() -> None:
    registry = Registry.load()
    assert registry.spec("video").name == "video"
    assert registry.spec("video-processor").name == "video"
    assert registry.registered("video").plugin.distribution == "pitchey"
    assert not registry.failures


@pytest.mark.parametrize("second", ["shrink", "squeeze"])
def test_a_clash_of_names_or_aliases_names_both_plugins(second: str) -> None:
    registry = Registry()
    registry.register(plugin(processors=[SPEC]), info("one"))
    with pytest.raises(RegistryError) as caught:
        registry.register(plugin(processors=[ProcessorSpec(second, "x:Y", "…")]), info("two"))
    assert "dist-one" in str(caught.value)
    assert "dist-two" in str(caught.value)


def test_equal_tools_may_be_offered_twice_and_unequal_ones_not() -> None:
    registry = Registry()
    registry.register(plugin(tools=[ToolSpec("ffmpeg")]), info("one"))
    registry.register(plugin(tools=[ToolSpec("ffmpeg")]), info("two"))
    with pytest.raises(RegistryError, match="ffmpeg"):
        registry.register(plugin(tools=[ToolSpec("ffmpeg", executables=("ffmpeg7",))]), info("three"))


def test_a_hook_that_raises_disables_its_plugin_and_is_kept() -> None:
    registry = Registry()
    registry.register(plugin(processors=ValueError("oops")), info("bad"))
    registry.register(plugin(processors=[SPEC]), info("good"))
    assert [failure.plugin.name for failure in registry.failures] == ["bad"]
    assert "oops" in str(registry.failures[0])
    assert registry.spec("squeeze") is SPEC
    with pytest.raises(RegistryError, match="oops"):
        registry.spec("bad")


@pytest.mark.parametrize("raised", [ImportError("no such thing"), SystemExit(3), RuntimeError("at import")])
def test_a_plugin_that_cannot_be_imported_is_kept_as_data(
    raised: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(SimpleNamespace):
        def load(self) -> None:
            raise raised

    class Good(SimpleNamespace):
        def load(self) -> ModuleType:
            return plugin(processors=[SPEC])

    points = [Broken(name="aaa", value="aaa", dist=None), Good(name="zzz", value="zzz", dist=None)]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    registry = Registry.load()
    assert [failure.plugin.name for failure in registry.failures] == ["aaa"]
    assert registry.spec("shrink") is SPEC


def test_unknown_processors_get_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="did you mean 'video'"):
        Registry.load().spec("vidoe")


def test_a_missing_extra_is_a_remedy_and_not_a_crash() -> None:
    registry = Registry()
    spec = ProcessorSpec("deep", "pitchey_no_such_package.deep:Deep", "…", extra="pitchey[deep]")
    registry.register(plugin(processors=[spec]), info("deep"))
    with pytest.raises(ExtraMissing) as caught:
        registry.processor("deep")
    assert caught.value.remedy == "pip install 'pitchey[deep]'"


@pytest.mark.parametrize("target", ["json:loads", "json:no_such", "pathlib:Path"])
def test_a_target_that_is_no_processor_says_so(target: str) -> None:
    registry = Registry()
    registry.register(plugin(processors=[ProcessorSpec("odd", target, "…")]), info("odd"))
    with pytest.raises(RegistryError, match="odd"):
        registry.processor("odd")


def test_a_bad_name_is_a_failure_of_its_plugin() -> None:
    registry = Registry()
    registry.register(plugin(processors=[ProcessorSpec("Not A Name", "x:Y", "…")]), info("odd"))
    assert "Not A Name" in str(registry.failures[0])
    assert not registry.processors


def test_catalogues_and_commands_are_kept_by_kind_and_name() -> None:
    registry = Registry()
    entries = [CatalogEntry("preset", "web", "…", "x:Y"), CatalogEntry("model", "web", "…", "x:Y")]
    registry.register(plugin(catalog=entries, commands=[CommandSpec("hello", "…", "x:Y")]), info("one"))
    assert list(registry.catalog("preset")) == ["web"]
    assert list(registry.commands) == ["hello"]
