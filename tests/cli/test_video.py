"""The first processor through the command line, on real footage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pitchey_cli import Cli

from pitchey_core.registry import Registry
from pitchey_core.storage import to_path
from pitchey_core.tools import ToolTable
from pitchey_runner.demo import find_footage


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_footage(tmp_path_factory.mktemp("footage"), ToolTable(Registry.load().tools)).path


def test_the_command_of_the_readme(cli: Cli, footage: Path) -> None:
    shutil.copy(footage, cli.folder / "clip.mov")
    words = ("video", "clip.mov", "--quality", "480p", "--thumbnail-count", "3", "--duration", "1")
    ran = cli(*words, "--speed", "ultrafast", "-o", "out/", "--json")
    assert (ran.code, ran.err) == (0, "")
    kinds = [each["media_type"] for each in ran.data["artifacts"]]
    assert sorted(kinds) == ["image/jpeg"] * 3 + ["video/mp4"]
    for artifact in ran.data["artifacts"]:
        path = to_path(artifact["uri"])
        assert path is not None
        assert path.stat().st_size == artifact["bytes"]
    assert ran.data["facts"]["output"]["height"] == 480
    plan = cli(*words, "--dry-run", "--no-json")
    assert plan.code == 0
    for column in ("encode", "predicted time", "predicted size", "predicted cost"):
        assert column in plan.out


def test_bad_files_do_not_touch_the_others(cli: Cli, footage: Path) -> None:
    folder = cli.folder / "in"
    folder.mkdir()
    shutil.copy(footage, folder / "good one.mp4")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no film\n" * 100)
    (folder / "cut.mp4").write_bytes(footage.read_bytes()[:5000])
    ran = cli("batch", "in", "--set", "quality=480p", "--set", "duration=0.5", "-o", "out", "--json")
    assert (ran.code, ran.lines[-1]["completed"], ran.lines[-1]["failed"]) == (1, 1, 3)
    assert [each.name for each in (cli.folder / "out").iterdir()] == ["good one"]
    for each in cli("dead", "list").lines:
        assert Path(json.loads(json.dumps(each["payload"]["input_url"]))).name in each["error"]["message"]
        assert each["retry_count"] == 0
