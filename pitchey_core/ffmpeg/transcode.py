"""From one input to any number of outputs: plan, measure, encode in one run, verify; and what to do when that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import InputError, PitcheyError, ToolFailed, UsageError
from pitchey_core.ffmpeg.encode import EncodeStats, run_ffmpeg
from pitchey_core.ffmpeg.encoders import check_quality
from pitchey_core.ffmpeg.graph import Tap, build_arguments
from pitchey_core.ffmpeg.hardware import EncoderChoice, choose_encoder
from pitchey_core.ffmpeg.loudness import LoudnessReport, normalisation
from pitchey_core.ffmpeg.media import MediaInfo
from pitchey_core.ffmpeg.packets import measured
from pitchey_core.ffmpeg.plan import plan_streams
from pitchey_core.ffmpeg.renditions import Target
from pitchey_core.ffmpeg.steps import StreamPlan, Wanted
from pitchey_core.ffmpeg.tool import build_of
from pitchey_core.ffmpeg.verify import Expected, Verification, early_end, verify_output

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Rendered", "Renders", "Rendition", "Transcoder"]


@dataclass(frozen=True, slots=True)
class Rendition:
    """One output that is wanted.

    Attributes:
        name: What messages and results call it; unique within a job.
        path: Where to write it.
        hardware: ``off``, ``auto`` or a family of hardware encoders.
        full_verify: Decode all of it before it is trusted.
        playlist: See :class:`~pitchey_core.ffmpeg.renditions.Target`.
    """

    name: str
    wanted: Wanted
    path: Path
    hardware: str = "off"
    full_verify: bool = False
    playlist: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """An output that is written and verified.

    Attributes:
        encoder: ``None`` if the picture was copied, or there is none.
        stats: Of the ffmpeg run that made it, together with others.
        warnings: What a person should know although all went well.
    """

    rendition: Rendition
    plan: StreamPlan
    encoder: EncoderChoice | None
    stats: EncodeStats
    verification: Verification
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Try:
    """One attempt at a rendition."""

    rendition: Rendition
    plan: StreamPlan
    encoder: EncoderChoice | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renders:
    """What became of everything that was wanted.

    Attributes:
        outputs: By name of the rendition.
        taps: By name of the tap: why it is missing, or ``None``.
    """

    outputs: dict[str, Rendered | PitcheyError]
    taps: dict[str, PitcheyError | None]


Progress = Callable[[float | None, dict[str, float]], None]
MakeTaps = Callable[[Sequence[StreamPlan]], Sequence[Tap]]


def _no_taps(_: Sequence[StreamPlan]) -> Sequence[Tap]:
    return ()


@dataclass(slots=True)
class Transcoder:
    """The work on one input.

    Attributes:
        name: What to call the input in messages.
        start, duration: The part to work on, in seconds; every rendition's ``wanted`` says the same.
        folder: Where ffmpeg runs; names of playlists are relative to it.
        timings: Seconds of wall time by step, and ``encode_cpu`` in CPU seconds.
        loudness: What was measured, by index of the stream, the layout in which it is heard, and the target.
    """

    job: JobContext
    info: MediaInfo
    name: str
    start: float | None = None
    duration: float | None = None
    folder: Path | None = None
    timings: dict[str, float] = field(default_factory=dict)
    loudness: dict[tuple[int, str | None, float], LoudnessReport] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time of a block to a step."""
        started = time.monotonic()
        yield
        self.timings[step] = round(self.timings.get(step, 0.0) + time.monotonic() - started, 4)

    @property
    def seconds(self) -> float | None:
        """Play time of the part; ``None`` if the input does not say."""
        whole = self.info.duration_seconds
        left = None if whole is None else max(0.0, whole - (self.start or 0.0))
        return left if self.duration is None or left is None else min(left, self.duration)

    # -- before -------------------------------------------------------------------------------------------------

    def plan(self, wanted: Wanted) -> StreamPlan:
        """What happens to each stream for one output.

        Raises:
            InputError, UsageError: It cannot be made of this input.
        """
        main = self.info.main_video
        hdr = main is not None and main.video is not None and main.video.hdr is not None
        # Asking ffmpeg what it can costs two starts of it, so only where the answer matters.
        can_tone_map = not hdr or build_of(self.job.tool("ffmpeg")).has_filters("zscale", "tonemap")
        return plan_streams(self.info, wanted, can_tone_map=can_tone_map, name=self.name)

    def encoder(self, plan: StreamPlan, hardware: str = "off") -> EncoderChoice | None:
        """The video encoder of a plan; ``None`` if it encodes no picture."""
        if plan.video is None or plan.video.action == "copy":
            return None
        wanted = plan.wanted
        choice = choose_encoder(
            self.job,
            plan.video.codec,
            hardware=hardware,
            crf=wanted.crf,
            bit_rate=wanted.video_bitrate,
            max_bit_rate=wanted.max_bitrate,
            profile=wanted.profile,
            fixed_keys=wanted.key_seconds is not None,
        )
        check_quality(choice.software, wanted.crf)
        return choice

    # -- the run ------------------------------------------------------------------------------------------------

    def render(
        self, renditions: Sequence[Rendition], *, progress: Progress, taps: MakeTaps = _no_taps
    ) -> Renders:
        """Make every rendition and tap from one decode of the input. One that fails does not take others with it.

        Args:
            progress: Takes the fraction of the encode, and its figures.
            taps: Called once with the plans that can be made, for further outputs of the run.

        Raises:
            Cancelled, LimitExceeded, OutOfSpace, ToolMissing: What no output can get past.
        """
        outputs: dict[str, Rendered | PitcheyError] = {}
        tries: list[_Try] = []
        for rendition in renditions:
            try:
                plan = self.plan(rendition.wanted)
                tries.append(_Try(rendition, plan, self.encoder(plan, rendition.hardware)))
            except (InputError, UsageError, ToolFailed) as error:
                outputs[rendition.name] = error
        tapped = list(taps([each.plan for each in tries]))
        tap_results: dict[str, PitcheyError | None] = {}
        if len(tries) + len(tapped) > 1:
            try:
                done = self._run(tries, progress, tapped)
            except ToolFailed as failure:
                self.job.log.warning("together they fail, so each is made alone: %s", failure)
            else:
                outputs |= done
                tries = [each for each in tries if isinstance(done[each.rendition.name], ToolFailed)]
                tap_results = {tap.name: None for tap in tapped}
        for each in tries:
            outputs[each.rendition.name] = self._alone(each, progress)
        for tap in tapped:
            if tap.name not in tap_results:
                tap_results[tap.name] = self._tap_alone(tap, progress)
        return Renders({rendition.name: outputs[rendition.name] for rendition in renditions}, tap_results)

    def _tap_alone(self, tap: Tap, progress: Progress) -> PitcheyError | None:
        try:
            self._run([], progress, [tap])
        except ToolFailed as failure:
            return failure
        return None

    def _alone(self, first: _Try, progress: Progress) -> Rendered | PitcheyError:
        """Make one output; falls back from hardware to software, and from copying to encoding."""
        current, forced = first, False
        while True:
            try:
                outcome = self._run([current], progress)[current.rendition.name]
            except ToolFailed as failure:
                outcome = failure
            if not isinstance(outcome, ToolFailed):
                return outcome
            plan, encoder = current.plan, current.encoder
            if encoder is not None and encoder.hardware is not None:
                software = self.encoder(plan)
                assert software is not None
                reason = f"{encoder.hardware}: {outcome.message}"
                current = replace(current, encoder=software.because(reason))
            elif plan.copies_by_choice and not forced:
                forced = True
                plan = self.plan(plan.wanted.forced())
                words = f"copying failed, so it was encoded: {outcome.message}"
                encoder = self.encoder(plan, current.rendition.hardware)
                current = _Try(current.rendition, plan, encoder, (*current.warnings, words))
            else:
                return outcome
            current.rendition.path.unlink(missing_ok=True)

    def _run(
        self, tries: Sequence[_Try], progress: Progress, taps: Sequence[Tap] = ()
    ) -> dict[str, Rendered | PitcheyError]:
        """One run of ffmpeg, and the verification of what it wrote.

        Raises:
            ToolFailed: ffmpeg failed.
        """
        targets = [
            Target(
                each.plan,
                each.rendition.path,
                each.encoder,
                self._measured(each.plan),
                each.rendition.playlist,
            )
            for each in tries
        ]
        with self.timed("encode"):
            stats = run_ffmpeg(
                self.job,
                build_arguments(
                    self.info,
                    targets,
                    threads=self.job.threads,
                    pixels=self.job.limits.pixels,
                    taps=taps,
                    start=self.start,
                    duration=self.duration,
                ),
                duration=self.seconds,
                report=progress,
                cwd=self.folder,
            )
        self.timings["encode_cpu"] = round(self.timings.get("encode_cpu", 0.0) + stats.cpu_seconds, 4)
        results: dict[str, Rendered | PitcheyError] = {}
        counted = next((each for each in tries if each.plan.video is not None), None)
        with self.timed("verify"):
            for each in tries:
                frames = stats.frames if each is counted else None
                try:
                    results[each.rendition.name] = self._verified(each, stats, frames)
                except (InputError, ToolFailed) as error:
                    results[each.rendition.name] = error
        return results

    def _measured(self, plan: StreamPlan) -> Mapping[int, LoudnessReport]:
        """First pass of the loudness normalisation: once for what several outputs hear alike."""
        wanted, found = plan.wanted, {}
        if wanted.loudness is None:
            return {}
        for step in plan.audio:
            index = step.source.index
            key = (index, step.layout, wanted.loudness)
            if key not in self.loudness:
                self.job.progress(None, "measuring loudness")
                with self.timed("loudness"):
                    self.loudness[key] = normalisation(
                        self.job,
                        self.info,
                        index,
                        wanted.loudness,
                        layout=step.layout,
                        start=wanted.start,
                        duration=wanted.duration,
                    )
            found[index] = self.loudness[key]
        return found

    # -- after --------------------------------------------------------------------------------------------------

    def _verified(self, each: _Try, stats: EncodeStats, frames: int | None) -> Rendered:
        plan, rendition = each.plan, each.rendition

        def compare(info: MediaInfo) -> Verification:
            return verify_output(
                rendition.path,
                plan.wanted.container.demuxer,
                Expected.of(info, plan, frames=frames),
                full=rendition.full_verify,
                threads=self.job.threads,
                check=self.job.check,
            )

        verification = compare(self.info)
        if verification.short:
            real = measured(self.info, check=self.job.check)
            ends = early_end(self.info, real)
            if ends is not None:
                kept = f"{max(ends[1] - 0.5 - (plan.wanted.start or 0.0), 0.1):.1f}"
                raise InputError(
                    f"{self.name!r} ends early: its header claims {ends[0]:.1f} s, but it stops at {ends[1]:.1f} s",
                    remedy=f"copy or download it again, or keep what is there with duration={kept}",
                )
            # Complete, but its header counts a track that is not kept, such as subtitles behind the last picture.
            verification = compare(real)
        if not verification.ok:
            problems = "; ".join(verification.problems)
            raise ToolFailed(
                f"ffmpeg reported success for {self.name!r}, but the output is not right: {problems}",
                tool="ffmpeg",
                returncode=0,
                stderr_tail=stats.messages,
                remedy="the input may be damaged: play it to the end; if it is fine, try another speed or codec",
            )
        warnings = (*plan.warnings, *verification.warnings, *each.warnings)
        return Rendered(rendition, plan, each.encoder, stats, verification, warnings)
