"""Right by default: what comes out is upright, square, even, progressive, 8-bit SDR, and in sync."""

from __future__ import annotations

from typing import Any

import av
import pytest
from media_checks import colour_at, frame_times, info_of, picture_of, streams_of, video_of
from media_samples import Samples
from PIL import Image
from video_jobs import Finished, JobBench

from pitchey_core.errors import UsageError

FAST = {"speed": "ultrafast"}


def report_of(done: Finished, index: int = 0) -> Any:
    return done.facts.streams[index]


def test_what_fits_is_copied(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain())
    assert [r.action for r in done.facts.streams] == ["copy", "copy"]
    assert done.facts.encoder is None
    assert [s.codec for s in done_streams(done)] == ["h264", "aac"]
    assert frame_times(done.video) == frame_times(samples.plain())
    assert done.facts.verification.packets[0] == 75


def done_streams(done: Finished) -> list[Any]:
    return [*streams_of(done.video, "video"), *streams_of(done.video, "audio")]


@pytest.mark.parametrize(("degrees", "top"), [(90, "blue"), (270, "red")])
def test_rotation_is_applied(bench: JobBench, samples: Samples, degrees: int, top: str) -> None:
    done = bench.run(samples.rotated(degrees), **FAST)
    video = video_of(done.video)
    assert (video.width, video.height, video.rotation) == (180, 320, 0)
    assert colour_at(picture_of(done.video), 0.5, 0.1) == top
    assert "turned" in report_of(done).to
    assert (done.facts.input.width, done.facts.input.height) == (180, 320)


def test_half_turn(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.rotated(180), **FAST)
    assert colour_at(picture_of(done.video), 0.1, 0.5) == "blue"
    assert video_of(done.video).upright


def test_odd_sizes_lose_their_last_row(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.odd(), **FAST)
    video = video_of(done.video)
    assert (video.width, video.height, video.pixel_format) == (320, 180, "yuv420p")


def test_one_pixel_becomes_the_smallest_picture(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.tiny(), **FAST)
    video = video_of(done.video)
    assert (video.width, video.height) == (2, 2)
    assert colour_at(picture_of(done.video), 0.5, 0.5) == "red"


def test_pixels_become_square(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.anamorphic(), **FAST)
    video = video_of(done.video)
    assert (video.width, video.height, video.square) == (320, 180, True)


def test_never_enlarged_and_made_smaller_to_fit(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), quality="2160p", crf=30, **FAST)
    assert video_of(done.video).width == 320


def test_variable_rate_keeps_every_time(bench: JobBench, samples: Samples) -> None:
    source = samples.variable_rate()
    done = bench.run(source, crf=30, **FAST)
    before, after = frame_times(source), frame_times(done.video)
    assert len(after) == len(before)
    assert max(abs(a - b) for a, b in zip(before, after, strict=True)) < 0.002
    assert done.facts.input.variable_rate


def test_variable_rate_becomes_even_in_avi(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.variable_rate(), output_format="avi", **FAST)
    times = frame_times(done.video)
    assert len(times) == pytest.approx(75, abs=3)
    assert done.facts.encoder.frames_duplicated > 20


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_tone_mapped(bench: JobBench, samples: Samples, transfer: str) -> None:
    done = bench.run(samples.hdr(transfer), **FAST)
    video = video_of(done.video)
    assert video.hdr is None
    assert (video.pixel_format, video.bit_depth) == ("yuv420p", 8)
    assert "tone-mapped" in report_of(done).to
    assert done.facts.input.hdr == {"smpte2084": "pq", "arib-std-b67": "hlg"}[transfer]


