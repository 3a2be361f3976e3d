"""``pitchey-run PROCESSOR``: one job, here and now."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from pitchey_cli import Cli

from pitchey_core.storage import to_path


def test_json_prints_the_result_and_nothing_else(cli: Cli) -> None:
    ran = cli("test-echo", "hi", "--repeat", "2", "--tag", "a", "--tag", "b", "-o", "out", "--json")
    assert (ran.code, ran.err) == (0, "")
    result = ran.data
    assert list(result) == ["job_id", "status", "artifacts", "facts", "usage", "cost_usd", "error"]
    assert (result["status"], result["error"]) == ("completed", None)
    (artifact,) = result["artifacts"]
    assert sorted(artifact) == ["bytes", "media_type", "name", "sha256", "uri"]
    assert to_path(artifact["uri"]) == cli.folder / "out" / "echo.txt"
    assert (cli.folder / "out" / "echo.txt").read_text() == "hi\nhi\n"
    assert result["facts"]["payload"]["tag"] == ["a", "b"]
    assert len(result["cost_usd"].partition(".")[2]) == 9


def test_a_pipe_gets_json_and_people_a_summary(cli: Cli) -> None:
    assert cli("test-echo").data["status"] == "completed"
    ran = cli("test-echo", "-o", "second", "--no-json")
    assert ran.code == 0
    assert f"{cli.folder}/second/echo.txt  (text/plain, 6 B)" in ran.out
    assert "completed · " in ran.out
    assert "$0.00" in ran.out


def test_shared_options_stand_before_and_after_the_verb(cli: Cli) -> None:
    for args in (
        ["--store", "other.db", "--no-json", "test-noop"],
        ["test-noop", "--store", "other.db", "--no-json"],
    ):
        ran = cli(*args)
        assert (ran.code, ran.out.startswith("completed")) == (0, True)
    assert len(cli("list", "--store", "other.db").lines) == 2
    assert not (cli.folder / "jobs.db").exists()


def test_an_existing_output_is_refused_unless_overwrite(cli: Cli) -> None:
    assert cli("test-echo", "one").code == 0
    ran = cli("test-echo", "two")
    assert (ran.code, ran.data["error"]["class"]) == (1, "OutputExists")
    assert "--overwrite" in ran.data["error"]["remedy"]
    assert (cli.folder / "pitchey-output/echo.txt").read_text() == "one\n"
    assert cli("test-echo", "two", "--overwrite").code == 0
    assert (cli.folder / "pitchey-output/echo.txt").read_text() == "two\n"


@pytest.mark.parametrize(
    ("error", "code"), [("InputError", 1), ("ToolMissing", 3), ("ExtraMissing", 3), ("PartialFailure", 1)]
)
def test_the_exit_code_follows_the_error(cli: Cli, error: str, code: int) -> None:
    ran = cli("test-fail", error, "--message", "no luck", "--json")
    assert (ran.code, ran.data["status"], ran.data["error"]["class"]) == (code, "failed", error)
    ran = cli("test-fail", error, "--message", "no\x1b[2Jluck", "--no-json", "-o", "b")
    assert ran.code == code
    assert "error: no\\x1b[2Jluck" in ran.err
    assert "Traceback" not in ran.err


def test_a_retryable_error_is_retried_here_and_now(cli: Cli) -> None:
    ran = cli("test-fail", "TransientError", "--times", "1")
    assert (ran.code, ran.data["status"], ran.data["facts"]["attempt"]) == (0, "completed", 2)


def test_dry_run_says_what_would_be_done_and_does_nothing(cli: Cli) -> None:
    (cli.folder / "in.txt").write_text("12345")
    plan = cli("test-copy", "in.txt", "--dry-run", "--json").data
    assert (plan["output_bytes"], plan["steps"][0]["action"]) == (5, "copy")
    assert plan["cost_usd"] is not None
    shown = cli("test-copy", "in.txt", "--dry-run", "--no-json").out
    assert "predicted size  5 B" in shown
    assert sorted(os.listdir(cli.folder)) == ["in.txt"]
    ran = cli("test-noop", "--dry-run")
    assert (ran.code, "cannot say beforehand" in ran.err) == (2, True)


def test_priority_wall_limit_and_instance_type_reach_the_job(cli: Cli) -> None:
    ran = cli("test-noop", "--priority", "high", "--instance-type", "standard-1", "--wall-limit", "9")
    record = cli("status", ran.data["job_id"]).data
    assert (record["priority"], record["instance_type"]) == ("high", "standard-1")
    ran = cli("test-sleep", "30", "--wall-limit", "0.5")
    assert (ran.code, ran.data["error"]["limit"]) == (1, "wall")
    ran = cli("test-noop", "--instance-type", "standrad-1")
    assert (ran.code, "did you mean 'standard-1'" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "name",
    [
        b"-dash.txt",
        b"two words.txt",
        b"quote'\".txt",
        b"line\nend.txt",
        b"no\xff\xfetext.txt",
        b"a%20b#c?.txt",
    ],
)
def test_weird_names_come_through(cli: Cli, name: bytes) -> None:
    with open(os.path.join(os.fsencode(cli.folder), name), "wb") as file:
        file.write(b"content")
    args: list[str | bytes] = ["test-copy", "-o", "out", "--json", "--", name]
    ran = cli(*args)
    assert (ran.code, ran.data["facts"]["bytes"]) == (0, 7)
    assert cli("list", "--no-json").code == 0
    missing = cli("test-copy", "-o", "out2", "--no-json", "--", b"x" + name)
    assert missing.code == 1
    assert "does not exist" in missing.err
    assert "\\n" in missing.err or b"\n" not in name
    assert "\\xff" in missing.err or b"\xff" not in name


def test_text_from_stdin(cli: Cli) -> None:
    assert cli("test-echo", "x", "--note", "-", stdin=b"from stdin").code == 0
    assert (cli.folder / "pitchey-output/echo.txt").read_text() == "x\nfrom stdin"


def test_ctrl_c_cancels_the_job(cli: Cli, eventually: Callable[..., Any]) -> None:
    trace = cli.folder / "trace"
    process = cli.start("test-sleep", "60", "--trace", trace, "--json")
    eventually(trace.exists)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 15
    assert process.returncode == 130, err
    assert json.loads(out)["status"] == "cancelled"


def test_a_terminal_gets_progress_and_no_json(cli: Cli) -> None:
    ours, theirs = os.openpty()
    process = cli.start("test-sleep", "0.5", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(timeout=30) == 0
    assert b"test-sleep" in shown
    assert b"completed" in shown
    assert b'{"job_id"' not in shown


def test_a_reader_that_goes_away_is_no_defect(cli: Cli) -> None:
    process = cli.start("schema", "test-echo")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=30) in (0, 1)
