"""Streams that begin later than their file: what is made of them stays in time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from media_checks import info_of
from media_samples import Samples, ffmpeg
from video_jobs import JobBench

Make = Callable[..., Any]


def onset(path: Path) -> float:
    """When the tone begins, in seconds from the begin of the file."""
    with av.open(str(path)) as media:
        stream = media.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=8000)
        for frame in media.decode(stream):
            for part in resampler.resample(frame):
                samples = memoryview(bytes(part.planes[0])).cast("f")[: part.samples]
                loud = next((n for n, each in enumerate(samples) if abs(each) > 0.02), None)
                if loud is not None:
                    return float(frame.pts * frame.time_base) + loud / 8000
    raise AssertionError("there is no sound")


@pytest.mark.parametrize("preset", ["audio-podcast", "audio-archive"])
def test_sound_alone_keeps_the_silence_before_it(make: Make, samples: Samples, preset: str) -> None:
    (path,) = make(samples.late("sound"), preset).files.values()
    assert info_of(path).duration_seconds == pytest.approx(3, abs=0.1)
    assert onset(path) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", ["sound", "picture"])
def test_a_ladder_starts_everything_at_once(make: Make, samples: Samples, kind: str) -> None:
    done = make(samples.late(kind), "hls-ladder")
    stem = f"late-{kind}-1.0-hls-ladder"
    for name in ("180p", "audio-0"):
        info = info_of(done.files[f"{stem}/{name}.mp4"])
        assert info.duration_seconds == pytest.approx(3, abs=0.1), name
    assert onset(done.files[f"{stem}/audio-0.mp4"]) == pytest.approx(1 if kind == "sound" else 0, abs=0.1)


def test_the_peaks_of_late_sound(make: Make, samples: Samples) -> None:
    done = make(samples.late("sound"), "waveform")
    peaks = json.loads(done.files["late-sound-1.0-waveform.json"].read_text())
    assert peaks["length"] == pytest.approx(60, abs=2)
    assert max(map(abs, peaks["data"][:36])) == 0


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_a_part_that_begins_before_the_picture_keeps_its_sound(
    make: Make, samples: Samples, suffix: str
) -> None:
    source = samples.folder / f"picture-after-two{suffix}"
    if not source.exists():
        late = samples.late("picture", 2.0)
        ffmpeg("-copyts", "-i", late, "-c:v", "copy", "-c:a", "aac", source)
    done = make(source, "web-optimized", "audio-archive", "hls-ladder", "waveform", start=0.5, duration=2)
    stem = source.stem
    for name in (f"{stem}-web-optimized.mp4", f"{stem}-audio-archive.flac", f"{stem}-hls-ladder/audio-0.mp4"):
        info = info_of(done.files[name])
        (sound,) = info.of_kind("audio")
        assert sound.duration_seconds == pytest.approx(2, abs=0.1), name
        assert onset(done.files[name]) == pytest.approx(0, abs=0.05), name
    (picture,) = info_of(done.files[f"{stem}-web-optimized.mp4"]).of_kind("video")
    assert picture.start_seconds == pytest.approx(1.5, abs=0.1)
    assert picture.duration_seconds == pytest.approx(0.5, abs=0.1)
    # A ladder's renditions all begin at once.
    assert info_of(done.files[f"{stem}-hls-ladder/180p.mp4"]).duration_seconds == pytest.approx(2, abs=0.1)
    peaks = json.loads(done.files[f"{stem}-waveform.json"].read_text())
    assert peaks["length"] == pytest.approx(40, abs=2)
    assert min(peaks["data"][1:-2:2]) > 0


def test_a_picture_that_begins_in_the_part_is_shown_for_the_rest_of_it(
    samples: Samples, tmp_path: Path
) -> None:
    source = tmp_path / "long.mkv"
    late = ("-itsoffset", "1", "-f", "lavfi", "-i", "testsrc2=s=320x180:d=6")
    ffmpeg(*late, "-f", "lavfi", "-i", "sine=d=7", "-c:v", "libx264", "-c:a", "aac", source)
    done = JobBench(tmp_path).run(source, start=0.2, duration=3, speed="ultrafast", codec="h264")
    picture, sound = info_of(done.video).streams
    assert picture.start_seconds == pytest.approx(0.8, abs=0.1)
    assert picture.duration_seconds == pytest.approx(2.2, abs=0.1)
    assert sound.duration_seconds == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("processor", ["media", "video"])
def test_a_part_ends_for_all_streams_at_the_same_time(
    bench: JobBench, samples: Samples, tmp_path: Path, processor: str
) -> None:
    if processor == "video":
        bench = JobBench(tmp_path)
        done = bench.run(samples.late("sound", 0.5), duration=1.5, speed="ultrafast")
    else:
        done = bench.run(samples.late("sound", 0.5), duration=1.5, generate_thumbnails=False)
    path = next(path for name, path in done.files.items() if name.endswith(".mp4"))
    (sound,) = info_of(path).of_kind("audio")
    assert sound.start_seconds is not None
    assert sound.duration_seconds is not None
    assert sound.start_seconds + sound.duration_seconds == pytest.approx(1.5, abs=0.1)
    assert onset(path) == pytest.approx(0.5, abs=0.1)


def test_a_track_with_nothing_in_the_part_is_dropped(make: Make, samples: Samples) -> None:
    done = make(samples.late("sound"), "web-optimized", duration=0.8)
    assert done.facts.presets[0].streams[1].reason == "nothing of it lies in the part to keep"


def test_an_animation_ends_with_the_picture(make: Make, samples: Samples) -> None:
    changes = {"animation": {"seconds": 1, "fps": 5, "width": 64}}
    assert len(make(samples.short_picture(), "preview-gif-webp", overrides=changes).files) == 2


def test_loudness_of_a_part_of_a_transport_stream(make: Make, samples: Samples) -> None:
    done = make(samples.loud_then_quiet(), "audio-podcast", "waveform", start=3, duration=2)
    (loudness,) = done.facts.presets[0].loudness
    assert loudness.before_lufs < -25
    assert loudness.after_lufs == pytest.approx(-16, abs=0.6)
    peaks = json.loads(done.files["loud-then-quiet-waveform.json"].read_text())
    assert peaks["length"] == pytest.approx(40, abs=2)
    assert max(peaks["data"]) < 20
