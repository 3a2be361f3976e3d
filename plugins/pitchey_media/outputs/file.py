"""One media file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pitchey_core.ffmpeg.formats import container
from pitchey_core.ffmpeg.steps import Wanted
from pitchey_core.ffmpeg.transcode import Rendered, Renders, Rendition
from pitchey_media.outputs.base import Making, PresetOutput
from pitchey_media.quality import QualitySearch, score_of
from pitchey_media.schema import Preset

__all__ = ["FileOutput"]

# Of the source's bit rate, so that a second try is smaller for certain.
_BELOW = 0.93


class FileOutput(PresetOutput):
    """A preset with ``output = "file"``."""

    def __init__(self, name: str, preset: Preset, making: Making) -> None:
        super().__init__(name, preset, making)
        self._box = container(preset.container)
        (self._artifact,) = self.artifacts
        self._wanted: Wanted = making.wanted(
            self._box, preset.video, preset.audio, subtitles=preset.subtitles
        )
        has_picture = making.work.info.main_video is not None
        if self._box.picture and not has_picture:
            self._wanted = replace(self._wanted, picture=False)
        if not (self._box.picture and self._wanted.picture):
            self._wanted = replace(self._wanted, from_start=True)

    @classmethod
    def names(cls, name: str, preset: Preset, stem: str) -> dict[str, str]:
        return {f"{stem}-{name}.{preset.container}": container(preset.container).media_type}

    def prepare(self) -> None:
        target = self.preset.video.quality
        if target is None:
            return
        # With any value at all the picture is encoded; which one, the search will tell.
        plan = self.making.work.plan(replace(self._wanted, crf=target.min_crf))
        if plan.video is None or plan.video.action == "copy":
            return
        search = QualitySearch(self.making.work, plan, target)
        found = search.run()
        self.facts = self.facts.model_copy(update={"quality": found})
        self._wanted = replace(self._wanted, crf=found.crf)

    def renditions(self) -> Sequence[Rendition]:
        payload = self.making.payload
        return [
            Rendition(
                self._artifact,
                self._wanted,
                self.path(self._artifact),
                payload.hardware,
                payload.full_verify,
            )
        ]

    def finish(self, renders: Renders) -> None:
        done = self._not_grown(self.rendered(renders, self._artifact))
        quality = self.facts.quality
        if quality is not None:
            with self.making.work.timed("final_score"):
                final, every = score_of(self.making.work, done, quality.metric)
            quality = quality.model_copy(update={"final": final, "final_every": every})
        self.facts = self.facts.model_copy(
            update={
                "artifacts": self.artifacts,
                "outputs": [self.describe(done)],
                "streams": list(done.plan.reports),
                "loudness": self.loudness(done),
                "quality": quality,
                "warnings": [*self.facts.warnings, *done.warnings],
            }
        )

    @property
    def video(self) -> Path | None:
        return self.path(self._artifact) if self._box.picture and self._wanted.picture else None

    def _not_grown(self, done: Rendered) -> Rendered:
        """Encode again, at the source's bit rate, what has become larger than the source."""
        info, video = self.making.work.info, done.plan.video
        whole = self.making.payload.start is None and self.making.payload.duration is None
        if self.preset.may_grow or not whole or video is None or video.action == "copy":
            return done
        size = done.rendition.path.stat().st_size
        if size <= info.bytes or not info.duration_seconds:
            return done
        rate = video.source.bit_rate or int(info.bytes * 8 / info.duration_seconds)
        path = self.making.job.workdir / self._artifact
        wanted = replace(done.rendition.wanted, crf=None, video_bitrate=max(10_000, int(rate * _BELOW)))
        again = replace(done.rendition, wanted=wanted, path=path)
        self.making.job.log.info("%s is larger than its source, so it is encoded again", self._artifact)
        renders = self.making.work.render(
            [again], progress=lambda _, figures: self.making.job.progress(None, "encoding again", **figures)
        )
        outcome = self.rendered(renders, again.name)
        smaller = path.stat().st_size
        if smaller >= size:
            # What grew is not the picture; its quality is not given away for nothing.
            path.unlink()
            return replace(done, warnings=(*done.warnings, f"it is larger than the source ({size} bytes)"))
        shutil.move(path, done.rendition.path)
        words = (
            f"it was larger than the source ({size} bytes), "
            f"so it was encoded again at {rate * _BELOW / 1000:.0f} kb/s"
        )
        return replace(outcome, rendition=done.rendition, warnings=(*outcome.warnings, words))
