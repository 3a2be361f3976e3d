"""A picture of the sound, and its peaks as the JSON that audio players read.

The JSON has the shape of BBC audiowaveform's data format, version 2: lowest and highest sample of each window, in turn,
as 8-bit integers. peaks.js and wavesurfer.js take it as it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from pitchey_core.errors import InputError, ToolFailed
from pitchey_core.ffmpeg.filters import from_the_start, written
from pitchey_core.ffmpeg.graph import ONE_PICTURE, Tap
from pitchey_core.ffmpeg.media import StreamInfo, late_by
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.options import GLOBAL_OPTIONS, as_words, cut_of, input_options
from pitchey_core.ffmpeg.steps import Step
from pitchey_core.ffmpeg.transcode import Renders
from pitchey_media.outputs.base import Making, PresetOutput
from pitchey_media.schema import Preset

__all__ = ["WaveformOutput"]

_VERSION: Final = 2
_LEVEL: Final = "lavfi.astats.Overall.{}_level="


class WaveformOutput(PresetOutput):
    """A preset with ``output = "waveform"``."""

    def __init__(self, name: str, preset: Preset, making: Making) -> None:
        super().__init__(name, preset, making)
        self._picture, self._peaks = self.artifacts
        self._stream: StreamInfo | None = None

    @classmethod
    def names(cls, name: str, _preset: Preset, stem: str) -> dict[str, str]:
        return {f"{stem}-{name}.png": "image/png", f"{stem}-{name}.json": "application/json"}

    def prepare(self) -> None:
        work = self.making.work
        self._stream = work.info.main_audio
        if self._stream is None:
            raise InputError(f"{work.name!r} holds no sound, so it has no waveform")

    def taps(self) -> Sequence[Tap]:
        assert self._stream is not None
        settings = self.preset.waveform
        late = late_by(self.making.work.info, self._stream, self.making.work.start)
        size, colour = f"{settings.width}x{settings.height}", f"0x{settings.colour}"

        def draw(sound: Any) -> Any:
            for each in from_the_start(late):
                sound = sound.filter(each.name, **dict(each.options))
            mono = sound.filter("aformat", channel_layouts="mono")
            return mono.filter("showwavespic", s=size, colors=colour).filter("format", pix_fmts="rgba")

        step = Step(self._stream, "encode", "png")
        return [Tap(self._picture, self.path(self._picture), step, draw, ONE_PICTURE)]

    def finish(self, renders: Renders) -> None:
        self.tapped(renders, self._picture)
        with self.making.work.timed("peaks"):
            self.path(self._peaks).write_text(json.dumps(self._measure(), separators=(",", ":")), "utf-8")
        self.facts = self.facts.model_copy(update={"artifacts": self.artifacts})

    def _measure(self) -> dict[str, Any]:
        work, stream = self.making.work, self._stream
        assert stream is not None
        assert stream.audio is not None
        rate = stream.audio.sample_rate
        window = max(1, round(rate / self.preset.waveform.points_per_second))
        lows: list[float] = []
        highs: list[float] = []

        def read(line: str) -> None:
            for kind, found in (("Min", lows), ("Max", highs)):
                if line.startswith(_LEVEL.format(kind)):
                    found.append(float(line.rpartition("=")[2]))

        late = late_by(work.info, stream, work.start)
        cut = cut_of(work.info, work.start, work.duration)
        options = input_options(work.info.demuxer, threads=work.job.threads, pixels=work.job.limits.pixels)
        lead = "".join(f"{written(each)}," for each in (*cut.before(), *from_the_start(late)))
        levels = (
            f"{lead}aformat=channel_layouts=mono:sample_fmts=flt,asetnsamples=n={window}:p=0,"
            "astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Min_level+Max_level,"
            "ametadata=mode=print:file=-"
        )
        work.job.run(
            "ffmpeg",
            [
                *GLOBAL_OPTIONS,
                *("-loglevel", "warning"),
                *as_words(options | cut.input),
                *("-i", file_argument(work.info.path), "-map", f"0:{stream.index}", "-af", levels),
                *("-f", "null", "-"),
            ],
            on_stdout=read,
        )
        if not lows or len(lows) != len(highs):
            raise ToolFailed("ffmpeg measured no peaks", tool="ffmpeg", returncode=0)
        return {
            "version": _VERSION,
            "channels": 1,
            "sample_rate": rate,
            "samples_per_pixel": window,
            "bits": 8,
            "length": len(lows),
            "data": [_byte(each) for pair in zip(lows, highs, strict=True) for each in pair],
        }


def _byte(level: float) -> int:
    # Sound in floating point may hold anything, infinity and no number included.
    return 0 if math.isnan(level) else round(max(-1.0, min(1.0, level)) * 127)
