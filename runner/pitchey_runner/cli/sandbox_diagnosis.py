"""Tries to break out of the sandbox on this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_core.errors import PitcheyError
from pitchey_core.isolation import probe
from pitchey_core.isolation.attempts import AttemptResult, Outcome, run_attempts
from pitchey_core.tools import ToolTable

if TYPE_CHECKING:
    from pitchey_core.registry import Registry
    from pitchey_core.settings import Settings

__all__ = ["SandboxDiagnosis", "examine_sandbox"]


@dataclass(frozen=True, slots=True)
class SandboxDiagnosis:
    """The findings.

    Attributes:
        layers: Each layer with what enforces it here, or ``not enforced`` and the reason.
        attempts: What became of each attempt.
    """

    layers: Mapping[str, str]
    attempts: list[AttemptResult]

    @property
    def exit_code(self) -> int:
        return (
            1
            if any(each.outcome in {Outcome.BREACHED, Outcome.INCONCLUSIVE} for each in self.attempts)
            else 0
        )

    def count(self, outcome: Outcome) -> int:
        return sum(each.outcome is outcome for each in self.attempts)

    def as_record(self) -> dict[str, Any]:
        """All of it as JSON data."""
        return {
            "ok": self.exit_code == 0,
            "layers": dict(self.layers),
            "attempts": [each.as_record() for each in self.attempts],
        }


def examine_sandbox(
    registry: Registry, settings: Settings, on_result: Callable[[AttemptResult], None] | None = None
) -> SandboxDiagnosis:
    """Run all attempts; takes some ten seconds. What gets through is data, not raised."""
    layers = {str(layer): found for layer, found in probe().items()}
    deno = _tool(ToolTable(registry.tools, settings.tools), "deno")
    return SandboxDiagnosis(layers, run_attempts(deno=deno, on_result=on_result))


def _tool(tools: ToolTable, name: str) -> Path | None:
    try:
        return tools.path(name)
    except PitcheyError:
        return None
