"""Call a function in a disposable process: for a parser that hostile input may crash, stall or blow up.

The child gets no network (where the kernel allows a namespace), a clean environment and hard limits; arguments and
answer are JSON. Nothing of it is left after the call.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pitchey_core.errors import PitcheyError, ProcessorError, SlotCrashed, error_from_record
from pitchey_core.hooks import load_target
from pitchey_core.process import ProcessLimits, run

__all__ = ["call_isolated"]

_MAX_ANSWER_BYTES = 64 * 1024**2


def call_isolated(
    target: str, args: Sequence[Any], *, limits: ProcessLimits, cancelled: Callable[[], bool] | None = None
) -> Any:
    """Call ``"module:function"`` with JSON arguments; see :meth:`pitchey_core.context.JobContext.isolate`.

    Raises:
        LimitExceeded: It ran too long or grew too large.
        SlotCrashed: Its process died.
        PitcheyError: What the function raised; other exceptions arrive as ``ProcessorError``.
    """
    done = run(
        [sys.executable, "-I", "-m", __name__],
        tool="isolated call",
        stdin=json.dumps({"target": target, "args": list(args)}).encode(),
        limits=replace(limits, network=False, stdout_bytes=_MAX_ANSWER_BYTES),
        cancelled=cancelled,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise SlotCrashed(
            f"the isolated call of {target} died (status {done.returncode})"
            + "".join(f": {line}" for line in last)
        ) from None
    if answer["error"] is not None:
        raise error_from_record(answer["error"])
    return answer["value"]


def _serve() -> None:
    request = json.load(sys.stdin)
    # What the function prints must not mix with the answer.
    answer_to, sys.stdout = sys.stdout, sys.stderr
    answer: dict[str, Any] = {"value": None, "error": None}
    try:
        answer["value"] = load_target(request["target"])(*request["args"])
    except PitcheyError as error:
        answer["error"] = error.as_record()
    except Exception as error:  # noqa: BLE001 - whatever the function raises is the caller's to see
        traceback.print_exc()
        answer["error"] = ProcessorError(
            f"{request['target']} raised {type(error).__name__}: {error}"
        ).as_record()
    json.dump(answer, answer_to)
    answer_to.flush()


if __name__ == "__main__":
    _serve()
