"""What this host can do, by trying it."""

from __future__ import annotations

from pitchey_core.isolation.policy import ALL_LAYERS, Layer, SandboxPolicy
from pitchey_core.isolation.program import Program
from pitchey_core.isolation.remedies import remedy_for
from pitchey_core.isolation.report import Verdict
from pitchey_core.isolation.sandbox import Sandbox

__all__ = ["probe"]


def probe() -> dict[Layer, str]:
    """Build a sandbox with every layer that this host allows.

    Returns:
        Each layer with what enforces it here, or ``not enforced: `` with the reason and the remedy.
    """
    missing: dict[Layer, str] = {}
    with Sandbox() as sandbox:
        while True:
            layers = ALL_LAYERS - set(missing)
            report = sandbox.run(
                Program(("probe.py",), warm_python=True),
                SandboxPolicy(layers=layers, required=layers),
                files={"probe.py": b"pass"},
            )
            if report.verdict is not Verdict.SANDBOX_ERROR:
                return {each: missing.get(each) or report.isolation[each] for each in Layer}
            culprits = [each for each in layers if each in report.isolation]
            # Where it is no single layer, there is no sandbox on this host.
            for each in culprits or layers:
                missing[each] = (
                    f"{report.isolation.get(each) or f'not enforced: {report.detail}'}; {remedy_for(each)}"
                )
            if not culprits:
                return {each: missing[each] for each in Layer}
