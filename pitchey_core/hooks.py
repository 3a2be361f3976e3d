"""The six hooks. Hooks register; interfaces work.

Every hook is synchronous, is called once when a :class:`~pitchey_core.registry.Registry` is built, and returns plain
specifications. A specification names its implementation as ``"package.module:attribute"``; that is imported when it
is first used, so a plugin's hook module must import nothing heavy. A hook that raises disables its plugin, not the
host: the failure is kept and shown by ``pitchey-run plugins`` and ``pitchey-run doctor``.

A plugin is a module with ``@hookimpl`` functions, named in the ``pitchey.plugins`` entry-point group::

    [project.entry-points."pitchey.plugins"]
    watermark = "pitchey_watermark.plugin"
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pluggy

from pitchey_core.retrying import RetryRule

__all__ = [
    "ENTRY_POINT_GROUP",
    "CatalogEntry",
    "CommandSpec",
    "ExecutorSpec",
    "ObserverSpec",
    "ProcessorSpec",
    "QueueDefaults",
    "ToolSpec",
    "hookimpl",
    "hookspec",
    "load_target",
]

ENTRY_POINT_GROUP = "pitchey.plugins"

hookspec = pluggy.HookspecMarker("pitchey")
hookimpl = pluggy.HookimplMarker("pitchey")


def load_target(target: str) -> Any:
    """Import what ``"package.module:attribute"`` names.

    Raises:
        ImportError: The module cannot be imported.
        AttributeError: It has no such attribute.
    """
    module, _, attribute = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


@dataclass(frozen=True, slots=True)
class QueueDefaults:
    """Settings of the queue that a processor's jobs wait in. Configuration can change each one.

    Attributes:
        batch_size: Most jobs in one claim.
        batch_wait: Seconds that a job waits for its batch to fill before it goes next.
        linger: Seconds that an *idle* slot waits for a fuller batch.
        retries: Further attempts after the first.
        min_slots: Slots kept once the queue was used.
        max_slots: Most slots at one time.
        retry_rules: What to do about some errors, see :class:`~pitchey_core.retrying.RetryRule`; those of the
            settings come before them.
    """

    batch_size: int = 1
    batch_wait: float = 60.0
    linger: float = 0.0
    retries: int = 3
    min_slots: int = 1
    max_slots: int = 5
    retry_rules: tuple[RetryRule, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessorSpec:
    """What can be known of a processor without importing it.

    Attributes:
        name: Job type, queue name and CLI verb: lower-case words joined by ``-``.
        target: ``"package.module:Class"`` of the :class:`~pitchey_core.processor.Processor`.
        summary: One line for ``--help``.
        aliases: Further names under which jobs may be submitted.
        resources: Name of an instance type.
        wall_limit: Seconds that one run may take.
        queue: Defaults of its queue.
        extra: The pip requirement that brings what ``target`` imports, for the remedy when it is missing:
            ``"pitchey[video]"``.
        tools: Names of external programs it needs, for ``doctor``.
    """

    name: str
    target: str
    summary: str
    aliases: tuple[str, ...] = ()
    resources: str = "standard-1"
    wall_limit: float = 300.0
    queue: QueueDefaults = field(default_factory=QueueDefaults)
    extra: str | None = None
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """An external program: how it is found, asked for its version, and installed.

    Resolution order: the setting ``tools.NAME`` (environment: ``PITCHEY_TOOLS__NAME``), then ``PATH``, then the
    bundled wheel, then an error with the remedy.

    Attributes:
        name: Name in the tools table.
        executables: File names to look for on ``PATH``, best first; default: ``name``.
        bundled: ``"package.module:function"`` that returns the path of a program that a wheel carries.
        bundled_requirement: The pip requirement of that wheel.
        version_args: Arguments that make it print its version.
        version_pattern: Regular expression whose first group is the version.
        remedies: Install command by OS family: ``debian``, ``fedora``, ``arch``, ``alpine``, ``macos``, ``*``.
        capabilities: ``"package.module:function"`` that takes the path and returns a JSON object for ``doctor``.
        environment: Variables that the program needs from the caller's environment beside the clean default.
    """

    name: str
    executables: tuple[str, ...] = ()
    bundled: str | None = None
    bundled_requirement: str | None = None
    version_args: tuple[str, ...] = ("--version",)
    version_pattern: str = r"(\d+(?:\.\d+)+\S*)"
    remedies: Mapping[str, str] = field(default_factory=dict)
    capabilities: str | None = None
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A preset, a model or another named resource that a plugin offers to a processor.

    Attributes:
        kind: Which catalogue: ``preset``, ``model``, …
        name: Unique within its kind.
        summary: One line.
        target: ``"package.module:attribute"``: the resource or a function without arguments that returns it.
    """

    kind: str
    name: str
    summary: str
    target: str


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A further verb of the CLI. ``target`` is a ``click.Command``, imported when the verb is called."""

    name: str
    summary: str
    target: str


@dataclass(frozen=True, slots=True)
class ExecutorSpec:
    """Another place for slots to run. ``target`` is a class like ``pitchey_core.slots.LocalExecutor``."""

    name: str
    summary: str
    target: str


@dataclass(frozen=True, slots=True)
class ObserverSpec:
    """A listener for job events. ``target`` is a function that takes one event (a JSON object).

    It is called in the supervisor's process, in a thread of its own, after the event was committed. What it raises is
    logged and goes no further. One that is ten thousand events behind misses the latest.
    """

    name: str
    target: str


class PitcheySpec:
    """The hook specifications."""

    @hookspec
    def pitchey_processors(self) -> Sequence[ProcessorSpec]:
        """Processors that this plugin offers.

        Called in every process that builds a registry. Example::

            @hookimpl
            def pitchey_processors():
                return [ProcessorSpec("watermark", "pitchey_watermark.processor:Watermark", "Stamp a video")]
        """
        raise AssertionError("a hook specification is never called")

    @hookspec
    def pitchey_tools(self) -> Sequence[ToolSpec]:
        """External programs that this plugin's processors start through ``job.run(NAME, …)``.

        Two plugins may offer an equal specification (both need ffmpeg); unequal ones of one name are an error.
        """
        raise AssertionError("a hook specification is never called")

    @hookspec
    def pitchey_catalog(self) -> Sequence[CatalogEntry]:
        """Presets and models, this plugin's own or for another plugin's processor."""
        raise AssertionError("a hook specification is never called")

    @hookspec
    def pitchey_commands(self) -> Sequence[CommandSpec]:
        """Further verbs of ``pitchey-run``. Only the CLI asks for them."""
        raise AssertionError("a hook specification is never called")

    @hookspec
    def pitchey_executors(self) -> Sequence[ExecutorSpec]:
        """Places for slots to run, beside the ``local`` one."""
        raise AssertionError("a hook specification is never called")

    @hookspec
    def pitchey_observers(self) -> Sequence[ObserverSpec]:
        """Listeners for job events, called in the supervisor's process.

        Example::

            @hookimpl
            def pitchey_observers():
                return [ObserverSpec("mail", "pitchey_mail.observer:tell")]
        """
        raise AssertionError("a hook specification is never called")
