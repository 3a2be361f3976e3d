"""Inputs that cannot work: a typed error that names the input, and nothing left behind."""

from __future__ import annotations

import http.server
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import pytest
from media_checks import colour_at, picture_of
from media_samples import Samples, ffmpeg
from video_jobs import JobBench

from pitchey_core.errors import InputError, LimitExceeded, OutputExists, UsageError

FAST = {"speed": "ultrafast"}


def left_over(bench: JobBench) -> list[Path]:
    """Files below the bench that a failed job has left."""
    return [path for path in bench.root.rglob("*") if path.is_file() and "out-" in str(path)]


@pytest.fixture
def knocks() -> Iterator[tuple[str, list[str]]]:
    """URL of a server that nobody should call, and the calls."""
    calls: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(404)

        def log_message(self, *_args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", calls
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"Dear producer,\nplease find attached\n", "not a media file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "still picture"),
        (b"%PDF-1.7\n", "PDF"),
        (bytes(4096), "not a media file"),
        (b"\x1a\x45\xdf\xa3" + b"garbage" * 64, "cannot be read"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "moov"),
    ],
)
def test_what_is_no_video(bench: JobBench, tmp_path: Path, content: bytes, words: str) -> None:
    source = tmp_path / "holiday.mp4"
    source.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        bench.run(source)
    assert "holiday.mp4" in caught.value.message
    assert caught.value.remedy
    assert not caught.value.retryable
    assert left_over(bench) == []


@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/part.ts\n#EXT-X-ENDLIST\n",
        "  #EXTM3U\n#EXTINF:1,\n{url}/part.ts\n",
        "ffconcat version 1.0\nfile '{url}/part.ts'\n",
        "file '/etc/passwd'\n",
        '<?xml version="1.0"?>\n<MPD><BaseURL>{url}/</BaseURL></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "[playlist]\nFile1={url}/part.ts\n",
        '<smil><body><video src="{url}/x"/></body></smil>',
    ],
)
def test_scripts_that_name_other_files_are_not_followed(
    bench: JobBench, tmp_path: Path, knocks: tuple[str, list[str]], script: str
) -> None:
    url, calls = knocks
    source = tmp_path / "teaser.mp4"
    source.write_text(script.format(url=url))
    with pytest.raises(InputError):
        bench.run(source)
    assert calls == []


def test_ffmpeg_itself_may_open_nothing_but_files(tmp_path: Path, knocks: tuple[str, list[str]]) -> None:
    """The second wall: the options hold even if a playlist got through the first one."""
    from pitchey_core.ffmpeg.options import input_options

    url, calls = knocks
    source = tmp_path / "list.mp4"
    source.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/part.ts\n#EXT-X-ENDLIST\n")

    def run(options: dict[str, str]) -> None:
        words = [word for name, value in options.items() for word in (f"-{name}", value)]
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-nostdin",
            *words,
            "-i",
            f"file:{source}",
            "-f",
            "null",
            "-",
        ]
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0

    run({**input_options("hls", threads=1, pixels=10**8), "extension_picky": "0"})
    assert calls == []
    # The same file without the options does call out, so the test means something.
    run({"f": "hls", "protocol_whitelist": "file,http,tcp", "extension_picky": "0"})
    assert calls


def test_external_references_of_a_movie_are_not_followed(
    bench: JobBench, samples: Samples, tmp_path: Path
) -> None:
    movie, _secret = samples.refers_outside()
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-enable_drefs", "1", "-i", movie]
    followed = tmp_path / "followed.mp4"
    subprocess.run([*map(str, command), str(followed)], check=True)
    assert colour_at(picture_of(followed), 0.5, 0.5) == "blue"
    with pytest.raises(InputError):
        bench.run(movie)


def test_sound_alone(bench: JobBench, samples: Samples) -> None:
    with pytest.raises(InputError, match="only sound") as caught:
        bench.run(samples.sound_only())
    assert "media processor" in (caught.value.remedy or "")


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("fields", [{}, {"crf": 40, **FAST}], ids=["copied", "encoded"])
def test_input_that_ends_early(
    bench: JobBench, samples: Samples, suffix: str, fields: dict[str, object]
) -> None:
    with pytest.raises(InputError, match="ends early") as caught:
        bench.run(samples.cut_off(suffix), **fields)
    assert "6.0 s" in caught.value.message
    assert "duration=" in (caught.value.remedy or "")
    assert left_over(bench) == []


def test_the_good_part_of_a_cut_off_input(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.cut_off("mp4"), duration=2.0, **FAST)
    assert done.facts.output.duration_seconds == pytest.approx(2.0, abs=0.1)


def test_no_index(bench: JobBench, samples: Samples) -> None:
    with pytest.raises(InputError, match="no usable index"):
        bench.run(samples.no_index())


