"""Which execution providers a session gets: those of this host, best first, or what the environment says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pitchey_core.errors import ConfigError
from pitchey_inference.runtime.library import onnx_runtime

__all__ = ["PROVIDERS_VARIABLE", "chosen_providers", "installed_providers"]

PROVIDERS_VARIABLE: Final = "PITCHEY_ORT_PROVIDERS"
"""Names of execution providers, comma-separated, best first: ``CUDAExecutionProvider,CPUExecutionProvider``; the
ending ``ExecutionProvider`` may be left out."""

_ENDING: Final = "ExecutionProvider"
_CPU: Final = "CPUExecutionProvider"
# Those that run any model without being told more; the others are for whoever names them.
_AUTOMATIC: Final = ("CUDAExecutionProvider", "ROCMExecutionProvider", _CPU)


def installed_providers() -> list[str]:
    """The providers of the installed ONNX Runtime, in its own order."""
    return list(onnx_runtime().get_available_providers())


def chosen_providers(environment: str | None = None) -> tuple[str, ...]:
    """The providers to try, best first; the CPU is always among them, so a device that fails is no failure.

    Args:
        environment: In place of :data:`PROVIDERS_VARIABLE`.

    Raises:
        ConfigError: The variable names a provider that the installed ONNX Runtime does not have.
    """
    return _chosen(os.environ.get(PROVIDERS_VARIABLE, "") if environment is None else environment)


@lru_cache(maxsize=8)
def _chosen(wish: str) -> tuple[str, ...]:
    installed = installed_providers()
    wished = [name.strip() for name in wish.split(",") if name.strip()]
    if not wished:
        return tuple(name for name in _AUTOMATIC if name in installed)
    return _with_cpu([_full_name(name, installed) for name in wished])


def _full_name(name: str, installed: Sequence[str]) -> str:
    known = {each.lower(): each for each in installed}
    found = known.get(name.lower()) or known.get(f"{name}{_ENDING}".lower())
    if found is None:
        raise ConfigError(
            f"{PROVIDERS_VARIABLE}: {name!r} is not in the installed ONNX Runtime",
            remedy=f"it has: {', '.join(installed)}; for CUDA: pip install onnxruntime-gpu",
        )
    return found


def _with_cpu(names: list[str]) -> tuple[str, ...]:
    return tuple(names) if _CPU in names else (*names, _CPU)
