"""Build ffmpeg's command line from plans, with ffmpeg-python's graph builder.

One input is decoded once and feeds every output: the filters that outputs share run once, then the picture is split
to the renditions and to the sprite sheet. File names never enter the builder; they are put in place of marks after
it is done, so no name can be taken for anything else (and ffmpeg-python cannot hash names that are not UTF-8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ffmpeg

from pitchey_core.ffmpeg.encoders import encoder_options
from pitchey_core.ffmpeg.filters import Filter
from pitchey_core.ffmpeg.hardware import EncoderChoice
from pitchey_core.ffmpeg.loudness import LoudnessReport, loudness_filters
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.options import GLOBAL_OPTIONS, input_options
from pitchey_core.ffmpeg.steps import Step, StreamPlan

__all__ = ["Sheet", "Target", "build_arguments"]

_INPUT = "pitchey-input"
_OUTPUT = "pitchey-output-"
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_USUAL_RATE = 25.0
# A key frame at least this often, in seconds: players seek to one, and x264's own 250 frames are far apart for them.
_KEY_SECONDS = 5
_MPEG_CLOCK = "1/90000"


@dataclass(frozen=True, slots=True)
class Target:
    """One output file.

    Attributes:
        encoder: Needed where the plan encodes the picture.
        loudness: Measured sound, by index of the input stream, that is to be normalised.
    """

    plan: StreamPlan
    path: Path
    encoder: EncoderChoice | None = None
    loudness: Mapping[int, LoudnessReport] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sprite sheet taken from the picture of the first target, written as one PNG.

    Attributes:
        interval: Seconds between two tiles.
        tile: Width and height of one, in pixels.
        columns, rows: How they are laid out.
    """

    path: Path
    interval: float
    tile: tuple[int, int]
    columns: int
    rows: int


def build_arguments(
    info: MediaInfo, targets: Sequence[Target], *, threads: int, pixels: int, sheet: Sheet | None = None
) -> list[str]:
    """The arguments of the one ffmpeg run that makes every target.

    Args:
        info: The input.
        targets: Outputs of the same part of the input.
        threads: Threads for each of decoder, filters and encoders.
        pixels: Pictures with more pixels are refused.
        sheet: Needs a first target whose picture is encoded.
    """
    wanted = targets[0].plan.wanted
    source = ffmpeg.input(
        _INPUT,
        **input_options(
            info.demuxer, threads=threads, pixels=pixels, start=wanted.start, duration=wanted.duration
        ),
    )
    pictures = _pictures(source, targets, sheet)
    names = {_INPUT: file_argument(info.path)}
    outputs = []
    for number, target in enumerate(targets):
        mark = f"{_OUTPUT}{number}"
        names[mark] = file_argument(target.path)
        streams = [_stream(source, target, step, pictures[number]) for step in target.plan.steps]
        outputs.append(ffmpeg.output(*streams, mark, **_output_options(info, target, threads)))
    if sheet is not None:
        mark = f"{_OUTPUT}sheet"
        names[mark] = file_argument(sheet.path)
        outputs.append(
            ffmpeg.output(
                _sheet(pictures[-1], sheet),
                mark,
                **{"f": "image2", "c:v": "png", "frames:v": "1", "update": "1"},
            )
        )
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


def _in_order(words: Sequence[str]) -> list[str]:
    """The outputs as given: the builder sorts them by hash, and ``-progress`` counts the first one's pictures."""
    first = words.index("-map") if "-map" in words else len(words)
    chunks: dict[str, list[str]] = {}
    chunk: list[str] = []
    for word in words[first:]:
        chunk.append(word)
        if word.startswith(_OUTPUT):
            chunks[word], chunk = chunk, []
    ordered = sorted(chunks, key=lambda mark: (mark.endswith("sheet"), len(mark), mark))
    return [*words[:first], *(word for mark in ordered for word in chunks[mark]), *chunk]


def _apply(stream: Any, filters: Sequence[Filter]) -> Any:
    for each in filters:
        stream = stream.filter(each.name, **dict(each.options))
    return stream


def _shared(chains: Sequence[Sequence[Filter]]) -> int:
    """How many filters all chains begin with."""
    count = 0
    for step in zip(*chains, strict=False):
        if any(each != step[0] for each in step):
            break
        count += 1
    return count


