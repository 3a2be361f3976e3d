"""What every kind of output has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import PitcheyError
from pitchey_core.ffmpeg.facts import EncoderFacts, FileSummary, VerificationFacts
from pitchey_core.ffmpeg.formats import Container
from pitchey_core.ffmpeg.graph import Tap
from pitchey_core.ffmpeg.loudness import measure_loudness
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.steps import Wanted
from pitchey_core.ffmpeg.transcode import Rendered, Renders, Rendition, Transcoder
from pitchey_media.facts import LoudnessFacts, OutputFacts, PresetFacts
from pitchey_media.payload import MediaPayload
from pitchey_media.schema import AudioSettings, Preset, VideoSettings, box_of

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Making", "PresetOutput"]


@dataclass(frozen=True, slots=True)
class Making:
    """What the outputs of one job share.

    Attributes:
        stem: What the names of all outputs begin with.
        reserve: Takes the name of an artifact and its media type, and returns where to write it.
    """

    payload: MediaPayload
    work: Transcoder
    stem: str
    reserve: Callable[[str, str], Path]

    @property
    def job(self) -> JobContext:
        return self.work.job

    def wanted(
        self, box: Container, video: VideoSettings, audio: AudioSettings, *, subtitles: bool
    ) -> Wanted:
        """What a preset's settings ask of one file."""
        keeps_all = video.copy_fitting and audio.copy_fitting
        return Wanted(
            container=box,
            box=box_of(video.size),
            codec=video.codec,
            crf=video.crf,
            video_bitrate=video.bitrate,
            speed=video.speed,
            audio_codec=audio.codec,
            audio_bitrate=audio.bitrate,
            insist_sound=False,
            insist=video.bitrate is not None or video.quality is not None,
            start=self.payload.start,
            duration=self.payload.duration,
            max_fps=video.max_fps,
            loudness=audio.loudness,
            subtitles=subtitles,
            max_bitrate=video.max_bitrate,
            key_seconds=video.key_seconds,
            max_key_seconds=video.max_key_seconds,
            profile=video.profile,
            max_channels=audio.channels,
            sample_rate=audio.sample_rate,
            force=None if keeps_all else "the preset always encodes",
        )


class PresetOutput(ABC):
    """The work on one preset of a job.

    Its names are reserved when it is made; :meth:`prepare` may take long.
    """

    def __init__(self, name: str, preset: Preset, making: Making) -> None:
        self.name = name
        self.preset = preset
        self.making = making
        self.facts = PresetFacts(preset=name, status="completed")
        self._paths: dict[str, Path] = {}
        for each, media_type in self.names(name, preset, making.stem).items():
            self.reserve(each, media_type)

    @classmethod
    @abstractmethod
    def names(cls, name: str, preset: Preset, stem: str) -> dict[str, str]:
        """The artifacts that a preset makes of every input, with their media types; a ladder adds its renditions."""

    @abstractmethod
    def prepare(self) -> None:
        """Look into the input as far as the preset needs it.

        Raises:
            PitcheyError: The preset cannot be made of this input.
        """

    def renditions(self) -> Sequence[Rendition]:
        """The media files that the encode writes."""
        return ()

    def taps(self) -> Sequence[Tap]:
        """What else the encode draws."""
        return ()

    @abstractmethod
    def finish(self, renders: Renders) -> None:
        """Complete the outputs and the facts.

        Raises:
            PitcheyError: What the preset needed has failed.
        """

    @property
    def video(self) -> Path | None:
        """A finished video that thumbnails can be taken of."""
        return None

    # -- names --------------------------------------------------------------------------------------------------

    def reserve(self, name: str, media_type: str) -> Path:
        """Reserve an artifact, and return where to write it.

        Raises:
            OutputExists: It is there already.
        """
        path = self._paths[name] = self.making.reserve(name, media_type)
        return path

    def path(self, name: str) -> Path:
        return self._paths[name]

    @property
    def artifacts(self) -> list[str]:
        return list(self._paths)

    def give_up(self, name: str) -> None:
        """Release an artifact, written or not."""
        self.making.job.stage.drop(name)
        del self._paths[name]

    def fail(self, error: PitcheyError) -> None:
        """Give up the preset with everything that it has written; the others go on."""
        for name in self.artifacts:
            self.give_up(name)
        self.facts = self.facts.model_copy(
            update={"status": "failed", "error": error.as_record(), "artifacts": [], "outputs": []}
        )

    # -- what several kinds need --------------------------------------------------------------------------------

    def rendered(self, renders: Renders, name: str) -> Rendered:
        """A rendition that must be there."""
        outcome = renders.outputs[name]
        if isinstance(outcome, PitcheyError):
            raise outcome
        return outcome

    def tapped(self, renders: Renders, name: str) -> None:
        """Check that something was drawn that must be there."""
        error = renders.taps[name]
        if error is not None:
            raise error

    def describe(self, rendered: Rendered) -> OutputFacts:
        """The facts of a media file."""
        job, box = self.making.job, rendered.rendition.wanted.container
        info = probe(rendered.rendition.path, limits=job.limits)
        return OutputFacts(
            name=rendered.rendition.name,
            summary=FileSummary.of(info, format_name=box.name),
            encoder=EncoderFacts.of(rendered),
            verification=VerificationFacts.of(rendered),
        )

    def loudness(self, rendered: Rendered) -> list[LoudnessFacts]:
        """Loudness before and after, of each track that was normalised."""
        target = rendered.rendition.wanted.loudness
        if target is None:
            return []
        work, found = self.making.work, []
        info = probe(rendered.rendition.path, limits=work.job.limits)
        with work.timed("loudness"):
            for step, stream in zip(rendered.plan.audio, info.of_kind("audio"), strict=True):
                before = work.loudness[step.source.index, step.layout, target]
                after = measure_loudness(work.job, info, stream.index)
                found.append(
                    LoudnessFacts(
                        stream=step.source.index,
                        target_lufs=target,
                        before_lufs=before.measured_lufs,
                        before_peak_dbtp=before.measured_peak_dbtp,
                        range_lu=before.measured_range_lu,
                        gain_db=before.gain_db,
                        limited=before.limited,
                        after_lufs=after.lufs,
                        after_peak_dbtp=after.peak_dbtp,
                    )
                )
        return found
