"""``pitchey-run top`` on a real terminal of 80 x 24: what it shows, and what its keys do."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from pitchey_cli import Cli
from terminal import Terminal

UP, DOWN = "\x1b[A", "\x1b[B"

OpenTop = Callable[..., Terminal]


@pytest.fixture
def top(cli: Cli) -> Iterator[OpenTop]:
    opened: list[Terminal] = []

    def start(columns: int = 80, lines: int = 24) -> Terminal:
        command = cli.command("top", "--every", "0.2")
        terminal = Terminal(command, cwd=cli.folder, env=cli.env, columns=columns, lines=lines)
        opened.append(terminal)
        return terminal

    yield start
    for each in opened:
        each.close()


def test_a_terminated_top_leaves_the_terminal_as_it_was(top: OpenTop) -> None:
    screen = top()
    screen.shows(lambda: "q quit" in screen.text)
    assert not screen.echoes
    screen.process.send_signal(signal.SIGTERM)
    assert screen.ended() == 130
    assert screen.echoes


def test_a_queue_is_paused_and_resumed_with_a_key(cli: Cli, top: OpenTop) -> None:
    cli("submit", "test-noop")
    screen = top()
    screen.shows(lambda: "q quit" in screen.text)
    assert "cpu" in screen.text
    first = screen.marked.split()[0]
    screen.press(DOWN)
    screen.shows(lambda: screen.marked.split()[0] != first)
    screen.press(UP)
    screen.shows(lambda: screen.marked.split()[0] == first)
    screen.press("p")
    screen.shows(lambda: f"queue {first} paused" in screen.text and "‖ paused" in screen.marked)
    (queue,) = [each for each in cli("queues", "--json").lines if each["name"] == first]
    assert queue["paused"] is True
    screen.press("p")
    screen.shows(lambda: f"queue {first} resumed" in screen.text)
    screen.press("q")
    assert screen.ended() == 0
    assert "Traceback" not in screen.text


def test_a_job_is_cancelled_with_a_key_once_that_is_confirmed(cli: Cli, top: OpenTop) -> None:
    job = cli("submit", "test-hog", "16", "--seconds", "120").data["job_id"]
    cli.environment["PITCHEY_TIMING__BEAT"] = "0.2"
    cli.start("work", "--types", "test-hog", "--json")
    screen = top()
    screen.shows(lambda: job[:8] in screen.text and "0 MiB" in screen.text)
    screen.press("c")
    screen.shows(lambda: "go to one with tab" in screen.text)
    screen.press("\t")
    screen.shows(lambda: screen.marked.startswith(job[:8]))
    screen.press("c")
    screen.shows(lambda: f"cancel test-hog job {job[:8]}? y/n" in screen.text)
    screen.press("n")
    screen.shows(lambda: "nothing was cancelled" in screen.text)
    assert cli("status", job).data["cancel_requested"] is False
    screen.press("c")
    screen.shows(lambda: "? y/n" in screen.text)
    screen.press("y")
    screen.shows(lambda: "no job is running" in screen.text)
    assert cli("status", job).data["status"] == "cancelled"
    screen.press("q")
    assert screen.ended() == 0


def test_ctrl_c_leaves_the_terminal_as_it_was(cli: Cli, top: OpenTop) -> None:
    screen = top()
    screen.shows(lambda: "q quit" in screen.text)
    screen.press("\x03")
    assert screen.ended() == 130
    assert "Traceback" not in screen.text


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (60, 12), (200, 60)])
def test_it_fits_the_terminal(cli: Cli, top: OpenTop, columns: int, lines: int) -> None:
    cli("submit", "test-noop")
    screen = top(columns, lines)
    screen.shows(lambda: "waiting" in screen.text and "q quit" in screen.text)
    # The last queue can be reached, and is seen then.
    screen.press("j" * 40)
    last = cli("queues", "--json").lines[-1]["name"]
    screen.shows(lambda: screen.marked.startswith(last))
    assert "pitchey" in screen.text.split("\n")[0]


def test_without_a_terminal_it_says_what_to_do(cli: Cli) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pitchey_runner", "top", "--no-json"],
        env=cli.env, cwd=cli.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, "needs a terminal" in done.stderr) == (2, True)
