"""A ladder as a player sees it: playlists that hold, segments that stand alone, the same cuts in every rendition."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from media_samples import Samples, ffmpeg
from media_surgery import pgs_subtitles

from pitchey_core.errors import InputError
from pitchey_core.ffmpeg.media import StreamInfo, VideoInfo
from pitchey_media.outputs.hls import pruned
from pitchey_media.outputs.playlists import Segment, read_segments
from pitchey_media.schema import Rung

Make = Callable[..., Any]
RUNGS = [Rung(size=size, max_bitrate=1_000_000) for size in ("1080p", "720p", "480p", "360p")]


@pytest.fixture(scope="session")
def source(samples: Samples) -> Path:
    """Fourteen seconds of 1280x720 at a variable rate, with two tracks of sound."""
    out = samples.folder / "series.mkv"
    if not out.exists():
        ffmpeg(
            *("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=14", "-f", "lavfi", "-i", "sine=d=14"),
            *("-f", "lavfi", "-i", "sine=f=880:d=14", "-map", "0", "-map", "1", "-map", "2"),
            *("-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast"),
            *("-c:a", "aac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=deu"),
            *("-metadata:s:a:1", 'title=Ein "Titel"', "-disposition:a:1", "default", "-disposition:a:0", "0", out),
        )  # fmt: skip
    return out


@pytest.fixture
def ladder(make: Make, source: Path) -> Path:
    done = make(source, "hls-ladder")
    (master,) = (path for name, path in done.files.items() if name.endswith("master.m3u8"))
    return Path(master.parent)


def attributes(line: str) -> dict[str, str]:
    found = re.findall(r'([A-Z-]+)=("[^"]*"|[^,]*)', line.partition(":")[2])
    return {key: value.strip('"') for key, value in found}


def segments_of(playlist: Path) -> list[Segment]:
    return read_segments(playlist.read_text())


def decoded(data: bytes) -> list[Any]:
    with av.open(io.BytesIO(data), format="mov") as media:
        return list(media.decode(media.streams[0]))


def test_the_master_playlist_says_what_is_there(ladder: Path) -> None:
    lines = (ladder / "master.m3u8").read_text().splitlines()
    assert lines[:3] == ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    sounds = [attributes(line) for line in lines if line.startswith("#EXT-X-MEDIA:")]
    assert [(each["NAME"], each["LANGUAGE"], each["DEFAULT"]) for each in sounds] == [
        ("eng", "en", "NO"),
        ("Ein Titel", "de", "YES"),
    ]
    variants = [
        (attributes(line), lines[n + 1])
        for n, line in enumerate(lines)
        if line.startswith("#EXT-X-STREAM-INF:")
    ]
    assert [each["RESOLUTION"] for each, _ in variants] == ["1280x720", "854x480", "640x360"]
    rates = [int(each["BANDWIDTH"]) for each, _ in variants]
    assert rates == sorted(rates, reverse=True)
    loudest = max(
        each.bytes * 8 / each.seconds for sound in sounds for each in segments_of(ladder / sound["URI"])
    )
    for each, uri in variants:
        peak = max(part.bytes * 8 / part.seconds for part in segments_of(ladder / uri))
        assert int(each["BANDWIDTH"]) == pytest.approx(peak + loudest, rel=0.001)
        assert int(each["AVERAGE-BANDWIDTH"]) <= int(each["BANDWIDTH"])
        with av.open(str(ladder / uri.replace("m3u8", "mp4"))) as media:
            record = media.streams.video[0].codec_context.extradata
        assert record is not None
        assert each["CODECS"] == f"avc1.{record[1:4].hex()},mp4a.40.2"


@pytest.mark.parametrize("name", ["720p", "480p", "360p", "audio-0", "audio-1"])
def test_a_media_playlist_covers_its_file(ladder: Path, name: str) -> None:
    text = (ladder / f"{name}.m3u8").read_text()
    lines = text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[-1] == "#EXT-X-ENDLIST"
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in lines
    target = int(re.search(r"#EXT-X-TARGETDURATION:(\d+)", text)[1])  # type: ignore[index]
    uri, head = re.search(r'#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@0"', text).groups()  # type: ignore[union-attr]
    assert uri == f"{name}.mp4"
    assert {line for line in lines if line.endswith(".mp4")} == {uri}
    parts, end = segments_of(ladder / f"{name}.m3u8"), int(head)
    for part in parts:
        assert part.offset == end
        assert round(part.seconds) <= target
        end += part.bytes
    # What follows is an index of fragments, which players do not need.
    assert end <= (ladder / uri).stat().st_size
    assert sum(part.seconds for part in parts) == pytest.approx(14, abs=0.1)


def test_every_segment_can_be_decoded_alone_and_starts_at_the_same_time(ladder: Path) -> None:
    starts: dict[str, list[float]] = {}
    for name in ("720p", "480p", "360p"):
        data = (ladder / f"{name}.mp4").read_bytes()
        parts = segments_of(ladder / f"{name}.m3u8")
        head = data[: parts[0].offset]
        for part in parts:
            frames = decoded(head + data[part.offset : part.offset + part.bytes])
            assert frames[0].key_frame
            assert not any(frame.is_corrupt for frame in frames)
            starts.setdefault(name, []).append(round(frames[0].time, 2))
            span = frames[-1].time - frames[0].time
            assert span == pytest.approx(part.seconds, abs=0.1)
    assert starts["720p"] == starts["480p"] == starts["360p"]
    assert starts["720p"] == pytest.approx([0, 6, 12], abs=0.08)


def test_key_frames_are_at_the_same_times_in_all(ladder: Path) -> None:
    times = []
    for name in ("720p", "480p", "360p"):
        with av.open(str(ladder / f"{name}.mp4")) as media:
            stream = media.streams.video[0]
            times.append(
                [round(float(p.pts * stream.time_base), 3) for p in media.demux(stream) if p.is_keyframe]
            )
    assert times[0] == times[1] == times[2]
    assert len(times[0]) == 7


def test_names_that_ffmpeg_would_take_for_patterns(make: Make, samples: Samples) -> None:
    done = make(samples.plain(), "hls-ladder", output_name="100%d %v: - é")
    assert "100-d-v-é-hls-ladder/master.m3u8" in done.files


def test_an_output_folder_that_ffmpeg_would_take_for_a_pattern(
    make: Make, samples: Samples, tmp_path: Path
) -> None:
    done = make(samples.plain(), "hls-ladder", output=tmp_path / "%v %d 100%")
    assert segments_of(done.files["plain-3-hls-ladder/180p.m3u8"])


@pytest.fixture
def subtitled(samples: Samples) -> Path:
    """Four seconds with three tracks of text in three formats, the second for signs only, and one of pictures."""
    out = samples.folder / "subtitled.mkv"
    if not out.exists():
        full, signs, pictures = (
            samples.folder / f"subtitled-{n}" for n in ("full.srt", "signs.ass", "all.sup")
        )
        full.write_text(
            "1\n00:00:00,500 --> 00:00:01,500\nR&B <3 <i>Grüße</i>\n\n"
            "2\n00:00:03,000 --> 00:00:09,000\nuntil the end\n\n3\n00:00:05,000 --> 00:00:06,000\nnever\n"
        )
        ffmpeg("-i", full, signs)
        pictures.write_bytes(pgs_subtitles(0.5, 1.5))
        ffmpeg(
            *("-i", samples.plain(4), "-i", full, "-i", signs, "-i", full, "-i", pictures),
            *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4", "-c", "copy", "-c:s:2", "webvtt"),
            *("-metadata:s:s:0", "language=ger", "-metadata:s:s:1", "language=eng", "-metadata:s:s:1", "title=Signs"),
            *("-disposition:s:0", "default", "-disposition:s:1", "forced", out),
        )  # fmt: skip
    return out


def cues_of(text: str) -> list[tuple[float, float, str]]:
    """Begin, end and words of each cue."""

    def seconds(clock: str) -> float:
        return sum(float(part) * 60**place for place, part in enumerate(reversed(clock.split(":"))))

    return [(seconds(a), seconds(b), words) for a, b, words in re.findall(r"(\S+) --> (\S+)\n(.+)", text)]


def test_text_subtitles_become_webvtt(make: Make, subtitled: Path) -> None:
    done = make(subtitled, "hls-ladder")
    folder = done.files["subtitled-hls-ladder/master.m3u8"].parent
    lines = (folder / "master.m3u8").read_text().splitlines()
    texts = [attributes(line) for line in lines if "TYPE=SUBTITLES" in line]
    assert [{key: value for key, value in each.items() if key not in {"TYPE", "GROUP-ID"}} for each in texts] == [
        {"NAME": "ger", "LANGUAGE": "de", "DEFAULT": "YES", "AUTOSELECT": "YES", "URI": "subtitles-0.m3u8"},
        {
            "NAME": "Signs", "LANGUAGE": "en", "DEFAULT": "NO", "AUTOSELECT": "YES", "FORCED": "YES",
            "URI": "subtitles-1.m3u8",
        },
        {"NAME": "subtitles", "DEFAULT": "NO", "AUTOSELECT": "YES", "URI": "subtitles-2.m3u8"},
    ]  # fmt: skip
    variants = [attributes(line) for line in lines if line.startswith("#EXT-X-STREAM-INF:")]
    assert {each["SUBTITLES"] for each in variants} == {each["GROUP-ID"] for each in texts}
    for each in texts:
        playlist = (folder / each["URI"]).read_text()
        assert playlist.startswith("#EXTM3U\n")
        assert playlist.endswith("#EXT-X-ENDLIST\n")
        (length, uri) = re.findall(r"#EXTINF:([\d.]+),\n(.+)", playlist)[0]
        assert float(length) == pytest.approx(4, abs=0.1)
        assert round(float(length)) <= int(re.findall(r"TARGETDURATION:(\d+)", playlist)[0])
        text = (folder / uri).read_text()
        assert text.startswith("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n")
        first, *others = cues_of(text)
        assert first[:2] == pytest.approx((0.5, 1.5), abs=0.05)
        assert first[2].startswith("R&amp;B &lt;3 ")
        assert "Grüße" in first[2]
        # It ends with the film, and what comes behind it is left out.
        assert [words for *_, words in others] == ["until the end"]
        assert others[0][:2] == pytest.approx((3, 4), abs=0.05)
    reports = {each.index: each for each in done.facts.presets[0].streams}
    assert [reports[n].action for n in range(6)] == ["encode", "copy", "encode", "encode", "copy", "drop"]
    assert reports[5].reason == "WebVTT holds no picture subtitles; mkv keeps them"


def test_subtitles_of_a_part(make: Make, subtitled: Path) -> None:
    done = make(subtitled, "hls-ladder", start=2, duration=1.5)
    text = done.files["subtitled-hls-ladder/subtitles-0.vtt"].read_text()
    ((begin, end, words),) = cues_of(text)
    assert (begin, end) == pytest.approx((1, 1.5), abs=0.05)
    assert words == "until the end"


def test_a_ladder_without_subtitles(make: Make, subtitled: Path) -> None:
    done = make(subtitled, "hls-ladder", overrides={"subtitles": False})
    assert "SUBTITLES" not in done.files["subtitled-hls-ladder/master.m3u8"].read_text()
    assert {each.reason for each in done.facts.presets[0].streams if each.kind == "subtitle"} == {
        "this output keeps no subtitles"
    }


def main(width: int, height: int, rotation: int = 0) -> StreamInfo:
    return StreamInfo(0, "video", "h264", video=VideoInfo(width, height, rotation=rotation))


@pytest.mark.parametrize(
    ("source", "sizes"),
    [
        (main(3840, 2160), [(1920, 1080), (1280, 720), (854, 480), (640, 360)]),
        (main(1280, 720), [(1280, 720), (854, 480), (640, 360)]),
        (main(1600, 900), [(1600, 900), (1280, 720), (854, 480), (640, 360)]),
        (main(320, 180), [(320, 180)]),
        (main(1920, 1080, rotation=90), [(1080, 1920), (720, 1280), (480, 854), (360, 640)]),
        (main(1920, 800), [(1920, 800), (1280, 534), (854, 356), (640, 266)]),
    ],
)
def test_rungs_are_pruned_to_the_source(source: StreamInfo, sizes: list[tuple[int, int]]) -> None:
    assert [size for size, _ in pruned(source, RUNGS)] == sizes


def test_sound_alone_makes_no_ladder(make: Make, samples: Samples) -> None:
    with pytest.raises(InputError, match="a ladder is made of one"):
        make(samples.sound_only(), "hls-ladder")


@pytest.mark.parametrize(
    ("family", "why"),
    [
        ("videotoolbox", "key frames to the times asked for"),
        ("qsv", "constant quality below a highest bit rate"),
    ],
)
def test_hardware_that_cannot_hold_a_ladder_is_left_alone(
    make: Make, samples: Samples, monkeypatch: pytest.MonkeyPatch, family: str, why: str
) -> None:
    import pitchey_core.ffmpeg.hardware as module

    real = module.build_of
    tried = []
    monkeypatch.setattr(
        module,
        "build_of",
        lambda path: replace(real(path), encoders=real(path).encoders | {f"h264_{family}"}),
    )
    monkeypatch.setattr(module, "_trial", lambda *found: tried.append(found))
    done = make(samples.plain(), "hls-ladder", hardware=family)
    picture = done.facts.presets[0].outputs[0]
    assert picture.encoder.name == "libx264"
    assert why in picture.encoder.fallback_reason
    assert tried == []
