"""The conformance suite, and what only this processor does."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

import pitchey_core
from pitchey_core.testing import ProcessorSuite
from pitchey_core.tools import ToolTable


@pytest.fixture(scope="session")
def make_clip(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes black videos with a tone."""
    folder = tmp_path_factory.mktemp("clips")
    ffmpeg = ToolTable(pitchey_core.Registry.load().tools).path("ffmpeg")

    def make(seconds: float, size: str = "320x180", audio: str = "aac", suffix: str = "mp4") -> Path:
        path = folder / f"{seconds}-{size}-{audio}.{suffix}"
        if not path.exists():
            source = ["-f", "lavfi", "-i", f"color=black:s={size}:r=25", "-f", "lavfi", "-i", "sine"]
            codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", audio]
            subprocess.run(
                [ffmpeg, "-v", "error", "-y", *source, "-t", str(seconds), *codecs, path],
                check=True,
                timeout=60,
            )
        return path

    return make


class TestWatermark(ProcessorSuite):
    """Everything that any processor promises."""

    processor = "watermark"

    @pytest.fixture
    def payload(self, make_clip: Any) -> dict[str, Any]:
        return {"input_url": str(make_clip(1)), "text": "DRAFT"}

    @pytest.fixture
    def slow_payload(self, make_clip: Any) -> dict[str, Any]:
        return {"input_url": str(make_clip(900, "640x360")), "text": "DRAFT"}

    @pytest.fixture
    def bad_payloads(self, make_clip: Any, tmp_path: Path) -> list[dict[str, Any]]:
        clip = str(make_clip(1))
        broken = tmp_path / "logo.png"
        broken.write_bytes(b"not a picture")
        return [
            {"input_url": clip},
            {"input_url": clip, "text": "x", "image": clip},
            {"input_url": clip, "text": "   "},
            {"input_url": clip, "text": "x", "opacity": 0},
            {"input_url": clip, "text": "x", "position": "middle"},
            {"input_url": clip, "image": str(broken)},
            {"input_url": str(broken), "text": "x"},
        ]


def _brightness(video: Path) -> Image.Image:
    with av.open(str(video)) as media:
        return next(media.decode(video=0)).to_image().convert("L")


@pytest.mark.parametrize("position", ["top-left", "bottom-right", "center"])
def test_the_stamp_is_where_it_should_be_and_nowhere_else(
    make_clip: Any, tmp_path: Path, position: str
) -> None:
    result = pitchey_core.run(
        "watermark", input_url=make_clip(1), text="DRAFT", position=position, opacity=1, output=tmp_path
    )
    facts = result.facts
    picture = _brightness(tmp_path / result.artifacts[0].name)
    box = (facts.left, facts.top, facts.left + facts.stamp_width, facts.top + facts.stamp_height)
    assert picture.crop(box).getextrema()[1] > 180
    picture.paste(0, box)
    assert picture.getextrema()[1] < 40
    assert facts.audio == "copied"


def test_a_picture_can_be_the_stamp(make_clip: Any, tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), "white").save(tmp_path / "logo.png")
    half = pitchey_core.run(
        "watermark",
        input_url=make_clip(1),
        image=tmp_path / "logo.png",
        size=0.5,
        opacity=0.5,
        position="center",
        output=tmp_path / "out",
    )
    assert (half.facts.stamp_width, half.facts.stamp_height) == (160, 80)
    middle = _brightness(tmp_path / "out" / half.artifacts[0].name).getpixel((160, 90))
    assert isinstance(middle, int | float)
    assert 100 < middle < 155


def test_what_looks_like_a_filter_is_only_text(make_clip: Any, tmp_path: Path) -> None:
    text = "':x=0,movie=/etc/passwd[a];%{pts}\\"
    result = pitchey_core.run("watermark", input_url=make_clip(1), text=text, output=tmp_path)
    assert result.status == "completed"


def test_sound_that_mp4_cannot_hold_is_encoded(make_clip: Any, tmp_path: Path) -> None:
    clip = make_clip(1, audio="pcm_s16le", suffix="mkv")
    result = pitchey_core.run("watermark", input_url=clip, text="x", output=tmp_path)
    assert result.facts.audio == "encoded"


def test_the_plan_says_what_would_be_done(make_clip: Any) -> None:
    plan = pitchey_core.plan("watermark", input_url=make_clip(1), text="x")
    assert [step.action for step in plan.steps] == ["encode", "copy"]
    assert plan.cost_usd is not None
