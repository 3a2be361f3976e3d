"""Which streams are kept, converted or dropped; each with a line in the report."""

from __future__ import annotations

import av
import pytest
from media_checks import info_of, streams_of
from media_samples import Samples
from video_jobs import Finished, JobBench

FAST = {"speed": "ultrafast"}


def actions(done: Finished) -> dict[str, str]:
    return {f"{r.index}:{r.codec}": r.action for r in done.facts.streams}


def test_mp4_keeps_sound_and_text(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.everything())
    assert actions(done) == {
        "0:h264": "copy",
        "1:aac": "copy",
        "2:aac": "copy",
        "3:subrip": "encode",
        "4:ass": "encode",
        "5:hdmv_pgs_subtitle": "drop",
        "6:application/x-truetype-font": "drop",
        "7:png": "drop",
    }
    assert [s.language for s in streams_of(done.video, "audio")] == ["eng", "deu"]
    assert [s.codec for s in streams_of(done.video, "subtitle")] == ["mov_text", "mov_text"]
    assert all(r.reason for r in done.facts.streams)
    info = info_of(done.video)
    assert info.chapters == 2
    assert info.metadata["title"] == "Teaser"


def test_mkv_keeps_all_but_the_cover(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.everything(), output_format="mkv")
    dropped = [r.codec for r in done.facts.streams if r.action == "drop"]
    assert dropped == ["png"]
    assert [s.codec for s in streams_of(done.video, "subtitle")] == ["subrip", "ass", "hdmv_pgs_subtitle"]
    assert len(streams_of(done.video, "attachment")) == 1
    with av.open(str(done.video)) as media:
        text = b"".join(bytes(packet) for packet in media.demux(media.streams.subtitles[0]))
    assert "Grüße & hello".encode() in text


def test_webm_and_avi(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.everything(), output_format="webm", crf=50, **FAST)
    assert [s.codec for s in streams_of(done.video, "subtitle")] == ["webvtt", "webvtt"]
    done = bench.run(samples.everything(), output_format="avi", **FAST)
    assert streams_of(done.video, "subtitle") == []
    assert len(streams_of(done.video, "audio")) == 2


def test_mov_text_becomes_srt_in_mkv(bench: JobBench, samples: Samples) -> None:
    first = bench.run(samples.everything())
    done = bench.run(first.video, output_format="mkv", output_name="again")
    assert [s.codec for s in streams_of(done.video, "subtitle")] == ["subrip", "subrip"]


def test_cover_art_is_dropped_and_the_picture_kept(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.covered())
    assert [r.action for r in done.facts.streams] == ["copy", "copy", "drop"]
    assert "cover art" in done.facts.streams[2].reason
    assert len(streams_of(done.video, "video")) == 1


def test_no_sound(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.silent(), crf=35, **FAST)
    assert streams_of(done.video, "audio") == []
    done = bench.run(samples.plain(), audio_codec="none")
    assert streams_of(done.video, "audio") == []
    assert [r.action for r in done.facts.streams] == ["copy", "drop"]


@pytest.mark.parametrize("fields", [{}, {"loudness": -20}])
def test_tracks_keep_their_names_through_filters(
    bench: JobBench, samples: Samples, fields: dict[str, float]
) -> None:
    done = bench.run(samples.dubbed(), output_format="mkv", audio_codec="aac", **fields)
    tracks = streams_of(done.video, "audio")
    assert [(s.codec, s.language, s.title, s.default) for s in tracks] == [
        ("aac", "eng", None, False),
        ("aac", "fra", "Version française", True),
    ]


@pytest.mark.parametrize(("suffix", "codec"), [("webm", "opus"), ("mp4", "aac")])
def test_three_channels_stay_what_they_are(
    bench: JobBench, samples: Samples, suffix: str, codec: str
) -> None:
    done = bench.run(samples.front_and_centre(), output_format=suffix, audio_codec=codec, crf=40, **FAST)
    (track,) = streams_of(done.video, "audio")
    assert track.audio is not None
    assert (track.codec, track.audio.layout) == (codec, "3.0")


def test_a_bit_rate_that_no_encoder_takes_is_brought_into_range(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), output_format="webm", audio_bitrate=1_000_000, crf=50, **FAST)
    assert done.facts.streams[1].to == "Opus, mono, 256 kb/s"


def test_trim_moves_subtitles_along(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.everything(), output_format="mkv", start=0.4, **FAST)
    with av.open(str(done.video)) as media:
        stream = media.streams.subtitles[0]
        begin = next(p.pts * p.time_base for p in media.demux(stream) if p.size)
    assert float(begin) == pytest.approx(0.1, abs=0.05)


def test_loudness_in_two_passes(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.quiet_and_silent(), loudness=-16)
    first, second = done.facts.loudness
    assert first.measured_lufs < -30
    assert second.measured_lufs is None
    again = bench.run(done.video, loudness=-16, output_name="again")
    assert again.facts.loudness[0].measured_lufs == pytest.approx(-16, abs=1.0)
    # A constant picture was not worth encoding again.
    assert done.facts.streams[0].action == "copy"
