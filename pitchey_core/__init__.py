"""Pitchey: heavy media work as plugins, run on this host.

::

    import pitchey_core

    result = pitchey_core.run("video", input_url="clip.mov", quality="720p", output="out/")

Everything here is imported when it is first used, so ``import pitchey_core`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pitchey_core.context import AsyncJobContext as AsyncJobContext
    from pitchey_core.context import JobContext as JobContext
    from pitchey_core.errors import Cancelled as Cancelled
    from pitchey_core.errors import ConfigError as ConfigError
    from pitchey_core.errors import ExtraMissing as ExtraMissing
    from pitchey_core.errors import InputError as InputError
    from pitchey_core.errors import LimitExceeded as LimitExceeded
    from pitchey_core.errors import OutOfSpace as OutOfSpace
    from pitchey_core.errors import OutputExists as OutputExists
    from pitchey_core.errors import PartialFailure as PartialFailure
    from pitchey_core.errors import PitcheyError as PitcheyError
    from pitchey_core.errors import ProcessorError as ProcessorError
    from pitchey_core.errors import ToolFailed as ToolFailed
    from pitchey_core.errors import ToolMissing as ToolMissing
    from pitchey_core.errors import TransientError as TransientError
    from pitchey_core.errors import UsageError as UsageError
    from pitchey_core.hooks import CatalogEntry as CatalogEntry
    from pitchey_core.hooks import CommandSpec as CommandSpec
    from pitchey_core.hooks import ExecutorSpec as ExecutorSpec
    from pitchey_core.hooks import ObserverSpec as ObserverSpec
    from pitchey_core.hooks import ProcessorSpec as ProcessorSpec
    from pitchey_core.hooks import QueueDefaults as QueueDefaults
    from pitchey_core.hooks import ToolSpec as ToolSpec
    from pitchey_core.hooks import hookimpl as hookimpl
    from pitchey_core.library import arun as arun
    from pitchey_core.library import plan as plan
    from pitchey_core.library import run as run
    from pitchey_core.payload import Alias as Alias
    from pitchey_core.payload import FromFile as FromFile
    from pitchey_core.payload import InputFile as InputFile
    from pitchey_core.payload import Payload as Payload
    from pitchey_core.payload import Positional as Positional
    from pitchey_core.pricing import PriceBook as PriceBook
    from pitchey_core.pricing import Usage as Usage
    from pitchey_core.process import ProcessLimits as ProcessLimits
    from pitchey_core.processor import BatchProcessor as BatchProcessor
    from pitchey_core.processor import Facts as Facts
    from pitchey_core.processor import Plan as Plan
    from pitchey_core.processor import PlanningProcessor as PlanningProcessor
    from pitchey_core.processor import PlanStep as PlanStep
    from pitchey_core.processor import Processor as Processor
    from pitchey_core.processor import Result as Result
    from pitchey_core.registry import Registry as Registry
    from pitchey_core.resources import InstanceType as InstanceType
    from pitchey_core.resources import Limits as Limits
    from pitchey_core.storage import Artifact as Artifact

_MODULES = {
    "context": ["AsyncJobContext", "JobContext"],
    "errors": [
        "Cancelled", "ConfigError", "ExtraMissing", "InputError", "LimitExceeded", "OutOfSpace", "OutputExists",
        "PartialFailure", "PitcheyError", "ProcessorError", "ToolFailed", "ToolMissing", "TransientError", "UsageError",
    ],
    "hooks": [
        "CatalogEntry", "CommandSpec", "ExecutorSpec", "ObserverSpec", "ProcessorSpec", "QueueDefaults", "ToolSpec",
        "hookimpl",
    ],
    "library": ["arun", "plan", "run"],
    "payload": ["Alias", "FromFile", "InputFile", "Payload", "Positional"],
    "pricing": ["PriceBook", "Usage"],
    "process": ["ProcessLimits"],
    "processor": ["BatchProcessor", "Facts", "Plan", "PlanStep", "PlanningProcessor", "Processor", "Result"],
    "registry": ["Registry"],
    "resources": ["InstanceType", "Limits"],
    "storage": ["Artifact"],
}  # fmt: skip
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)  # type checkers read the imports above


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
