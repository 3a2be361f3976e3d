"""Build ffmpeg's command line from plans, with ffmpeg-python's graph builder.

One input is decoded once and feeds every output: the filters that outputs share run once, then the picture is split
to the renditions and to the sprite sheet. File names never enter the builder; they are put in place of marks after
it is done, so no name can be taken for anything else (and ffmpeg-python cannot hash names that are not UTF-8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ffmpeg

from pitchey_core.ffmpeg.encoders import CHANNELS, encoder_options
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.options import GLOBAL_OPTIONS, Cut, cut_of, input_options
from pitchey_core.ffmpeg.renditions import Target, draw_pictures, draw_sounds
from pitchey_core.ffmpeg.steps import Step, StreamPlan

__all__ = ["ONE_PICTURE", "Tap", "Target", "build_arguments", "sheet_tap"]

_INPUT = "pitchey-input"
_OUTPUT = "pitchey-output-"
_USUAL_RATE = 25.0
# A key frame at least this often, in seconds: players seek to one, and x264's own 250 frames are far apart for them.
_KEY_SECONDS = 5
_MPEG_CLOCK = "1/90000"


@dataclass(frozen=True, slots=True)
class Tap:
    """Another output: drawn from a picture or a sound on its way, such as a sprite sheet, or subtitles as they are.

    Attributes:
        name: What messages and results call it.
        path: Where to write it.
        step: The stream that it is drawn from; a picture comes with this step's filters, or from any rendition that
            is at least as large.
        draw: Takes the ffmpeg-python stream and returns the one to write; subtitles go through no filter.
        options: Of the output.
    """

    name: str
    path: Path
    step: Step
    draw: Callable[[Any], Any]
    options: Mapping[str, str]


ONE_PICTURE: Final = {"f": "image2", "c:v": "png", "frames:v": "1", "update": "1"}
"""Options of an output that is one PNG."""


def sheet_tap(
    path: Path, step: Step, *, interval: float, tile: tuple[int, int], columns: int, rows: int
) -> Tap:
    """A sprite sheet, written as one PNG.

    Args:
        interval: Seconds between two tiles.
        tile: Width and height of one, in pixels.
        columns, rows: How they are laid out.
    """

    def draw(picture: Any) -> Any:
        # Rounding to the nearest puts into tile k what is shown at the middle of its time, (k + 1/2) intervals.
        frames = picture.filter("fps", fps=f"1/{interval:.6f}", round="near", start_time="0")
        tiles = frames.filter("scale", w=str(tile[0]), h=str(tile[1]), flags="bicubic")
        return tiles.filter("tile", layout=f"{columns}x{rows}").filter("format", pix_fmts="rgb24")

    return Tap("sprite sheet", path, step, draw, ONE_PICTURE)


def build_arguments(
    info: MediaInfo,
    targets: Sequence[Target],
    *,
    threads: int,
    pixels: int,
    taps: Sequence[Tap] = (),
    start: float | None = None,
    duration: float | None = None,
) -> list[str]:
    """The arguments of the one ffmpeg run that makes every target.

    Args:
        info: The input.
        targets: Outputs of the same part of the input.
        threads: Threads for each of decoder, filters and encoders.
        pixels: Pictures with more pixels are refused.
        taps: Further outputs.
        start, duration: The part of the input to read, in seconds.
    """
    cut = cut_of(info, start, duration)
    source = ffmpeg.input(_INPUT, **input_options(info.demuxer, threads=threads, pixels=pixels), **cut.input)
    pictures = draw_pictures(source, targets, [tap.step for tap in taps])
    sounds = draw_sounds(source, targets, [tap.step for tap in taps])
    names = {_INPUT: file_argument(info.path)}
    outputs = []
    for number, target in enumerate(targets):
        mark = f"{_OUTPUT}{number}"
        names[mark] = target.argument
        streams = [
            sounds.get((number, step.source.index)) or _stream(source, step, pictures[number])
            for step in target.plan.steps
        ]
        outputs.append(ffmpeg.output(*streams, mark, **cut.output, **_output_options(info, target, threads)))
    for number, tap in enumerate(taps, len(targets)):
        mark = f"{_OUTPUT}{number}"
        names[mark] = file_argument(tap.path)
        if tap.step.source.kind == "subtitle":
            text = source[str(tap.step.source.index)]
            outputs.append(ffmpeg.output(text, mark, **cut.output, **tap.options))
            continue
        drawn = sounds.get((number, tap.step.source.index)) or pictures[number]
        outputs.append(ffmpeg.output(tap.draw(_cut_off(drawn, tap, cut)), mark, **tap.options))
    graph = ffmpeg.merge_outputs(*outputs) if len(outputs) > 1 else outputs[0]
    arguments = [names.get(word, word) for word in _in_order(ffmpeg.get_args(graph))]
    filter_threads = ["-filter_threads", str(threads), "-filter_complex_threads", str(threads)]
    devices = dict.fromkeys(target.encoder.device for target in targets if target.encoder is not None)
    return [
        *GLOBAL_OPTIONS,
        *("-loglevel", "warning"),
        *filter_threads,
        *(word for device in devices for word in device),
        *arguments,
    ]


def _cut_off(stream: Any, tap: Tap, cut: Cut) -> Any:
    """Without what lies before the part to keep, where that is read too: a tap counts its times from the part."""
    if not cut.lead:
        return stream
    for each in cut.drawn() if tap.step.source.kind == "video" else cut.before():
        stream = stream.filter(each.name, **dict(each.options))
    return stream


def _in_order(words: Sequence[str]) -> list[str]:
    """The outputs as given: the builder sorts them by hash, and ``-progress`` counts the first one's pictures."""
    first = words.index("-map") if "-map" in words else len(words)
    chunks: dict[str, list[str]] = {}
    chunk: list[str] = []
    for word in words[first:]:
        chunk.append(word)
        if word.startswith(_OUTPUT):
            chunks[word], chunk = chunk, []
    ordered = sorted(chunks, key=lambda mark: int(mark.removeprefix(_OUTPUT)))
    return [*words[:first], *(word for mark in ordered for word in chunks[mark]), *chunk]


