"""A short silent animation, as GIF and WebP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from PIL import Image, UnidentifiedImageError

from pitchey_core.errors import InputError, ToolFailed
from pitchey_core.ffmpeg.formats import container
from pitchey_core.ffmpeg.graph import Tap
from pitchey_core.ffmpeg.media import late_by
from pitchey_core.ffmpeg.steps import Step
from pitchey_core.ffmpeg.transcode import Renders
from pitchey_media.outputs.base import Making, PresetOutput
from pitchey_media.schema import Preset

__all__ = ["AnimationOutput"]

_START_SHARE: Final = 0.1
_OPTIONS: Final[dict[str, dict[str, str]]] = {
    "gif": {"f": "gif", "loop": "0"},
    "webp": {"f": "webp", "c:v": "libwebp_anim", "loop": "0", "quality": "70", "compression_level": "4"},
}


class AnimationOutput(PresetOutput):
    """A preset with ``output = "animation"``."""

    def __init__(self, name: str, preset: Preset, making: Making) -> None:
        super().__init__(name, preset, making)
        self._step: Step | None = None
        self._names = dict(zip(preset.animation.formats, self.artifacts, strict=True))

    @classmethod
    def names(cls, name: str, preset: Preset, stem: str) -> dict[str, str]:
        return {f"{stem}-{name}.{kind}": f"image/{kind}" for kind in preset.animation.formats}

    def prepare(self) -> None:
        settings, work = self.preset.animation, self.making.work
        main = work.info.main_video
        if main is None or main.video is None:
            raise InputError(f"{work.name!r} holds no moving picture, so there is nothing to animate")
        width, height = main.video.display_size
        wide = min(settings.width, width)
        # Of any height: the width alone is given.
        wanted = self.making.wanted(container("mp4"), self.preset.video, self.preset.audio, subtitles=False)
        box = (wide, max(2, round(wide * height / width)))
        plan = work.plan(replace(wanted, box=(max(box), min(box)), codec="h264", crf=23, force="it is drawn"))
        self._step = plan.video

    def taps(self) -> Sequence[Tap]:
        assert self._step is not None
        return [
            Tap(name, self.path(name), self._step, self._draw(kind), _OPTIONS[kind])
            for kind, name in self._names.items()
        ]

    def _draw(self, kind: str) -> Callable[[Any], Any]:
        settings, seconds = self.preset.animation, self._seconds()
        start = settings.start if settings.start is not None else _START_SHARE * (seconds or 0.0)
        if seconds is not None:
            start = max(0.0, min(start, seconds - settings.seconds))
        assert self._step is not None
        assert self._step.size is not None
        width, height = self._step.size

        def draw(picture: Any) -> Any:
            part = picture.filter("trim", start=f"{start:.3f}", duration=f"{settings.seconds:.3f}")
            frames = part.filter("setpts", "PTS-STARTPTS").filter("fps", fps=f"{settings.fps:g}")
            small = frames.filter("scale", w=str(width), h=str(height), flags="lanczos")
            if kind != "gif":
                return small
            both = small.filter_multi_output("split")
            palette = both[0].filter("palettegen", stats_mode="diff")
            return _paletted(both[1], palette)

        return draw

    def _seconds(self) -> float | None:
        """How long there is a picture; sound may go on."""
        work, main = self.making.work, self.making.work.info.main_video
        known = [work.seconds] if work.seconds is not None else []
        if main is not None and main.duration_seconds is not None:
            end = late_by(work.info, main) + main.duration_seconds
            known.append(max(0.0, end - (work.start or 0.0)))
        return min(known, default=None)

    def finish(self, renders: Renders) -> None:
        for name in self._names.values():
            self.tapped(renders, name)
            _check(self.path(name), name)
        self.facts = self.facts.model_copy(update={"artifacts": self.artifacts})


def _paletted(frames: Any, palette: Any) -> Any:
    import ffmpeg

    return ffmpeg.filter(
        [frames, palette], "paletteuse", dither="bayer", bayer_scale="3", diff_mode="rectangle"
    )


def _check(path: Path, name: str) -> None:
    """ffmpeg's success is no proof that there is a picture in it."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, UnidentifiedImageError) as error:
        raise ToolFailed(f"{name!r} cannot be read again: {error}", tool="ffmpeg", returncode=0) from error
