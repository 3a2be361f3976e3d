"""Walls around what is not trusted: a function call (:func:`call_isolated`) or a whole program (:class:`Sandbox`).

The sandbox is built by a launcher of our own and not by bubblewrap, so that it can fork an interpreter that is warm
already, build a sandbox before its job comes, keep the memory file system for the collection of outputs, and count with
cgroups; it needs no program on the host, and no setuid helper.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pitchey_core.isolation.calls import MAX_ITEM_BYTES, call_isolated
    from pitchey_core.isolation.policy import ALL_LAYERS, Layer, SandboxPolicy
    from pitchey_core.isolation.probing import probe
    from pitchey_core.isolation.program import Program
    from pitchey_core.isolation.report import Captured, CollectedFile, SandboxReport, Verdict
    from pitchey_core.isolation.sandbox import Sandbox

__all__ = [
    "ALL_LAYERS",
    "MAX_ITEM_BYTES",
    "Captured",
    "CollectedFile",
    "Layer",
    "Program",
    "Sandbox",
    "SandboxPolicy",
    "SandboxReport",
    "Verdict",
    "call_isolated",
    "probe",
]

_HOMES: Final = {
    "ALL_LAYERS": "policy",
    "MAX_ITEM_BYTES": "calls",
    "Captured": "report",
    "CollectedFile": "report",
    "Layer": "policy",
    "Program": "program",
    "Sandbox": "sandbox",
    "SandboxPolicy": "policy",
    "SandboxReport": "report",
    "Verdict": "report",
    "call_isolated": "calls",
    "probe": "probing",
}


def __getattr__(name: str) -> Any:
    # The child of an isolated call imports this package, too, and needs one module of it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
