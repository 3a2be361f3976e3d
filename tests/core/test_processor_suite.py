"""The conformance suite: run on processors that behave, and on some that do not."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_samples import Samples

from pitchey_core.testing import ProcessorSuite


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Videos, each generated when it is first asked for."""
    return Samples(tmp_path_factory.mktemp("clips"))


class TestEcho(ProcessorSuite):
    """A quick processor with an output."""

    processor = "test-echo"
    payload = {"text": "Grüße", "repeat": 3, "style": "quoted"}
    bad_payloads = (
        {"repeat": 0},
        {"repeat": "many"},
        {"style": "plian"},
        {"scale": float("inf")},
        {"name": "../outside.txt"},
        {"name": "manifest.json"},
        {"text": ["a", "list"]},
    )


class TestCopy(ProcessorSuite):
    """One with an input, which can be slow."""

    processor = "test-copy"

    @pytest.fixture
    def payload(self, tmp_path: Path) -> dict[str, object]:
        source = tmp_path / "source with 'quotes'.bin"
        source.write_bytes(b"x" * 1000)
        return {"input_url": str(source)}

    @pytest.fixture
    def slow_payload(self, payload: dict[str, object]) -> dict[str, object]:
        return {**payload, "seconds": 20}

    @pytest.fixture
    def bad_payloads(self, tmp_path: Path) -> list[dict[str, object]]:
        bad = tmp_path / "bad.bin"
        bad.write_bytes(b"BAD")
        return [{"input_url": str(bad)}, {"input_url": "nosuch://host/file"}]


class TestProgram(ProcessorSuite):
    """One that runs an external program and has no output."""

    processor = "test-child"
    payload = {"seconds": 0.1}
    slow_payload = {"seconds": 20}


class TestCoroutine(ProcessorSuite):
    """An ``async def``."""

    processor = "test-async"
    payload = {"seconds": 0.01}


class TestBatch(ProcessorSuite):
    """One that takes batches, given a single job."""

    processor = "test-batch"
    payload = {"value": 7}
    bad_payloads = ({"value": 1, "fail": True},)


@pytest.mark.slow
class TestVideo(ProcessorSuite):
    """A real one."""

    processor = "video"
    interrupt_after = 0.8

    @pytest.fixture
    def payload(self, clips: Samples) -> dict[str, object]:
        return {"input_url": str(clips.plain(1)), "quality": "480p", "thumbnail_count": 2, "sprite": True}

    @pytest.fixture
    def slow_payload(self, clips: Samples) -> dict[str, object]:
        clip = clips.plain(60)
        return {"input_url": str(clip), "codec": "hevc", "speed": "veryslow", "thumbnail_count": 2}

    @pytest.fixture
    def bad_payloads(self, clips: Samples, tmp_path: Path) -> list[dict[str, object]]:
        text = tmp_path / "text.mp4"
        text.write_text("not a video")
        return [
            {"input_url": str(clips.plain(1)), "quality": "721p"},
            {"input_url": str(clips.plain(1)), "crf": 20, "video_bitrate": 1_000_000},
            {"input_url": str(clips.plain(1)), "thumbnail_count": 101},
            {"input_url": str(clips.sound_only())},
            {"input_url": str(clips.no_index())},
            {"input_url": str(text)},
        ]
