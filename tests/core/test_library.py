"""``run``, ``arun`` and ``plan``: the library without a store."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import pitchey_core
from pitchey_core.errors import InputError, LimitExceeded, OutputExists, UnknownName, UsageError
from pitchey_core.process import processes_with_tag


def test_every_public_name_can_be_had() -> None:
    for name in pitchey_core.__all__:
        assert getattr(pitchey_core, name) is not None
    assert set(pitchey_core.__all__) <= set(dir(pitchey_core))
    with pytest.raises(AttributeError):
        pitchey_core.no_such_name  # noqa: B018


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_run_publishes_and_returns_typed_facts(tmp_path: Path, isolation: str) -> None:
    seen: list[float | None] = []
    result = pitchey_core.run(
        "test-echo",
        {"text": "hi"},
        loud=True,
        output=tmp_path / "out",
        on_progress=lambda fraction, *_: seen.append(fraction),
        isolation=isolation,  # type: ignore[arg-type]
    )
    assert result.status == "completed"
    assert result.facts.payload["text"] == "hi"
    assert (tmp_path / "out" / "echo.txt").read_text() == "HI\n"
    assert result.artifacts[0].uri == (tmp_path / "out" / "echo.txt").as_uri()
    assert float(result.cost_usd) > 0
    assert (result.facts.pid == os.getpid()) == (isolation == "none")
    assert set(result.as_record()) == {
        "job_id",
        "status",
        "artifacts",
        "facts",
        "usage",
        "cost_usd",
        "error",
    }


def test_errors_are_raised_or_returned(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        pitchey_core.run("test-copy", input_url=tmp_path / "nowhere", output=tmp_path)
    result = pitchey_core.run("test-copy", input_url=str(tmp_path / "nowhere"), output=tmp_path, check=False)
    assert isinstance(result.error, InputError)
    assert result.status == "failed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_an_output_folder_that_cannot_exist_is_an_input_error(tmp_path: Path, isolation: str) -> None:
    result = pitchey_core.run(
        "test-echo",
        text="x",
        output=tmp_path / ("n" * 300),
        check=False,
        isolation=isolation,  # type: ignore[arg-type]
    )
    assert isinstance(result.error, InputError)
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_does_not_replace_the_first(tmp_path: Path) -> None:
    pitchey_core.run("test-echo", text="one", output=tmp_path)
    with pytest.raises(OutputExists):
        pitchey_core.run("test-echo", text="two", output=tmp_path)
    assert (tmp_path / "echo.txt").read_text() == "one\n"
    pitchey_core.run("test-echo", text="two", output=tmp_path, overwrite=True)
    assert (tmp_path / "echo.txt").read_text() == "two\n"


def test_limits_hold_for_a_library_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITCHEY_PROCESSORS__TEST-SPIN__WALL_LIMIT", "0.5")
    with pytest.raises(LimitExceeded):
        pitchey_core.run("test-spin", deaf=True)


def test_wrong_calls_say_what_is_wrong() -> None:
    with pytest.raises(UnknownName, match="did you mean"):
        pitchey_core.run("test-ecko")
    with pytest.raises(UnknownName, match="did you mean 'text'"):
        pitchey_core.run("test-echo", txet="x")
    with pytest.raises(UsageError, match="output"):
        pitchey_core.run("test-echo", text="x")


def test_run_works_inside_a_running_event_loop(tmp_path: Path) -> None:
    async def main() -> str:
        inside = pitchey_core.run("test-noop", value=1)
        outside = await pitchey_core.arun("test-noop", value=2)
        return f"{inside.facts.value}{outside.facts.value}"

    assert asyncio.run(main()) == "12"
    gc.collect()


def test_plan_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in.bin"
    source.write_bytes(b"x" * 100)
    plan = pitchey_core.plan("test-copy", input_url=str(source), seconds=2, output=tmp_path / "out")
    assert plan.output_bytes == 100
    assert plan.cost_usd is not None
    assert float(plan.cost_usd) > 0
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="cannot say"):
        pitchey_core.plan("test-noop")


def test_ctrl_c_takes_the_job_down_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        f"import pitchey_core; pitchey_core.run('test-daemon', pid_file={str(tmp_path / 'pid')!r}, wait=60)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PITCHEY_SLOT": f"ctrl-c-{os.getpid()}"}
    program = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while not (tmp_path / "pid").exists() and time.monotonic() < end:
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    _, stderr = program.communicate(timeout=20)
    assert b"KeyboardInterrupt" in stderr
    assert processes_with_tag(f"ctrl-c-{os.getpid()}") == []
    assert [each.name for each in tmp_path.iterdir()] == ["pid"]


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pitchey_core.run("test-child", seconds=0.01)
    assert list(tmp_path.iterdir()) == []
