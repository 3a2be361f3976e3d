"""Progress where people see it: a real notebook kernel, and a terminal."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager
from terminal import Terminal

PROGRAM = """
import pitchey_runner
with pitchey_runner.open({store!r}, data_dir={data!r}) as jobs, jobs.work():
    results = list(jobs.map("test-sleep", [{{"seconds": 0.2}}] * 4, show=True))
    jobs.submit("test-hog", mib=16, seconds=1.0).wait(60, show=True)
    job = jobs.submit("test-noop")
    job.wait(60)
print("done", len(results))
"""

AWAITED = """
import pitchey_runner
async with pitchey_runner.open_async({store!r}, data_dir={data!r}) as jobs, jobs.work():
    results = [each async for each in jobs.map("test-sleep", [{{"seconds": 0.2}}] * 4, show=True)]
    await (await jobs.submit("test-sleep", seconds=0.5)).wait(60, show=True)
    noop = await jobs.submit("test-noop")
    found = [each async for each in jobs.as_completed([noop], show=True)]
print("done", len(results), len(found))
"""


def _program(folder: Path) -> str:
    return PROGRAM.format(store=str(folder / "jobs.db"), data=str(folder / "data"))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable  # type: ignore[union-attr]
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


def _messages(client: Any, code: str) -> list[dict[str, Any]]:
    asked = client.execute(code)
    found = []
    while True:
        try:
            message = client.get_iopub_msg(timeout=90)
        except queue.Empty:
            raise AssertionError(f"the kernel says no more than {found}") from None
        if message["parent_header"].get("msg_id") != asked:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return found
        found.append({"kind": message["msg_type"], **message["content"]})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_notebook_shows_bars_that_are_drawn_over(kernel: Any, tmp_path: Path) -> None:
    said = _messages(kernel, _program(tmp_path))
    assert [each for each in said if each["kind"] == "error"] == []
    shown = [each for each in said if each["kind"] == "display_data"]
    again = [each for each in said if each["kind"] == "update_display_data"]
    # One output for each of the two calls that show something; the rest draws over it.
    assert len(shown) == 2
    names = [each["transient"]["display_id"] for each in shown]
    assert {each["transient"]["display_id"] for each in again} <= set(names)
    last = [each for each in again if each["transient"]["display_id"] == names[0]][-1]["data"]
    assert "4 of 4" in last["text/html"]
    assert "<progress value='1.000'" in last["text/html"]
    assert any("test-hog" in each["data"]["text/html"] for each in again)
    assert [each["text"] for each in said if each["kind"] == "stream" and each["name"] == "stdout"] == [
        "done 4\n"
    ]
    (result,) = [each["data"] for each in _messages(kernel, "results[0]") if each["kind"] == "execute_result"]
    assert "completed" in result["text/html"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_awaited_twins_show_the_same(kernel: Any, tmp_path: Path) -> None:
    code = AWAITED.format(store=str(tmp_path / "jobs.db"), data=str(tmp_path / "data"))
    said = _messages(kernel, code)
    assert [each for each in said if each["kind"] == "error"] == []
    shown = [each["transient"]["display_id"] for each in said if each["kind"] == "display_data"]
    assert len(shown) == 3
    drawn = [each for each in said if each["kind"] in ("display_data", "update_display_data")]
    for number, words in zip(shown, ("4 of 4", "1 of 1", "1 of 1"), strict=True):
        last = [each for each in drawn if each["transient"]["display_id"] == number][-1]
        assert words in last["data"]["text/html"]
    assert [each["text"] for each in said if each["kind"] == "stream" and each["name"] == "stdout"] == [
        "done 4 1\n"
    ]


def test_a_terminal_shows_bars(tmp_path: Path) -> None:
    import os

    terminal = Terminal([sys.executable, "-c", _program(tmp_path)], cwd=tmp_path, env=dict(os.environ))
    try:
        terminal.shows(lambda: "all jobs" in terminal.text and "of 4" in terminal.text, 60)
        assert terminal.ended(60) == 0
        assert terminal.text.strip() == "done 4"
    finally:
        terminal.close()
