"""Targets that are reached, and measured in what is published: quality and loudness."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from media_samples import Samples, ffmpeg
from video_jobs import JobBench

from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.similarity import Reference, similarity

Make = Callable[..., Any]


def target(vmaf: float, **video: Any) -> dict[str, Any]:
    return {
        "video": {"quality": {"vmaf": vmaf}, "speed": "veryfast", "size": "180p", **video},
        "may_grow": True,
    }


@pytest.fixture
def bundled(bench: JobBench) -> None:
    """The ffmpeg of the extra ``bundled``: Debian's has no VMAF."""
    bench.tools["ffmpeg"] = imageio_ffmpeg.get_ffmpeg_exe()


@pytest.fixture(scope="session")
def film(samples: Samples) -> Path:
    """Something with detail and movement that an encoder has to work for."""
    out = samples.folder / "film.mp4"
    if not out.exists():
        moving = "mandelbrot=s=320x180:r=25:maxiter=200,noise=alls=12:allf=t:all_seed=1"
        ffmpeg(
            "-f",
            "lavfi",
            "-i",
            moving,
            "-t",
            "6",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "8",
            out,
        )
    return out


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize("wanted", [90.0, 75.0])
def test_a_quality_is_reached(make: Make, bench: JobBench, film: Path, wanted: float) -> None:
    done = make(film, "web-optimized", overrides=target(wanted))
    quality = done.facts.presets[0].quality
    assert (quality.metric, quality.reason, quality.target) == ("vmaf", None, wanted)
    assert quality.crf in {trial.crf for trial in quality.trials}
    assert len(quality.trials) <= 6
    # A step of the scale is worth more than a point down there.
    assert quality.final == pytest.approx(wanted, abs=3.0)
    assert quality.predicted == pytest.approx(quality.final, abs=2.0)
    # What the facts say is what anybody measures.
    job = bench.context({}, bench.root / "unused")
    output = done.files["film-web-optimized.mp4"]
    assert similarity(job, output, "mov", Reference(film, "mov"), "vmaf") == pytest.approx(
        quality.final, abs=0.5
    )


@pytest.mark.usefixtures("bundled")
def test_a_file_that_names_its_colours_scores_like_one_that_does_not(bench: JobBench, film: Path) -> None:
    small, named = (bench.root / f"{name}.mp4" for name in ("small", "named"))
    ffmpeg("-i", film, "-c:v", "libx264", "-crf", "30", small)
    tags = "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1"
    ffmpeg("-i", small, "-c", "copy", "-bsf:v", tags, named)
    job = bench.context({}, bench.root / "unused")
    scores = [similarity(job, each, "mov", Reference(film, "mov"), "ssim") for each in (small, named)]
    assert scores[0] == scores[1]


def test_a_higher_target_makes_a_larger_file(make: Make, film: Path) -> None:
    low, high = (
        make(film, "web-optimized", overrides=target(vmaf), output_name=str(vmaf)) for vmaf in (70, 92)
    )
    assert low.facts.presets[0].quality.crf > high.facts.presets[0].quality.crf
    sizes = [next(iter(done.files.values())).stat().st_size for done in (low, high)]
    assert sizes[0] < sizes[1]


def test_a_target_out_of_reach_takes_the_best_there_is(make: Make, film: Path) -> None:
    limits = {"quality": {"vmaf": 99, "min_crf": 30, "max_crf": 34}}
    quality = make(film, "web-optimized", overrides=target(99, **limits)).facts.presets[0].quality
    assert quality.crf == 30
    assert quality.predicted < 99


def test_ssim_stands_in_where_there_is_no_vmaf(
    make: Make, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pitchey_media.quality as module
    from pitchey_core.ffmpeg.tool import Build

    real = module.build_of

    def poorer(path: Path) -> Build:
        build = real(path)
        return Build(build.path, build.version, build.encoders, build.filters - {"libvmaf"})

    monkeypatch.setattr(module, "build_of", poorer)
    quality = make(film, "web-optimized", overrides=target(90)).facts.presets[0].quality
    assert quality.metric == "ssim"
    assert "no libvmaf" in quality.reason
    assert quality.target > 95
    assert 80 < quality.final <= 100


def test_a_quality_is_looked_for_although_the_input_fits(make: Make, film: Path) -> None:
    wanted = {"video": {"quality": {"vmaf": 80}, "speed": "ultrafast", "size": "source"}, "may_grow": True}
    facts = make(film, "web-optimized", overrides=wanted).facts.presets[0]
    assert facts.streams[0].action == "encode"
    assert facts.quality is not None


def test_what_is_copied_is_not_searched_for(make: Make, samples: Samples) -> None:
    done = make(samples.plain(), "hd-quality", overrides={"video": {"codec": "copy", "crf": None}})
    assert done.facts.presets[0].quality is None


@pytest.mark.parametrize(
    ("sound", "limited"),
    [
        ("anoisesrc=d=12:c=pink:r=48000:a=0.1:seed=1", False),
        ("aevalsrc='0.9*lt(mod(t,0.5),0.002)+0.05*sin(2*PI*300*t)':d=12:s=44100", True),
    ],
)
def test_loudness_is_reached_and_peaks_are_held(
    make: Make, tmp_path: Path, sound: str, limited: bool
) -> None:
    source = tmp_path / "sound.flac"
    ffmpeg("-f", "lavfi", "-i", sound, source)
    facts = make(source, "audio-podcast").facts.presets[0]
    (loudness,) = facts.loudness
    assert loudness.target_lufs == -16
    assert loudness.before_lufs < -20
    assert loudness.after_lufs == pytest.approx(-16, abs=0.5)
    assert loudness.after_peak_dbtp <= -1
    assert loudness.limited is limited


def test_mixing_down_is_heard_before_loudness_is_measured(make: Make, samples: Samples) -> None:
    done = make(samples.dubbed(), "audio-podcast")
    assert [each.after_lufs for each in done.facts.presets[0].loudness] == pytest.approx([-16, -16], abs=0.7)
    info = probe(done.files["dubbed-audio-podcast.m4a"])
    assert [stream.audio.channels for stream in info.of_kind("audio") if stream.audio] == [2, 2]


def test_silence_is_left_alone(make: Make, samples: Samples) -> None:
    done = make(samples.quiet_and_silent(), "audio-podcast")
    quiet, silent = done.facts.presets[0].loudness
    assert quiet.gain_db > 10
    assert (silent.before_lufs, silent.after_lufs, silent.gain_db) == (None, None, 0.0)
