"""The one place that imports ONNX Runtime, because of what has to be said before."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["onnx_runtime"]


def onnx_runtime() -> Any:
    """The module ``onnxruntime``, with its telemetry off.

    The official builds (seen in 1.32.0) report to their maker over the network, and keep an identifier in the
    folder for temporary files, unless this variable is set before they are loaded. Whoever wants to report sets it
    to 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
