"""Call a function in a disposable process: for a parser that hostile input may crash, stall or blow up.

The child gets no network (where the kernel allows a namespace), only the system calls of ordinary work (where it has
seccomp), a clean environment and hard limits; arguments and answer are JSON. A generator's items arrive one by one
while it works, so what came before a crash is not lost. Nothing of the child is left after the call.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Generator, Sequence
from pkgutil import resolve_name
from types import GeneratorType
from typing import TYPE_CHECKING, Any, TextIO

from pitchey_core.errors import PitcheyError, ProcessorError, SlotCrashed, error_from_record

if TYPE_CHECKING:
    from pathlib import Path

    from pitchey_core.process import Completed, ProcessLimits

__all__ = ["MAX_ITEM_BYTES", "call_isolated"]

MAX_ITEM_BYTES = 60 * 1024
"""Most bytes of one item of a generator, as JSON: an item is a line, and longer lines are cut."""

_MAX_ANSWER_BYTES = 64 * 1024**2


def call_isolated(
    target: str,
    args: Sequence[Any],
    *,
    limits: ProcessLimits,
    cancelled: Callable[[], bool] | None = None,
    on_item: Callable[[Any], None] | None = None,
    on_completed: Callable[[Completed], None] | None = None,
    temporary: Path | None = None,
) -> Any:
    """Call ``"module:function"`` with JSON arguments; see :meth:`pitchey_core.context.JobContext.isolate`.

    Args:
        on_item: Takes each item that a generator yields, as it comes; what it raises ends the call.
        on_completed: Takes what the process used, if it ended by itself.
        temporary: Folder for its temporary files, which a process that is killed cannot remove itself.

    Raises:
        LimitExceeded: It ran too long or grew too large.
        SlotCrashed: Its process died.
        PitcheyError: What the function raised; other exceptions arrive as ``ProcessorError``.
    """
    # Here and not above: the other process imports this module, too, and starts nothing itself.
    from dataclasses import replace

    from pitchey_core.process import run

    def take(line: str) -> None:
        message = json.loads(line)
        if on_item is not None and "item" in message:
            on_item(message["item"])

    done = run(
        [sys.executable, "-I", "-m", __name__],
        tool="isolated call",
        stdin=json.dumps({"target": target, "args": list(args), "items": on_item is not None}).encode(),
        env={} if temporary is None else {"TMPDIR": str(temporary)},
        on_stdout=take if on_item is not None else None,
        # Of a generator only the last line is wanted at the end.
        limits=replace(limits, network=False, stdout_bytes=None if on_item else _MAX_ANSWER_BYTES),
        cancelled=cancelled,
        check=False,
    )
    if on_completed is not None:
        on_completed(done)
    answer = _last_message(done.stdout)
    if "error" not in answer:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise SlotCrashed(
            f"the isolated call of {target} died (status {done.returncode})"
            + "".join(f": {line}" for line in last)
        )
    if answer["error"] is not None:
        raise error_from_record(answer["error"])
    return answer["value"]


def _last_message(stdout: bytes) -> dict[str, Any]:
    try:
        message: dict[str, Any] = json.loads(stdout.rpartition(b"\n")[2])
    except ValueError:
        return {}  # it ended in the middle
    return message


def _serve() -> None:
    _shut()
    request = json.load(sys.stdin)
    # What the function prints must not mix with the answer.
    answer_to, sys.stdout = sys.stdout, sys.stderr
    answer: dict[str, Any] = {"value": None, "error": None}
    try:
        value = resolve_name(request["target"])(*request["args"])
        answer["value"] = _send_items(value, answer_to) if request["items"] else value
    except PitcheyError as error:
        answer["error"] = error.as_record()
    except Exception as error:  # noqa: BLE001 - whatever the function raises is the caller's to see
        import traceback

        traceback.print_exc()
        answer["error"] = ProcessorError(
            f"{request['target']} raised {type(error).__name__}: {error}"
        ).as_record()
    text = json.dumps(answer)
    if request["items"] and len(text) > MAX_ITEM_BYTES:
        words = f"{request['target']} returned {len(text)} bytes; the most beside items is {MAX_ITEM_BYTES}"
        text = json.dumps({"value": None, "error": ProcessorError(words).as_record()})
    answer_to.write(text)
    answer_to.flush()


def _shut() -> None:
    """Give up the system calls that parsers do not need; a wall more, where the kernel has it."""
    from pitchey_core.isolation.jail.kernel import MACHINE, Filter
    from pitchey_core.isolation.jail.seccomp import assemble

    # The launcher has set no_new_privs, without which only root may do this.
    with contextlib.suppress(OSError):
        Filter(assemble(MACHINE)).install()


def _send_items(items: Generator[Any, None, Any], answer_to: TextIO) -> Any:
    """Send what a generator yields, line by line; returns what it returns."""
    if not isinstance(items, GeneratorType):
        raise TypeError("only a generator has items")
    while True:
        try:
            line = json.dumps({"item": next(items)})
        except StopIteration as end:
            return end.value
        if len(line) > MAX_ITEM_BYTES:
            raise ValueError(
                f"an item of {len(line)} bytes; the most is {MAX_ITEM_BYTES}: write it to a file"
            )
        answer_to.write(f"{line}\n")
        answer_to.flush()


if __name__ == "__main__":
    _serve()
