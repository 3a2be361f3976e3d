"""What each kind of preset makes, from one run, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from media_checks import info_of, picture_of, streams_of, video_of
from media_samples import Samples, ffmpeg
from PIL import Image
from video_jobs import JobBench

from pitchey_core.errors import InputError, OutputExists, PartialFailure, ToolFailed, UnknownName, UsageError
from pitchey_core.storage import to_url

Make = Callable[..., Any]


def preset(done: Any, number: int = 0) -> Any:
    return done.facts.presets[number]


def actions(done: Any, number: int = 0) -> list[tuple[str, str]]:
    return [(each.kind, each.action) for each in preset(done, number).streams]


@pytest.fixture
def wide(samples: Samples) -> Path:
    return samples.large()


def test_presets_that_fit_are_copied(make: Make, samples: Samples) -> None:
    done = make(samples.plain(), "web-optimized", "hd-quality")
    assert actions(done, 0) == actions(done, 1) == [("video", "copy"), ("audio", "copy")]
    assert done.facts.timings["encode"] < 5
    assert sorted(done.files) == ["plain-3-hd-quality.mp4", "plain-3-web-optimized.mp4"]


def test_one_run_makes_everything(make: Make, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pitchey_core.ffmpeg.transcode as module

    runs = []
    real = module.run_ffmpeg

    def counted(job: Any, arguments: Any, **options: Any) -> Any:
        runs.append(arguments)
        return real(job, arguments, **options)

    monkeypatch.setattr(module, "run_ffmpeg", counted)
    done = make(
        wide,
        *("web-optimized", "mobile-optimized", "hls-ladder", "audio-archive", "preview-gif-webp", "waveform"),
        overrides={"video": {"speed": "ultrafast", "copy_fitting": False}},
        generate_thumbnails=True,
        thumbnail_count=2,
        sprite=True,
    )
    assert len(runs) == 1
    assert runs[0].count("-i") == 1
    graph = runs[0][runs[0].index("-filter_complex") + 1]
    # Each size is scaled once, and the small ones from the large ones: the input feeds one chain only.
    assert graph.count("[0:0]") == 1
    assert [each.status for each in done.facts.presets] == ["completed"] * 6
    assert len(done.facts.thumbnails) == 2
    assert done.facts.sprite is not None
    assert video_of(done.files["large-web-optimized.mp4"]).display_size == (1920, 1080)
    assert video_of(done.files["large-mobile-optimized.mp4"]).display_size == (1280, 720)
    assert video_of(done.files["large-mobile-optimized.mp4"]).fps == pytest.approx(30, abs=0.1)


def test_renditions_show_the_same_picture_as_the_source(make: Make, wide: Path) -> None:
    done = make(wide, "mobile-optimized", "hls-ladder")
    source = picture_of(wide, 1.0).resize((64, 36)).convert("L")
    for name in ("large-mobile-optimized.mp4", "large-hls-ladder/360p.mp4", "large-hls-ladder/1080p.mp4"):
        shown = picture_of(done.files[name], 1.0).resize((64, 36)).convert("L")
        pairs = list(zip(source.tobytes(), shown.tobytes(), strict=True))
        assert sum(abs(a - b) for a, b in pairs) / len(pairs) < 12, name


def test_sound_alone(make: Make, samples: Samples) -> None:
    done = make(samples.dubbed(), "audio-podcast", "audio-archive")
    podcast, archive = done.files["dubbed-audio-podcast.m4a"], done.files["dubbed-audio-archive.flac"]
    assert [(s.codec, s.audio.channels) for s in info_of(podcast).streams if s.audio] == [("aac", 2)] * 2
    assert actions(done)[0] == ("video", "drop")
    assert info_of(archive).streams[0].codec == "flac"
    # Nobody misses thumbnails of presets that make no video.
    assert make(samples.plain(), "audio-podcast", generate_thumbnails=True).facts.warnings == []
    # FLAC holds one track: the default one.
    assert actions(done, 1) == [("video", "drop"), ("audio", "drop"), ("audio", "encode")]


def test_an_input_of_sound_alone(make: Make, samples: Samples) -> None:
    done = make(samples.sound_only(), "web-optimized", "audio-podcast", generate_thumbnails=True)
    assert [each.status for each in done.facts.presets] == ["completed"] * 2
    assert streams_of(done.files["sound-only-web-optimized.mp4"], "video") == []
    assert done.facts.thumbnails == []


def test_a_silent_video(make: Make, samples: Samples) -> None:
    done = make(samples.silent(), "web-optimized", "hls-ladder", "preview-gif-webp")
    master = done.files["silent-hls-ladder/master.m3u8"].read_text()
    assert "AUDIO=" not in master
    assert "mp4a" not in master
    with pytest.raises(InputError, match="holds no sound"):
        make(samples.silent(), "audio-podcast")


def test_one_failing_preset_does_not_lose_the_others(bench: JobBench, samples: Samples) -> None:
    job = bench.context(bench.payload(samples.silent(), {}), bench.root / "out")
    payload = bench.processor.payload_model.model_validate(
        bench.payload(
            samples.silent(),
            {"output_presets": ["audio-podcast", "web-optimized", "waveform"], "thumbnail_count": 1},
        )
    )
    with pytest.raises(PartialFailure, match="2 of 3 presets failed") as caught:
        bench.processor.process(payload, job)
    facts = caught.value.facts
    assert facts["partial"] is True
    assert [each["status"] for each in facts["presets"]] == ["failed", "completed", "failed"]
    assert facts["presets"][0]["error"]["class"] == "InputError"
    names = [artifact.name for artifact in job.stage.seal().artifacts]
    assert names == ["silent-web-optimized.mp4", "thumbnails/silent-001.jpg"]
    job.discard()


CLASHING = {
    "case": ('[tall]\nextends = "web-optimized"\n[Tall]\nextends = "mobile-optimized"', ("tall", "Tall"), {}),
    "folder": ('[x]\nextends = "web-optimized"\n["x.mp4"]\nextends = "hls-ladder"', ("x", "x.mp4"), {}),
    "picture": (
        '[poster]\nextends = "waveform"\n[film]\nextends = "web-optimized"\nthumbnails.format = "png"',
        ("poster", "film"),
        {"generate_thumbnails": True, "poster": True},
    ),
}


@pytest.mark.parametrize("kind", CLASHING)
def test_presets_that_would_write_the_same_file_are_refused_before_anything_is_read(
    make: Make, tmp_path: Path, kind: str
) -> None:
    tables, names, fields = CLASHING[kind]
    (tmp_path / "own.toml").write_text(tables)
    own = to_url(tmp_path / "own.toml", tmp_path)
    with pytest.raises(UsageError, match="would both write 'nothing-here-") as caught:
        make(tmp_path / "nothing-here.mp4", *names, preset_file=own, **fields)
    assert all(f"preset {name!r}" in caught.value.message for name in names if name != "film")
    assert "another name" in str(caught.value.remedy)


def test_when_the_run_fails_each_output_is_made_alone(
    make: Make, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pitchey_core.ffmpeg.transcode as module

    real = module.run_ffmpeg

    def picky(job: Any, arguments: Any, **options: Any) -> Any:
        if any("webp" in str(word) for word in arguments):
            raise ToolFailed("ffmpeg cannot write this", tool="ffmpeg", returncode=1)
        return real(job, arguments, **options)

    monkeypatch.setattr(module, "run_ffmpeg", picky)
    with pytest.raises(PartialFailure) as caught:
        make(samples.plain(), "mobile-optimized", "preview-gif-webp")
    assert [each["status"] for each in caught.value.facts["presets"]] == ["completed", "failed"]


def test_an_animation(make: Make, samples: Samples) -> None:
    done = make(
        samples.colours(10),
        "preview-gif-webp",
        overrides={"animation": {"width": 160, "fps": 5, "seconds": 2, "start": 4}},
    )
    for kind in ("gif", "webp"):
        with Image.open(done.files[f"colours-10-preview-gif-webp.{kind}"]) as image:
            assert image.size == (160, 90)
            # WebP shows one picture for longer where GIF repeats it.
            assert image.n_frames in range(9, 12) if kind == "gif" else image.n_frames > 1
            red, green, blue = image.convert("RGB").getpixel((10, 10))
        assert (red, green, blue) > (200, 0, 200)  # the fifth second is magenta
        assert green < 60


def test_a_waveform_and_its_peaks(make: Make, tmp_path: Path) -> None:
    source = tmp_path / "steps.wav"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc='if(lt(t,1),0,0.5*sin(2*PI*440*t))':d=2:s=48000", source)
    done = make(source, "waveform")
    with Image.open(done.files["steps-waveform.png"]) as image:
        assert image.size == (1800, 280)
        alpha = image.getchannel("A")
        assert alpha.crop((0, 0, 800, 120)).getextrema()[1] == 0
        assert alpha.crop((1000, 80, 1700, 200)).getextrema()[1] == 255
    peaks = json.loads(done.files["steps-waveform.json"].read_text())
    assert (peaks["version"], peaks["sample_rate"], peaks["samples_per_pixel"]) == (2, 48000, 2400)
    assert peaks["length"] * 2 == len(peaks["data"])
    assert peaks["length"] == pytest.approx(40, abs=1)
    assert peaks["data"][:30] == [0] * 30
    assert peaks["data"][-10:-8] == pytest.approx([-63, 63], abs=2)


def test_sound_that_is_no_number(make: Make, tmp_path: Path) -> None:
    source = tmp_path / "odd.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=d=1:r=8000", "-c:a", "pcm_f32le", source)
    data = bytearray(source.read_bytes())
    data[-400:-396], data[-200:-196] = b"\0\0\x80\x7f", b"\0\0\xc0\x7f"
    source.write_bytes(bytes(data))
    peaks = json.loads(make(source, "waveform").files["odd-waveform.json"].read_text())
    assert all(-128 <= each <= 127 for each in peaks["data"])


def test_a_quality_off_the_scale_is_one_presets_fault(make: Make, samples: Samples, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(
        '[bad]\nextends = "web-optimized"\nvideo = { crf = 60, copy_fitting = false }\n'
    )
    with pytest.raises(PartialFailure, match="crf 60 is off the scale of libx264") as caught:
        make(samples.plain(), "bad", "audio-archive", preset_file=to_url(tmp_path / "bad.toml", tmp_path))
    assert [each["status"] for each in caught.value.facts["presets"]] == ["failed", "completed"]


def test_encoding_without_loss(make: Make, samples: Samples) -> None:
    lossless = {"video": {"crf": 0, "speed": "ultrafast", "copy_fitting": False}, "may_grow": True}
    done = make(samples.silent(), "web-optimized", overrides=lossless)
    assert streams_of(done.files["silent-web-optimized.mp4"], "video")[0].profile == "High 4:4:4 Predictive"


def test_a_cap_holds_for_every_codec(make: Make, samples: Samples) -> None:
    capped = {"video": {"codec": "vp9", "max_bitrate": 300_000, "profile": None}, "audio": {"codec": "opus"}}
    done = make(samples.plain(), "web-optimized", overrides={"container": "webm", **capped})
    assert preset(done).outputs[0].summary.video_codec == "vp9"


def test_the_rates_of_picture_and_sound_insist_apart(make: Make, samples: Samples) -> None:
    done = make(
        samples.plain(), "web-optimized", overrides={"video": {"bitrate": 200_000, "speed": "ultrafast"}}
    )
    assert actions(done) == [("video", "encode"), ("audio", "copy")]


def test_a_part_of_the_input(make: Make, samples: Samples) -> None:
    done = make(samples.colours(10), "web-optimized", "hls-ladder", start=3, duration=4)
    for name in ("colours-10-web-optimized.mp4", "colours-10-hls-ladder/180p.mp4"):
        assert info_of(done.files[name]).duration_seconds == pytest.approx(4, abs=0.1)


def test_key_frames_are_as_far_apart_as_the_preset_says(make: Make, samples: Samples) -> None:
    def keys(**video: Any) -> list[float]:
        name = f"keys-{len(video)}"
        done = make(
            samples.silent(),
            "web-optimized",
            overrides={"video": {"copy_fitting": False, **video}},
            output_name=name,
        )
        with av.open(str(done.files[f"{name}-web-optimized.mp4"])) as media:
            stream = media.streams.video[0]
            return [
                float((p.pts or 0) * p.time_base) for p in media.demux(stream) if p.is_keyframe and p.size
            ]

    # The sample has no cuts.
    assert keys() == [0]
    assert keys(max_key_seconds=0.4) == pytest.approx([0, 0.4, 0.8, 1.2, 1.6], abs=0.01)


def test_what_would_grow_is_encoded_again(make: Make, samples: Samples) -> None:
    lean = make(samples.colours(10), "web-optimized", overrides={"video": {"crf": 40, "copy_fitting": False}})
    source = lean.files["colours-10-web-optimized.mp4"]
    bloated = {"video": {"crf": 2, "copy_fitting": False, "speed": "ultrafast"}}
    done = make(source, "hd-quality", overrides=bloated, output_name="again")
    assert any("larger than the source" in words for words in preset(done).warnings)
    kept = make(source, "hd-quality", overrides={**bloated, "may_grow": True}, output_name="kept")
    assert kept.files["kept-hd-quality.mp4"].stat().st_size > source.stat().st_size
    small = done.files["again-hd-quality.mp4"].stat().st_size
    assert small < kept.files["kept-hd-quality.mp4"].stat().st_size


def test_rotated_interlaced_and_hdr_inputs(make: Make, samples: Samples) -> None:
    done = make(samples.rotated(), "mobile-optimized", "hls-ladder")
    assert video_of(done.files["rotated-90-mobile-optimized.mp4"]).display_size == (180, 320)
    assert "RESOLUTION=180x320" in done.files["rotated-90-hls-ladder/master.m3u8"].read_text()
    done = make(samples.ten_bit(), "web-optimized", "preview-gif-webp")
    assert video_of(done.files["ten-bit-web-optimized.mp4"]).pixel_format == "yuv420p"


def test_subtitles_chapters_and_cover_are_reported(make: Make, samples: Samples) -> None:
    done = make(samples.everything(), "web-optimized")
    reports = {each.index: each for each in preset(done).streams}
    assert [reports[n].action for n in range(8)] == [
        "copy", "copy", "copy", "encode", "encode", "drop", "drop", "drop",
    ]  # fmt: skip
    assert all(each.reason for each in reports.values())
    assert info_of(done.files["everything-web-optimized.mp4"]).chapters == 2


def test_thumbnails_as_the_preset_says(make: Make, samples: Samples) -> None:
    table = {"count": 3, "width": 100, "format": "webp", "poster": True, "sprite": True}
    done = make(
        samples.plain(), "mobile-optimized", generate_thumbnails=True, overrides={"thumbnails": table}
    )
    assert [each.name for each in done.facts.thumbnails] == [
        f"thumbnails/plain-3-00{n}.webp" for n in (1, 2, 3)
    ]
    with Image.open(done.files["thumbnails/plain-3-001.webp"]) as image:
        assert image.width == 100
    assert {"plain-3-poster.webp", "plain-3-sprite.webp", "plain-3-sprite.vtt"} <= set(done.files)


def test_bad_calls(make: Make, samples: Samples) -> None:
    with pytest.raises(UnknownName, match="unknown preset"):
        make(samples.plain(), "web-optimised")
    with pytest.raises(InputError):
        make(samples.cut_off(), "mobile-optimized")
    first = make(samples.plain(), "web-optimized")
    with pytest.raises(OutputExists):
        make(samples.plain(), "web-optimized", output=first.output)


def test_a_plan_says_what_each_preset_would_do(bench: JobBench, samples: Samples) -> None:
    plan = bench.plan(
        samples.plain(), output_presets=["web-optimized", "hls-ladder", "waveform", "audio-podcast"]
    )
    subjects = {(step.subject, step.action) for step in plan.steps}
    assert ("plain-3-web-optimized.mp4, video stream 0", "copy") in subjects
    assert ("plain-3-hls-ladder/180p.mp4, video stream 0", "encode") in subjects
    assert ("plain-3-waveform.png", "draw") in subjects
    assert plan.wall_seconds is not None
    assert plan.output_bytes is not None
