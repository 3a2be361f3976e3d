"""``pitchey-run presets``, and presets by file."""

from __future__ import annotations

import re

from media_samples import Samples
from pitchey_cli import Cli


def test_the_command_line_lists_and_shows_them(cli: Cli) -> None:
    (cli.folder / "pitchey.toml").write_text(
        '[plugins.media.presets.teaser]\nsummary = "Mine"\nextends = "mobile-optimized"\nvideo = { crf = 30 }\n'
        "[plugins.media.presets.broken]\nvideo = { crf = 300 }\n"
    )
    rows = {row["name"]: row for row in cli("presets", "--json").lines}
    assert {"web-optimized", "mobile-optimized", "hd-quality", "hls-ladder", "teaser"} <= set(rows)
    assert rows["teaser"] == {"name": "teaser", "summary": "Mine", "origin": "settings"}
    assert "cannot be used" in rows["broken"]["summary"]
    assert "crf" in rows["broken"]["summary"]
    shown = cli("presets", "show", "teaser", "--no-json").out
    assert re.search(r"^\[teaser\.video\]\n(.*\n)*crf = 30$", shown, re.MULTILINE)
    assert cli("presets", "show", "teaser", "--json").lines[0]["video"]["size"] == "720p"
    ran = cli("presets", "show", "teasr")
    assert (ran.code, "did you mean 'teaser'" in ran.err) == (2, True)


def test_presets_of_a_file_and_a_partial_failure(cli: Cli, samples: Samples) -> None:
    (cli.folder / "mine.toml").write_text(
        '[tiny]\nextends = "mobile-optimized"\nvideo = { size = "90p", speed = "ultrafast", copy_fitting = false }\n'
    )
    ran = cli(
        "media", str(samples.silent()), "--preset", "tiny", "--preset", "audio-podcast",
        "--preset-file", "mine.toml", "--thumbnail-count", "1", "-o", "out", "--json",
    )  # fmt: skip
    (record,) = ran.lines
    assert (ran.code, record["status"], record["facts"]["partial"]) == (1, "failed", True)
    assert record["error"]["class"] == "PartialFailure"
    assert [each["name"] for each in record["artifacts"]] == ["silent-tiny.mp4", "thumbnails/silent-001.jpg"]
    assert all((cli.folder / "out" / each["name"]).exists() for each in record["artifacts"])
    tiny, podcast = record["facts"]["presets"]
    assert tiny["outputs"][0]["summary"]["height"] == 90
    assert podcast["error"]["message"].endswith("holds no sound that could be kept")
    ran = cli("media", str(samples.silent()), "--preset", "web-optimised", "-o", "other", "--json")
    assert ran.code == 2
    assert "did you mean 'web-optimized'" in ran.lines[0]["error"]["remedy"]
