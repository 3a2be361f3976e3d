"""How long does ``pitchey-run --help`` take?"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

from harness import Bench, at_most, expect, in_turn, run_benchmark, timed
from workbench import pitchey_run, workbench

CALLS_PER_ROUND = 7
GOAL_SECONDS = 0.2


def measure(bench: Bench) -> None:
    with workbench():
        program = [str(pitchey_run()), "--help"]
        empty, imports = ([sys.executable, "-c", code] for code in ("pass", "import click"))
        over_nothing = bench.compare(
            "pitchey-run --help", against="python -c pass", unit="s", by="ours", goal=at_most(GOAL_SECONDS)
        )
        over_click = bench.compare(
            "pitchey-run --help", against="python -c 'import click'", unit="s", by="difference"
        )
        # The first calls compile what is not compiled yet and fill the disk's cache.
        for command in (program, empty, imports):
            _call(command)
        for first in bench.rounds():
            for number in range(first, first + CALLS_PER_ROUND):
                ours, nothing, click = in_turn(
                    number, *(partial(_call, command) for command in (program, empty, imports))
                )
                over_nothing.add(ours, nothing)
                over_click.add(ours, click)
        bench.fact("calls", f"{CALLS_PER_ROUND} of each in every round")


def _call(command: list[str]) -> float:
    done, cost = timed(
        lambda: subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=os.environ)
    )
    expect(done.returncode == 0, f"{command} failed: {done.stderr.decode()}")
    if "--help" in command:
        expect(b"video" in done.stdout and b"batch" in done.stdout, "the help does not name its verbs")
    return cost.wall


if __name__ == "__main__":
    run_benchmark("start-up of the command line", measure)