def test_hdr_without_the_filters_is_reported(
    bench: JobBench, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pitchey_core.ffmpeg.tool import Build

    monkeypatch.setattr(Build, "has_filters", lambda self, *names: False)
    done = bench.run(samples.hdr("smpte2084"), **FAST)
    assert "not tone-mapped" in " ".join(done.facts.warnings)


def test_interlaced_is_deinterlaced(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.interlaced(), **FAST)
    assert done.facts.input.interlaced
    assert not video_of(done.video).interlaced
    assert "deinterlaced" in report_of(done).to
    assert len(frame_times(done.video)) == pytest.approx(25, abs=1)


def test_ten_bit_422_becomes_plain(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.ten_bit(), **FAST)
    assert video_of(done.video).pixel_format == "yuv420p"
    assert "10 to 8 bit" in report_of(done).to


def test_transparency_lies_over_black(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.transparent(), **FAST)
    image = picture_of(done.video)
    assert colour_at(image, 0.25, 0.5) == "red"
    assert colour_at(image, 0.75, 0.5) == "black"


def test_gif(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.gif(), **FAST)
    assert len(frame_times(done.video)) == 20
    assert done.facts.output.duration_seconds == pytest.approx(2.0, abs=0.11)


def test_trim_is_exact(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.colours(), start=2.5, duration=3.0, **FAST)
    assert done.facts.output.duration_seconds == pytest.approx(3.0, abs=0.05)
    # Seconds 2, 3, 4 and 5 are blue, yellow, magenta and cyan.
    found = [colour_at(picture_of(done.video, t), 0.1, 0.1) for t in (0.1, 0.7, 1.7, 2.7)]
    assert found == ["blue", "yellow", "magenta", "cyan"]


def test_frame_rate_cap(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), max_fps=10, **FAST)
    assert len(frame_times(done.video)) == pytest.approx(30, abs=1)
    kept = bench.run(samples.plain(), max_fps=60)
    assert kept.facts.streams[0].action == "copy"


@pytest.mark.parametrize(
    ("output_format", "codec", "sound"),
    [
        ("mp4", "h264", "aac"),
        ("mov", "h264", "aac"),
        ("mkv", "h264", "aac"),
        ("webm", "vp9", "opus"),
        ("avi", "h264", "mp3"),
    ],
)
def test_each_format_has_its_codecs(
    bench: JobBench, samples: Samples, output_format: str, codec: str, sound: str
) -> None:
    done = bench.run(samples.surround(), output_format=output_format, crf=40, audio_bitrate=128_000, **FAST)
    assert done.video.suffix == f".{output_format}"
    assert [s.codec for s in done_streams(done)] == [codec, sound]
    assert done.facts.output.duration_seconds == pytest.approx(1.0, abs=0.15)
    channels = streams_of(done.video, "audio")[0].audio
    assert channels is not None
    assert channels.channels == (2 if output_format == "avi" else 6)


@pytest.mark.parametrize("codec", ["hevc", "av1", "vp9"])
def test_other_codecs_in_mp4(bench: JobBench, samples: Samples, codec: str) -> None:
    done = bench.run(samples.silent(), codec=codec, duration=0.5, **FAST)
    assert done_streams(done)[0].codec == codec


def test_average_bit_rate(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), video_bitrate=200_000, **FAST)
    rate = done_streams(done)[0].bit_rate
    assert rate is not None
    assert 100_000 < rate < 320_000


def test_remux_between_containers(bench: JobBench, samples: Samples) -> None:
    for output_format in ("mov", "mkv"):
        done = bench.run(samples.plain(), output_format=output_format)
        assert {r.action for r in done.facts.streams} == {"copy"}
    done = bench.run(samples.webm(), output_format="webm")
    assert {r.action for r in done.facts.streams} == {"copy"}


def test_forced_copy_starts_at_a_key_frame(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), codec="copy", audio_codec="copy", start=1.2, duration=1.0)
    assert done.facts.streams[0].action == "copy"
    assert any("key frame" in words for words in done.facts.warnings)


@pytest.mark.parametrize("suffix", ["ts", "mpg", "mp4"])
def test_a_cut_starts_where_it_was_asked_to(bench: JobBench, samples: Samples, suffix: str) -> None:
    source = samples.colours(20) if suffix == "mp4" else samples.long_gop_stream(suffix)
    done = bench.run(source, start=3.0, duration=4.0, sprite=True, crf=30, **FAST)
    assert info_of(done.video).duration_seconds == pytest.approx(4.0, abs=0.2)
    seen = [colour_at(picture_of(done.video, second + 0.5), 0.1, 0.1) for second in range(4)]
    assert seen == ["yellow", "magenta", "cyan", "white"]
    with Image.open(done.files[done.facts.sprite.image]) as sheet:
        assert colour_at(sheet, 0.02, 0.1) == "yellow"


def test_a_start_behind_the_last_picture(bench: JobBench, samples: Samples) -> None:
    with pytest.raises(UsageError, match="lies behind the end"):
        bench.run(samples.short_picture(), start=1.5)


def test_raw_h264_with_delimiters(bench: JobBench, samples: Samples) -> None:
    assert video_of(bench.run(samples.raw_h264(), **FAST).video).width == 320


def test_the_range_of_jpeg_becomes_that_of_video(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.motion_jpeg(), **FAST)
    assert video_of(done.video).pixel_format == "yuv420p"
    with av.open(str(done.video)) as media:
        frame = next(media.decode(video=0))
    assert bytes(frame.planes[0])[:4] == bytes([235] * 4)
