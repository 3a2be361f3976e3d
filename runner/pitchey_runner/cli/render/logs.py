"""Logs, which hold whatever a program has printed."""

from __future__ import annotations

import codecs
import contextlib
import sys
from collections.abc import Callable, Iterator

import click

from pitchey_runner.cli.render.output import write_json
from pitchey_runner.cli.text import printable

__all__ = ["log_writer"]


@contextlib.contextmanager
def log_writer(*, as_json: bool) -> Iterator[Callable[[int, bytes], None]]:
    """Takes an attempt's number and a piece of its log.

    A terminal gets text without control characters, a pipe the bytes as they are, JSON one object a line.
    """
    if not as_json and not sys.stdout.isatty():
        yield _raw
        return
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest, latest = "", 0

    def write(number: int, piece: bytes) -> None:
        nonlocal rest, latest
        if number != latest:
            finish()
            latest = number
        *lines, rest = (rest + decoder.decode(piece)).replace("\r", "\n").split("\n")
        for line in lines:
            show(line)

    def show(line: str) -> None:
        if as_json:
            write_json({"attempt": latest, "line": line})
        else:
            click.echo(printable(line.expandtabs()))

    def finish() -> None:
        # Whoever is killed in the middle of a line has written no end of it.
        nonlocal rest
        if rest := rest + decoder.decode(b"", final=True):
            show(rest)
        rest = ""
        decoder.reset()

    yield write
    finish()


def _raw(_number: int, piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
