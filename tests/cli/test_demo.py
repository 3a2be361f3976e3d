"""``pitchey-run demo``, as the README shows it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from pitchey_cli import Cli

from pitchey_core.isolation import probe
from pitchey_core.registry import Registry
from pitchey_core.storage import to_path
from pitchey_core.tools import ToolTable
from pitchey_runner.demo import find_footage

# On a host that cannot build a sandbox the demo has no program to run.
DEMO_JOBS = 8 + (not any(found.startswith("not enforced") for found in probe().values()))


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.slow
def test_demo(cli: Cli) -> None:
    ran = cli("demo", "--json", timeout=170)
    assert ran.code == 0, ran.err
    last = ran.lines[-1]
    assert (last["completed"], last["failed"]) == (DEMO_JOBS, 0)
    report = to_path(last["report"])
    assert report == cli.folder / "pitchey-demo" / "report.html"
    text = report.read_text("utf-8")
    assert "It is going to be a good day." in text
    assert "Made with free tools, free to show" in text
    assert "Blender Foundation" in text
    assert "<b>logline</b> A retired lighthouse keeper" in text
    links = Links()
    links.feed(text)
    assert len([link for link in links.found if link.endswith(".jpg")]) >= 18
    for link in links.found:
        assert not re.match(r"[a-z]+:|/", link)
        assert (report.parent / unquote(link)).is_file()
    # Nothing outside of the demo's folder, the user's store least of all.
    assert [each.name for each in cli.folder.iterdir()] == ["pitchey-demo"]
    again = cli("demo", "--no-json")
    assert again.code == 0
    assert f"{DEMO_JOBS} skipped" in again.out
    assert f"report: {report}" in again.out


def test_without_real_footage_some_is_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitchey_runner.demo.footage._big_buck_bunny", lambda: None)
    tools = ToolTable(Registry.load().tools)
    made = find_footage(tmp_path, tools)
    assert made.note is not None
    assert "pitchey[demo]" in made.note
    assert made.path.stat().st_size > 100_000
    before = made.path.stat().st_mtime_ns
    assert find_footage(tmp_path, tools).path.stat().st_mtime_ns == before
    assert [each.name for each in tmp_path.iterdir()] == ["generated.mp4"]