def test_damage_in_the_middle_is_reported(bench: JobBench, samples: Samples, tmp_path: Path) -> None:
    data = bytearray(samples.plain(6).read_bytes())
    place = data.index(b"mdat") + 4
    size = len(data) - place
    data[place + size // 3 : place + size // 2] = random.Random(1).randbytes(size // 2 - size // 3)
    source = tmp_path / "scratched.mp4"
    source.write_bytes(data)
    done = bench.run(source, crf=40, audio_codec="none", **FAST)
    assert done.facts.output.duration_seconds > 5
    assert any("damaged" in words for words in done.facts.warnings)


def test_a_hole_in_what_is_copied_is_noticed(bench: JobBench, samples: Samples, tmp_path: Path) -> None:
    """An unfinished download: its size is right, a part of it is zeros."""
    data = bytearray(samples.plain(6).read_bytes())
    place = data.index(b"mdat") + 4
    size = len(data) - place
    data[place + size // 3 : place + size // 2] = bytes(size // 2 - size // 3)
    source = tmp_path / "unfinished.mp4"
    source.write_bytes(data)
    done = bench.run(source, audio_codec="none", **FAST)
    assert any("zeros" in words for words in done.facts.warnings)
    assert any("damaged" in words for words in done.facts.warnings)


def test_subtitles_behind_the_last_picture_are_no_early_end(
    bench: JobBench, samples: Samples, tmp_path: Path
) -> None:
    text, source = tmp_path / "late.srt", tmp_path / "late.mkv"
    text.write_text("1\n00:00:01,000 --> 00:00:02,000\nfirst\n\n2\n00:00:20,000 --> 00:00:25,000\nlast\n")
    ffmpeg("-i", samples.plain(), "-i", text, "-map", "0", "-map", "1", "-c", "copy", source)
    # Files of other muxers lack the play time of each stream.
    source.write_bytes(source.read_bytes().replace(b"DURATION", b"NOTATION"))
    done = bench.run(source, output_format="mp4")
    assert done.facts.input.duration_seconds == pytest.approx(25, abs=0.1)
    assert done.facts.verification.duration_seconds == pytest.approx(3, abs=0.1)


def test_missing_and_unreadable(bench: JobBench, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        bench.run(tmp_path / "nowhere.mp4")
    with pytest.raises(InputError):
        bench.run(tmp_path)


def test_pixel_and_duration_limits(bench: JobBench, samples: Samples) -> None:
    bench.limits = bench.limits.with_(pixels=320 * 180 - 1)
    with pytest.raises(LimitExceeded) as caught:
        bench.run(samples.plain())
    assert caught.value.limit == "pixels"
    bench.limits = bench.limits.with_(pixels=320 * 180, duration_seconds=2.0)
    with pytest.raises(LimitExceeded) as caught:
        bench.run(samples.plain())
    assert caught.value.limit == "duration"


@pytest.mark.parametrize(
    "name",
    [b"-y.mp4", b"a:b%03d.mp4", b'it\'s "it".mp4', b"two\nlines.mp4", b"caf\xe9.mp4", b"concat:a|b.mp4"],
)
def test_odd_names_are_only_names(bench: JobBench, samples: Samples, tmp_path: Path, name: bytes) -> None:
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    source.write_bytes(samples.plain().read_bytes())
    done = bench.run(source, crf=40, thumbnail_count=1, sprite=True, **FAST)
    assert done.video.stat().st_size > 0
    assert done.facts.output_name.isascii() or done.facts.output_name.isprintable()


def test_an_existing_output_is_refused_before_the_work(
    bench: JobBench, samples: Samples, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "plain-3-poster.jpg").write_bytes(b"mine")
    ran = []

    def cancelled() -> bool:
        ran.append(1)
        return False

    with pytest.raises(OutputExists):
        bench.run(samples.plain(), output=folder, poster=True, cancelled=cancelled)
    assert (folder / "plain-3-poster.jpg").read_bytes() == b"mine"
    done = bench.run(samples.plain(), output=folder, poster=True, overwrite=True)
    assert done.files["plain-3-poster.jpg"].stat().st_size > 100


def test_contradictions_are_usage_errors(bench: JobBench, samples: Samples) -> None:
    for fields in (
        {"crf": 20, "video_bitrate": 100_000},
        {"codec": "copy", "crf": 20},
        {"loudness": -14, "audio_codec": "copy"},
        {"duration": float("inf")},
        {"start": float("nan")},
        {"output_name": "../x"},
        {"thumbnail_count": 101},
        {"crf": 60},
        {"start": 99},
        {"codec": "hevc", "output_format": "webm"},
    ):
        with pytest.raises(UsageError):
            bench.run(samples.plain(), **fields)


def test_copy_into_a_container_that_cannot_hold_it(bench: JobBench, samples: Samples) -> None:
    with pytest.raises(InputError, match="cannot be copied into webm") as caught:
        bench.run(samples.plain(), codec="copy", output_format="webm")
    assert "mkv" in (caught.value.remedy or "")


def test_a_codec_without_decoder(bench: JobBench, samples: Samples) -> None:
    with pytest.raises(InputError, match="no decoder for its video codec"):
        bench.run(samples.undecodable())