def _stream(source: Any, step: Step, picture: Any) -> Any:
    if step.source.kind == "video" and step.action == "encode":
        return picture
    return source[str(step.source.index)]


def _output_options(info: MediaInfo, target: Target, threads: int) -> dict[str, str]:
    plan = target.plan
    box = plan.wanted.container
    options = {"f": box.muxer, "threads": str(threads), "map_metadata": "0", "map_chapters": "0"}
    options |= dict(plan.wanted.options)
    if box.faststart:
        options["movflags"] = "+faststart"
    if box.muxer == "matroska" or plan.subtitles or len(plan.audio) > 1:
        # One lagging stream must not make the muxer give up on the others.
        options["max_muxing_queue_size"] = "4096"
    if plan.video is not None:
        options |= _video_options(info, target, plan.video, threads)
    for number, step in enumerate(plan.audio):
        options |= _audio_options(number, step)
    for number, step in enumerate(plan.subtitles):
        options[f"c:s:{number}"] = "copy" if step.action == "copy" else step.codec
    options |= _labels(plan)
    if plan.wanted.trimmed and any(step.action == "copy" for step in plan.subtitles):
        # One from before the cut would get a negative time and push everything else back.
        options["copypriorss:s"] = "0"
    if plan.attachments:
        options["c:t"] = "copy"
    return options


def _labels(plan: StreamPlan) -> dict[str, str]:
    """Language, title and flags of each stream: what comes out of a filter has lost them."""
    options: dict[str, str] = {}
    kinds = {"v": (plan.video,), "a": plan.audio, "s": plan.subtitles, "t": plan.attachments}
    for kind, steps in kinds.items():
        for number, step in enumerate(steps):
            if step is None:
                continue
            options[f"map_metadata:s:{kind}:{number}"] = f"0:s:{step.source.index}"
            if step.action == "encode" and kind in "va":
                flags = [name for name in ("default", "forced") if getattr(step.source, name)]
                options[f"disposition:{kind}:{number}"] = "+".join(flags) or "0"
    return options


def _video_options(info: MediaInfo, target: Target, step: Step, threads: int) -> dict[str, str]:
    plan = target.plan
    box = plan.wanted.container
    options: dict[str, str] = {}
    if step.codec == "hevc" and box.faststart:
        # Apple's players open HEVC under this tag only.
        options["tag:v:0"] = "hvc1"
    if step.action == "copy":
        return {**options, "c:v:0": "copy"}
    assert step.size is not None
    assert target.encoder is not None
    options["c:v:0"] = target.encoder.name
    settings = target.encoder.options or encoder_options(
        target.encoder.software,
        speed=plan.wanted.speed,
        quality=plan.wanted.crf,
        bit_rate=plan.wanted.video_bitrate,
        threads=threads,
        width=step.size[0],
        max_bit_rate=plan.wanted.max_bitrate,
        profile=plan.wanted.profile,
        fixed_keys=plan.wanted.key_seconds is not None,
    )
    options |= {f"{name}:v:0": value for name, value in settings.items()}
    video = step.source.video
    rate = (video.fps if video is not None else None) or _USUAL_RATE
    rate = min(rate, plan.wanted.max_fps or rate)
    apart = plan.wanted.key_seconds or plan.wanted.max_key_seconds or _KEY_SECONDS
    options["g:v:0"] = str(max(1, round(rate * apart)))
    if plan.wanted.key_seconds is not None:
        # By time and not by count, so that they are the same in every rendition, at a variable rate, too.
        options["force_key_frames:v:0"] = f"expr:gte(t,n_forced*{plan.wanted.key_seconds:g})"
    if box.variable_rate:
        options["fps_mode"] = "vfr"
        if (
            video is not None
            and (video.variable_rate or info.demuxer == "gif")
            and plan.wanted.max_fps is None
        ):
            # By default ffmpeg rounds times to the guessed frame rate, which moves the frames of a variable one.
            options["enc_time_base:v:0"] = _MPEG_CLOCK
    else:
        options |= {"fps_mode": "cfr", "bf:v:0": "0"}
    return options


def _audio_options(number: int, step: Step) -> dict[str, str]:
    if step.action == "copy":
        return {f"c:a:{number}": "copy"}
    assert step.audio is not None
    options = {f"c:a:{number}": step.audio.name}
    if step.bit_rate is not None:
        options[f"b:a:{number}"] = str(step.bit_rate)
    if step.audio.name == "libopus" and CHANNELS.get(step.layout or "", 2) > 2:
        options[f"mapping_family:a:{number}"] = "1"
    return options
