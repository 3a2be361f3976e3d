"""The job around the encode: progress, cancellation, verification, fallback, forecast, names."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from media_samples import Samples, ffmpeg
from video_jobs import JobBench

from pitchey_core.errors import Cancelled, ToolFailed, ToolMissing
from pitchey_core.ffmpeg.encoders import AUDIO_ENCODERS, VIDEO_ENCODERS, encoder_options
from pitchey_core.ffmpeg.formats import CONTAINERS
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.tool import Build, build_of, capabilities
from pitchey_core.ffmpeg.verify import Expected, verify_output
from pitchey_core.naming import portable_stem, stem_of
from pitchey_core.payload import parse_payload
from pitchey_core.process import run

FAST = {"speed": "ultrafast"}


def test_progress_rises_and_has_figures(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(6), crf=20, speed="veryslow", quality="480p")
    fractions = [fraction for fraction, _, _ in done.progress if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0
    assert fractions[-1] == 1
    assert any({"fps", "speed"} <= set(figures) for _, _, figures in done.progress)


def test_cancelling_in_the_middle_leaves_nothing(bench: JobBench, tmp_path: Path) -> None:
    source = tmp_path / "long.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x180:d=60", "-c:v", "mpeg2video", "-q:v", "5", source)
    folder = tmp_path / "nothing"
    started = time.monotonic()

    def cancelled() -> bool:
        return time.monotonic() - started > 1.0

    with pytest.raises(Cancelled):
        bench.run(
            source, output=folder, cancelled=cancelled, speed="veryslow", sprite=True, thumbnail_count=2
        )
    assert time.monotonic() - started < 8
    assert not folder.exists() or list(folder.iterdir()) == []
    assert not list((bench.root / "base").rglob("*.png"))


def expected(samples: Samples) -> Expected:
    return Expected((("video", "h264"), ("audio", "aac")), seconds=3.0, video_seconds=3.0, frames=75)


def test_a_good_output_passes(samples: Samples) -> None:
    for full in (False, True):
        found = verify_output(samples.plain(), "mov", expected(samples), full=full)
        assert found.problems == ()
        assert found.packets[0] == 75
        assert (found.frames_decoded == 75) == full


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.97])
def test_a_truncated_output_is_caught(samples: Samples, tmp_path: Path, keep: float) -> None:
    data = samples.plain().read_bytes()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data[: int(len(data) * keep)])
    found = verify_output(broken, "mov", expected(samples))
    assert not found.ok


def test_other_faults_of_an_output_are_caught(samples: Samples, tmp_path: Path) -> None:
    want = expected(samples)
    silent = verify_output(samples.silent(), "mov", want)
    assert "instead of video, audio" in silent.problems[0]
    webm = verify_output(samples.webm(), "matroska", want)
    assert any("vp9 instead of h264" in words for words in webm.problems)
    data = bytearray(samples.plain().read_bytes())
    place = data.index(b"mdat") + 4
    data[place:] = bytes(len(data) - place)
    zeroed = tmp_path / "zeroed.mp4"
    zeroed.write_bytes(data)
    assert any("are zeros" in words for words in verify_output(zeroed, "mov", want).problems)
    data[place:] = b"\x11" * (len(data) - place)
    zeroed.write_bytes(data)
    assert any("cannot be decoded" in words for words in verify_output(zeroed, "mov", want).problems)
    assert not verify_output(tmp_path / "missing.mp4", "mov", want).ok


def test_a_bad_output_is_not_published(
    bench: JobBench, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ffmpeg says that all is well, but the disk kept only a part of it."""
    import pitchey_core.ffmpeg.transcode as module

    real = module.run_ffmpeg

    def losing(job, arguments, **options):
        stats = real(job, arguments, **options)
        target = Path(arguments[-1].removeprefix("file:"))
        target.write_bytes(target.read_bytes()[: target.stat().st_size * 2 // 3])
        return stats

    monkeypatch.setattr(module, "run_ffmpeg", losing)
    with pytest.raises(ToolFailed, match="not right"):
        bench.run(samples.plain(), crf=30, **FAST)


def test_copying_that_fails_becomes_an_encode(
    bench: JobBench, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pitchey_core.ffmpeg.transcode as module

    real = module.run_ffmpeg

    def picky(job, arguments, **options):
        if "copy" in arguments:
            raise ToolFailed("ffmpeg cannot copy this", tool="ffmpeg", returncode=1)
        return real(job, arguments, **options)

    monkeypatch.setattr(module, "run_ffmpeg", picky)
    done = bench.run(samples.plain(), **FAST)
    assert [r.action for r in done.facts.streams] == ["encode", "encode"]
    assert any("copying failed" in words for words in done.facts.warnings)


def test_hardware_falls_back_to_software(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.silent(), hardware="auto", crf=30, **FAST)
    encoder = done.facts.encoder
    assert encoder.hardware is not None or (encoder.name == "libx264" and encoder.fallback_reason)
    named = bench.run(samples.silent(), hardware="videotoolbox", crf=30, **FAST)
    assert named.facts.encoder.name == "libx264"
    assert "videotoolbox" in named.facts.encoder.fallback_reason


def test_hardware_that_fails_in_the_middle(
    bench: JobBench, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pitchey_core.ffmpeg.hardware as module

    monkeypatch.setattr(module, "_trial", lambda program, name, family: None)
    done = bench.run(samples.silent(), hardware="nvenc", crf=30, **FAST)
    assert done.facts.encoder.name == "libx264"
    assert done.facts.encoder.fallback_reason.startswith("nvenc: ")


def test_an_encoder_that_this_build_lacks(
    bench: JobBench, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pitchey_core.ffmpeg.hardware as module

    monkeypatch.setattr(module, "build_of", lambda path: Build(path, "5.1", frozenset({"aac"}), frozenset()))
    with pytest.raises(ToolMissing, match="libx265") as caught:
        bench.run(samples.silent(), codec="hevc")
    assert "pip install" in (caught.value.remedy or "")


def test_forecast(bench: JobBench, samples: Samples) -> None:
    planned = bench.plan(samples.plain(6), crf=23, max_fps=12)
    assert planned.summary == "mp4: encode H.264 320x180"
    assert [s.action for s in planned.steps] == ["encode", "copy"]
    assert planned.wall_seconds is not None
    assert planned.output_bytes is not None
    real = bench.run(samples.plain(6), crf=23, max_fps=12)
    assert planned.output_bytes == pytest.approx(real.facts.output.bytes, rel=0.5)
    copied = bench.plan(samples.plain(6))
    assert copied.output_bytes == pytest.approx(samples.plain(6).stat().st_size, rel=0.05)
    assert copied.wall_seconds is not None
    assert copied.wall_seconds < 1


def test_the_whole_output_can_be_decoded_to_be_sure(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), full_verify=True, crf=30, **FAST)
    assert done.facts.verification.method == "full"
    assert done.facts.verification.frames_decoded == 75


def test_capabilities_and_version(bench: JobBench) -> None:
    from pitchey_core.tools import ToolTable

    path = ToolTable(bench.registry.tools, {}).path("ffmpeg")
    found = capabilities(path)
    assert found["encoders"]["libx264"]
    assert found["filters"]["bwdif"]
    assert build_of(path) is build_of(path)


@pytest.mark.parametrize(
    ("url", "stem"),
    [
        ("file:///media/My%20Teaser%20(final).v2.mov", "My-Teaser-final-.v2"),
        ("https://host.example/a/b/clip.mp4?token=x%2Fy", "clip"),
        ("/tmp/Grüße.mkv", "Grüße"),
        ("file:///x/caf%E9.mp4", "caf_"),
        ("file:///x/...", "output"),
        ("file:///x/con.mp4", "con-"),
        ("file:///x/" + "n" * 300 + ".mp4", "n" * 120),
    ],
)
def test_stems(url: str, stem: str) -> None:
    assert stem_of(url) == stem
    assert portable_stem(stem) == stem


def test_output_name(bench: JobBench, samples: Samples) -> None:
    done = bench.run(samples.plain(), output_name="My cut.MP4", thumbnail_count=1)
    assert sorted(done.files) == ["My-cut.mp4", "thumbnails/My-cut-001.jpg"]


def test_every_encoder_has_settings_for_every_speed() -> None:
    from pitchey_core.ffmpeg.formats import SPEEDS

    for encoders in VIDEO_ENCODERS.values():
        for encoder in encoders:
            for speed in SPEEDS:
                options = encoder_options(
                    encoder, speed=speed, quality=None, bit_rate=None, threads=2, width=1920
                )
                assert options["crf"] == str(encoder.quality)
    for box in CONTAINERS.values():
        assert box.video in VIDEO_ENCODERS or not box.picture
        assert box.audio in AUDIO_ENCODERS
        assert box.keeps_video <= box.holds_video
        assert box.keeps_audio <= box.holds_audio


def test_every_option_is_described() -> None:
    from pitchey_video.payload import VideoPayload

    assert [name for name, field in VideoPayload.model_fields.items() if not field.description] == []
    assert parse_payload(VideoPayload, {"input_url": "x"}).quality == "1080p"


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, pitchey_core.ffmpeg, pitchey_video.plugin;"
        "print([m for m in ('av', 'ffmpeg', 'PIL', 'pydantic') if m in sys.modules])"
    )
    done = run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.decode().strip() == "[]"


def test_probe_is_named_after_the_submission(bench: JobBench, samples: Samples) -> None:
    assert probe(samples.plain()).main_video is not None
