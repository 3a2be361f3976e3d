"""Thumbnails, poster and sprite sheet."""

from __future__ import annotations

import re

import pytest
from media_checks import colour_at, info_of
from media_samples import Samples
from PIL import Image
from video_jobs import Finished, JobBench

from pitchey_core.ffmpeg.frames import FrameReader
from pitchey_core.ffmpeg.sprite import sprite_layout, webvtt

FAST = {"speed": "ultrafast"}
# What samples.colours() shows, second by second.
SECONDS = ("red", "lime", "blue", "yellow", "magenta", "cyan", "white", "orange", "gray", "green")


def test_thumbnails_are_spread_and_tell_their_time(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.colours(), thumbnail_count=5, thumbnail_width=100)
    names = [t.name for t in done.facts.thumbnails]
    assert names == [f"thumbnails/colours-10-{n:03}.jpg" for n in range(1, 6)]
    for number, shot in enumerate(done.facts.thumbnails):
        assert number * 2 <= shot.time_seconds < (number + 1) * 2
        with Image.open(done.files[shot.name]) as image:
            assert image.size == (100, 56)
            assert colour_at(image, 0.1, 0.1) == SECONDS[int(shot.time_seconds)]


@pytest.mark.parametrize(("kind", "suffix"), [("webp", "webp"), ("png", "png")])
def test_other_picture_formats(bench: JobBench, samples: Samples, kind: str, suffix: str) -> None:
    done = bench.run(samples.plain(), thumbnail_count=1, poster=True, thumbnail_format=kind)
    assert done.facts.poster.name == f"plain-3-poster.{suffix}"
    with Image.open(done.files[done.facts.poster.name]) as image:
        assert image.size == (320, 180)
        assert (image.format or "").lower() == kind


def test_black_pictures_are_passed_over(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.black_gaps(), thumbnail_count=4)
    assert len(done.facts.thumbnails) == 4
    for shot in done.facts.thumbnails:
        with Image.open(done.files[shot.name]) as image:
            assert image.convert("L").getextrema()[1] > 100, shot


def test_thumbnails_of_a_turned_video_are_upright(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.rotated(90), codec="copy", thumbnail_count=1)
    with Image.open(done.files[done.facts.thumbnails[0].name]) as image:
        assert image.size == (180, 320)
        assert colour_at(image, 0.5, 0.1) == "blue"


def test_thumbnails_have_square_pixels(samples: Samples) -> None:
    with FrameReader(info_of(samples.anamorphic())) as reader:
        picture = reader.key_picture(0.0)
        assert picture is not None
        assert picture.image().size == (320, 180)
        assert picture.image(160).size == (160, 90)
        assert picture.image(5000).size == (320, 180)


def test_a_short_video_has_only_so_many_pictures(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), duration=0.2, thumbnail_count=20, **FAST)
    assert 1 <= len(done.facts.thumbnails) <= 5
    assert len([n for n in done.files if n.startswith("thumbnails/")]) == len(done.facts.thumbnails)
    assert any("thumbnails" in words for words in done.facts.warnings)


def cues(done: Finished) -> list[tuple[float, float, tuple[int, int, int, int]]]:
    text = done.files[done.facts.sprite.webvtt].read_text()
    assert text.startswith("WEBVTT\n\n")
    clock = r"(\d\d):(\d\d):(\d\d\.\d{3})"
    name = re.escape(done.facts.sprite.image)
    found = re.findall(rf"{clock} --> {clock}\n{name}#xywh=(\d+),(\d+),(\d+),(\d+)\n", text)
    return [
        (
            int(c[0]) * 3600 + int(c[1]) * 60 + float(c[2]),
            int(c[3]) * 3600 + int(c[4]) * 60 + float(c[5]),
            (int(c[6]), int(c[7]), int(c[8]), int(c[9])),
        )
        for c in found
    ]


@pytest.mark.parametrize("fields", [{"crf": 30, **FAST}, {}], ids=["encoded", "copied"])
def test_sprite_tiles_match_their_times(bench: JobBench, samples: Samples, fields: dict[str, object]) -> None:
    done = bench.run(samples.colours(), sprite=True, **fields)
    assert (done.facts.encoder is None) == (not fields)
    found = cues(done)
    assert len(found) == done.facts.sprite.tiles == 10
    with Image.open(done.files[done.facts.sprite.image]) as sheet:
        sheet.load()
        assert sheet.size == (1600, 90)
        for number, (begin, end, (x, y, w, h)) in enumerate(found):
            assert begin == pytest.approx(number, abs=0.01)
            assert end == pytest.approx(number + 1, abs=0.01)
            tile = sheet.crop((x, y, x + w, y + h))
            assert colour_at(tile, 0.1, 0.1) == SECONDS[number], number


def test_sprite_of_a_part(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.colours(), sprite=True, start=5, duration=5, **FAST)
    found = cues(done)
    with Image.open(done.files[done.facts.sprite.image]) as sheet:
        sheet.load()
        shown = [colour_at(sheet.crop((x, y, x + w, y + h)), 0.1, 0.1) for _, _, (x, y, w, h) in found]
    assert shown == list(SECONDS[5:])


def test_layout_of_long_and_upright_videos() -> None:
    long = sprite_layout(2 * 3600, (1920, 1080))
    assert (long.tiles, long.columns, long.rows, long.height) == (100, 10, 10, 90)
    assert long.interval == pytest.approx(72)
    upright = sprite_layout(30, (1080, 1920))
    assert upright.height == 284
    assert webvtt(long, "a.jpg").count("-->") == 100
    assert "01:58:48.000 --> 02:00:00.000" in webvtt(long, "a.jpg")