def _split(stream: Any, parts: int) -> list[Any]:
    if parts == 1:
        return [stream]
    node = stream.filter_multi_output("split")
    return [node[number] for number in range(parts)]


def _pictures(source: Any, targets: Sequence[Target], sheet: Sheet | None) -> list[Any]:
    """The encoded picture of each target (``None`` where it is copied), and the one for the sheet at the end."""
    encoded = [n for n, target in enumerate(targets) if target.plan.video.action == "encode"]
    result: list[Any] = [None] * (len(targets) + 1)
    if not encoded:
        return result
    chains = [targets[n].plan.video.filters for n in encoded]
    shared = _shared(chains)
    common = _apply(source[str(targets[encoded[0]].plan.video.source.index)], chains[0][:shared])
    for n, chain, stream in zip(encoded, chains, _split(common, len(encoded)), strict=True):
        picture = _apply(stream, chain[shared:])
        if n == 0 and sheet is not None:
            picture, result[-1] = _split(picture, 2)
        encoder = targets[n].encoder
        result[n] = _apply(picture, encoder.upload if encoder is not None else ())
    return result


def _sheet(picture: Any, sheet: Sheet) -> Any:
    # Rounding to the nearest puts into tile k what is shown at the middle of its time, (k + 1/2) intervals.
    frames = picture.filter("fps", fps=f"1/{sheet.interval:.6f}", round="near", start_time="0")
    tiles = frames.filter("scale", w=str(sheet.tile[0]), h=str(sheet.tile[1]), flags="bicubic")
    return tiles.filter("tile", layout=f"{sheet.columns}x{sheet.rows}").filter("format", pix_fmts="rgb24")


def _stream(source: Any, target: Target, step: Step, picture: Any) -> Any:
    if step.source.kind == "video" and step.action == "encode":
        return picture
    stream = source[str(step.source.index)]
    if step.source.kind == "audio" and step.action == "encode":
        measured = target.loudness.get(step.source.index)
        filters = [*(loudness_filters(measured) if measured is not None else ()), *step.filters]
        return _apply(stream, filters)
    return stream


def _output_options(info: MediaInfo, target: Target, threads: int) -> dict[str, str]:
    plan = target.plan
    box = plan.wanted.container
    options = {"f": box.muxer, "threads": str(threads), "map_metadata": "0", "map_chapters": "0"}
    if box.faststart:
        options["movflags"] = "+faststart"
    if box.muxer == "matroska" or plan.subtitles or len(plan.audio) > 1:
        # One lagging stream must not make the muxer give up on the others.
        options["max_muxing_queue_size"] = "4096"
    options |= _video_options(info, target, threads)
    for number, step in enumerate(plan.audio):
        options |= _audio_options(number, step)
    for number, step in enumerate(plan.subtitles):
        options[f"c:s:{number}"] = "copy" if step.action == "copy" else step.codec
    if plan.wanted.trimmed and any(step.action == "copy" for step in plan.subtitles):
        # One from before the cut would get a negative time and push everything else back.
        options["copypriorss:s"] = "0"
    if plan.attachments:
        options["c:t"] = "copy"
    return options


def _video_options(info: MediaInfo, target: Target, threads: int) -> dict[str, str]:
    plan, step = target.plan, target.plan.video
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
    )
    options |= {f"{name}:v:0": value for name, value in settings.items()}
    video = step.source.video
    rate = (video.fps if video is not None else None) or _USUAL_RATE
    options["g:v:0"] = str(max(1, round(min(rate, plan.wanted.max_fps or rate) * _KEY_SECONDS)))
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
    language = step.source.language
    if language is not None and language != "und" and _LANGUAGE.fullmatch(language):
        # A stream out of a filter graph has lost its tags.
        options["metadata:s:v:0"] = f"language={language}"
    return options


def _audio_options(number: int, step: Step) -> dict[str, str]:
    if step.action == "copy":
        return {f"c:a:{number}": "copy"}
    assert step.audio is not None
    options = {f"c:a:{number}": step.audio.name}
    if step.bit_rate is not None:
        options[f"b:a:{number}"] = str(step.bit_rate)
    if step.audio.name == "libopus" and step.source.audio is not None and step.source.audio.channels > 2:
        options[f"mapping_family:a:{number}"] = "1"
    if step.audio.max_channels == 2 and step.source.audio is not None and step.source.audio.channels > 2:
        options[f"ac:a:{number}"] = "2"
    return options
