"""Logs, which hold whatever a program has printed."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable

import click

from pitchey_runner.cli.render.output import write_json
from pitchey_runner.cli.text import printable

__all__ = ["log_writer"]


def log_writer(*, as_json: bool) -> Callable[[int, bytes], None]:
    """Takes an attempt's number and a piece of its log.

    A terminal gets text without control characters, a pipe the bytes as they are, JSON one object a line.
    """
    if not as_json and not sys.stdout.isatty():
        return _raw
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""

    def write(number: int, piece: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + decoder.decode(piece)).replace("\r", "\n").split("\n")
        for line in lines:
            if as_json:
                write_json({"attempt": number, "line": line})
            else:
                click.echo(printable(line.expandtabs()))

    return write


def _raw(_number: int, piece: bytes) -> None:
    sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
