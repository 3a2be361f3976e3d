"""JSON for a program that reads from a pipe: each line as it comes, and no trouble once that program has gone."""

from __future__ import annotations

import json

from pitchey_cli import Cli


def test_each_line_is_there_as_it_comes_and_a_reader_may_leave(cli: Cli) -> None:
    cli("submit", "test-noop")
    process = cli.start("top", "--json", "--every", "0.1")
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(2):
        assert "queues" in json.loads(process.stdout.readline())
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (1, b"")
    process.stderr.close()
