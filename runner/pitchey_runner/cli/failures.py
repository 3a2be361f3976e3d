"""The one place that turns errors into words and exit codes."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import click

from pitchey_core.errors import PitcheyError, UsageError
from pitchey_runner.cli.invocation import Invocation
from pitchey_runner.cli.text import printable

__all__ = ["INTERRUPTED", "guarded"]

INTERRUPTED = 130


def guarded(app: click.Command, args: Sequence[str] | None) -> int:
    """Run the application; whatever it raises becomes a message on stderr and an exit code."""
    words = list(sys.argv[1:] if args is None else args)
    invocation = Invocation()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A file name may hold anything; it must not be what stops us.
            stream.reconfigure(errors="backslashreplace")
    try:
        with _terminable():
            code = app.main(words, prog_name="pitchey-run", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - here ends every way out
        cause = _innermost(error)
        if not isinstance(cause, BrokenPipeError):
            return _report(cause, invocation, words)
        # Whoever reads has had enough. The interpreter would flush once more at its end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code if isinstance(code, int) else 0


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends verbs as Ctrl-C does: the terminal becomes what it was. Workers and batches bring their own way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _report(error: Exception, invocation: Invocation, words: list[str]) -> int:
    if invocation.debug or (
        "--debug" in words and not isinstance(error, PitcheyError | click.ClickException)
    ):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)
    usage = ""
    if isinstance(error, click.ClickException):
        if isinstance(error, click.UsageError) and error.ctx is not None:
            usage = error.ctx.get_usage()
        error = _from_click(error, words)
    if isinstance(error, PitcheyError):
        record, code = error.as_record(), error.exit_code
    else:
        record, code = _unexpected(error), 1
    if invocation.json or "--json" in words:
        click.echo(json.dumps({"error": record}), err=True)
        return code
    if usage:
        click.echo(usage, err=True)
    click.echo(f"error: {printable(record['message'])}", err=True)
    if record["remedy"]:
        click.echo(f"  → {printable(record['remedy'])}", err=True)
    return code


def _from_click(error: click.ClickException, words: list[str]) -> UsageError:
    remedy = None
    if isinstance(error, click.NoSuchOption):
        close = difflib.get_close_matches(error.option_name, error.possibilities or (), n=2)
        if close:
            remedy = "did you mean " + " or ".join(close) + "?"
        dashed = next((word for word in words if word.startswith("-") and os.path.lexists(word)), None)
        if dashed is not None:
            remedy = f"a file whose name starts with '-' is written ./{dashed}, or stands after --"
        return UsageError(f"no such option: {error.option_name}", remedy=remedy)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        remedy = f"{error.ctx.command_path} --help"
    return UsageError(error.format_message(), remedy=remedy)


def _unexpected(error: Exception) -> dict[str, Any]:
    return {
        "class": type(error).__name__,
        "message": f"unexpected {type(error).__name__}: {error}",
        "remedy": "this is a defect: the same command with --debug shows where",
        "retryable": False,
    }
