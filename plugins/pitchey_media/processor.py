"""The ``media`` processor: probe, prepare each preset, encode all in one run, finish each preset."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import (
    ConfigError,
    InputError,
    PartialFailure,
    PitcheyError,
    ToolFailed,
    UsageError,
)
from pitchey_core.ffmpeg.facts import FileSummary
from pitchey_core.ffmpeg.forecast import estimate
from pitchey_core.ffmpeg.formats import container
from pitchey_core.ffmpeg.graph import Tap, sheet_tap
from pitchey_core.ffmpeg.hardware import EncoderChoice
from pitchey_core.ffmpeg.pictures import PictureNames, PictureOutputs, Pictures, take_pictures
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.sprite import SpriteLayout, sprite_layout
from pitchey_core.ffmpeg.steps import StreamPlan
from pitchey_core.ffmpeg.transcode import Renders, Transcoder
from pitchey_core.naming import portable_stem, shown_name, stem_of
from pitchey_core.processor import Plan, PlanningProcessor, PlanStep
from pitchey_media.catalog import Catalog, read_preset_file
from pitchey_media.facts import MediaFacts
from pitchey_media.outputs.animation import AnimationOutput
from pitchey_media.outputs.base import Making, PresetOutput
from pitchey_media.outputs.file import FileOutput
from pitchey_media.outputs.hls import HlsOutput
from pitchey_media.outputs.waveform import WaveformOutput
from pitchey_media.payload import MediaPayload
from pitchey_media.schema import Preset, ThumbnailSettings

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["MediaProcessor"]

_KINDS: dict[str, type[PresetOutput]] = {
    "file": FileOutput,
    "hls": HlsOutput,
    "animation": AnimationOutput,
    "waveform": WaveformOutput,
}
# Shares of the progress bar.
_ENCODE_FROM, _FINISH_FROM = 0.05, 0.9
# What one preset may fail with while the others go on.
_OWN_FAULTS = (InputError, UsageError, ConfigError, ToolFailed)
_SHEET = "sprite sheet"


class MediaProcessor(PlanningProcessor[MediaPayload, MediaFacts]):
    """Makes what presets say of one audio or video; see :class:`~pitchey_media.payload.MediaPayload`."""

    def process(self, payload: MediaPayload, job: JobContext) -> MediaFacts:
        """Make every preset's outputs.

        Raises:
            UnknownName, ConfigError: A preset does not exist, or is wrong.
            UsageError: Two presets would write the same file.
            InputError: The input is missing, damaged, or nothing can be made of it.
            PartialFailure: Some presets failed; the outputs of the others are published.
            OutputExists: An output is there already.
        """
        started = time.monotonic()
        presets = _presets(payload, job)
        _check_names(payload, presets)
        job.progress(0.0, "reading the input")
        making = _making(payload, job, job.artifact)
        outputs = [_KINDS[preset.output](name, preset, making) for name, preset in presets.items()]
        thumbnails = _Thumbnails(payload, outputs, making)
        work = making.work
        failures: dict[str, PitcheyError] = {}
        alive = _each(outputs, failures, lambda each: each.prepare())
        # ffmpeg's HLS muxer takes relative names only.
        work.folder = job.stage.folder
        renders = work.render(
            [rendition for each in alive for rendition in each.renditions()],
            progress=_encoding(job),
            taps=lambda plans: [
                *(tap for each in alive for tap in each.taps()),
                *thumbnails.taps(plans),
            ],
        )
        job.progress(_FINISH_FROM, "finishing")
        alive = _each(alive, failures, lambda each: each.finish(renders))
        with work.timed("pictures"):
            pictures = thumbnails.take(alive, renders)
        job.progress(1.0, "done")
        work.timings["total"] = round(time.monotonic() - started, 4)
        facts = MediaFacts(
            input=FileSummary.of(work.info),
            presets=[each.facts for each in outputs],
            thumbnails=pictures.thumbnails,
            poster=pictures.poster,
            sprite=pictures.sprite,
            timings=work.timings,
            warnings=pictures.warnings,
        )
        return _outcome(facts, failures, len(alive))

    def plan(self, payload: MediaPayload, job: JobContext) -> Plan:
        """What would become of each stream for each preset, with time and size predicted from two seconds."""
        presets = _presets(payload, job)
        _check_names(payload, presets)
        making = _making(payload, job, lambda name, _: job.workdir / name)
        steps: list[PlanStep] = []
        plans = []
        for name, preset in presets.items():
            output = _KINDS[preset.output](name, preset, making)
            try:
                output.prepare()
                for rendition in output.renditions():
                    plan = making.work.plan(rendition.wanted)
                    plans.append((plan, making.work.encoder(plan, payload.hardware)))
                    steps += _lines(rendition.name, plan)
                steps += [
                    PlanStep(
                        subject=tap.name, action="encode" if tap.step.source.kind == "subtitle" else "draw"
                    )
                    for tap in output.taps()
                ]
            except _OWN_FAULTS as error:
                steps.append(PlanStep(subject=name, action="fail", reason=str(error)))
        expected = estimate(job, making.work.info, [_as_file(*each) for each in plans]) if plans else None
        return Plan(
            summary=f"{len(presets)} preset{'s' if len(presets) > 1 else ''}: " + ", ".join(presets),
            steps=steps,
            wall_seconds=expected.wall_seconds if expected else None,
            cpu_seconds=expected.cpu_seconds if expected else None,
            output_bytes=expected.output_bytes if expected else None,
        )


def _lines(name: str, plan: StreamPlan) -> list[PlanStep]:
    return [
        PlanStep(
            subject=f"{name}, {report.kind} stream {report.index}",
            action=report.action,
            detail=report.to,
            reason=report.reason,
        )
        for report in plan.reports
    ]


def _presets(payload: MediaPayload, job: JobContext) -> dict[str, Preset]:
    """The presets by name.

    Raises:
        UnknownName: There is none of that name.
        ConfigError: One is wrong.
    """
    file = None
    if payload.preset_file is not None:
        file = read_preset_file(job.fetch(payload.preset_file), shown_name(payload.preset_file))
    catalog = Catalog.of(job.catalog("preset"), job.options, file)
    changes = payload.changes()
    return {name: catalog.preset(name, changes) for name in payload.output_presets}


def _as_file(plan: StreamPlan, encoder: EncoderChoice | None) -> tuple[StreamPlan, EncoderChoice | None]:
    """A plan as it is tried: the HLS muxer wants a playlist, and costs what any other does."""
    if plan.wanted.container.muxer != "hls":
        return plan, encoder
    return replace(plan, wanted=replace(plan.wanted, container=container("mp4"), options=())), encoder


def _making(payload: MediaPayload, job: JobContext, reserve: Callable[[str, str], Path]) -> Making:
    name = shown_name(payload.input_media)
    path = job.fetch(payload.input_media)
    started = time.monotonic()
    info = probe(path, limits=job.limits, name=name)
    work = Transcoder(job, info, name, payload.start, payload.duration)
    work.timings["probe"] = round(time.monotonic() - started, 4)
    return Making(payload, work, _stem(payload), reserve)


def _stem(payload: MediaPayload) -> str:
    given = payload.output_name
    return portable_stem(given) if given is not None else stem_of(payload.input_media)


def _check_names(payload: MediaPayload, presets: Mapping[str, Preset]) -> None:
    """See that no two presets write the same file, before anything is fetched.

    Raises:
        UsageError: Two do; it names both.
    """
    stem = _stem(payload)
    owners = {
        f"preset {name!r}": list(_KINDS[preset.output].names(name, preset, stem))
        for name, preset in presets.items()
    }
    if payload.generate_thumbnails and (main := _pictured(presets.values())) is not None:
        pictures = _picture_names(stem, main.thumbnails).media_types(main.thumbnails.format)
        owners["the pictures of the job"] = list(pictures)
    taken: list[tuple[str, str]] = []
    for owner, names in owners.items():
        for name in names:
            other = next((who for used, who in taken if _clash(used, name)), None)
            if other is not None:
                raise UsageError(
                    f"{other} and {owner} would both write {name!r} (upper and lower case count as equal)",
                    remedy="give one of the presets another name, or make them in two jobs",
                )
        taken += [(name, owner) for name in names]


def _clash(one: str, other: str) -> bool:
    """Whether two names are one for some file system, or one is a folder where the other is a file."""
    a, b = f"{one.casefold()}/", f"{other.casefold()}/"
    return a.startswith(b) or b.startswith(a)


def _each(
    outputs: Sequence[PresetOutput],
    failures: dict[str, PitcheyError],
    act: Callable[[PresetOutput], None],
) -> list[PresetOutput]:
    """Do something with each; those that fail are given up, and the others returned."""
    alive = []
    for each in outputs:
        try:
            act(each)
        except _OWN_FAULTS as error:
            failures[each.name] = error
            each.fail(error)
        else:
            alive.append(each)
    return alive


def _encoding(job: JobContext) -> Callable[[float | None, dict[str, float]], None]:
    """A reporter that maps 0…1 onto the encode's part of the job's progress."""

    def report(fraction: float | None, figures: dict[str, float]) -> None:
        place = None if fraction is None else _ENCODE_FROM + (_FINISH_FROM - _ENCODE_FROM) * fraction
        job.progress(place, "encoding", **figures)

    return report


def _outcome(facts: MediaFacts, failures: dict[str, PitcheyError], good: int) -> MediaFacts:
    if not failures:
        return facts
    first = next(iter(failures.values()))
    if not good:
        # Nothing was made, so the first error is the job's: its class says whether a retry can help.
        raise first
    words = "; ".join(f"{name}: {error.message}" for name, error in failures.items())
    raise PartialFailure(
        f"{len(failures)} of {len(facts.presets)} presets failed, the others are published: {words}",
        facts=facts.model_dump(mode="json"),
        remedy=first.remedy,
    )


class _Thumbnails:
    """The pictures of a job, taken of the first preset that makes a video."""

    def __init__(self, payload: MediaPayload, outputs: Sequence[PresetOutput], making: Making) -> None:
        self._making = making
        self._layout: SpriteLayout | None = None
        main = making.work.info.main_video
        source = _pictured([each.preset for each in outputs])
        has_video = source is not None and main is not None and main.video is not None
        self._outputs: PictureOutputs | None = None
        if not payload.generate_thumbnails or not has_video:
            return
        assert source is not None
        settings = source.thumbnails
        names = _picture_names(making.stem, settings)
        paths = {
            name: making.reserve(name, kind) for name, kind in names.media_types(settings.format).items()
        }
        self._outputs = PictureOutputs(
            names, settings.format, settings.width, paths.__getitem__, making.job.stage.drop
        )

    @property
    def _sheet(self) -> Path:
        return self._making.job.workdir / "sheet.png"

    def taps(self, plans: Sequence[StreamPlan]) -> list[Tap]:
        """The sprite sheet, drawn by the encode where a picture is encoded at all."""
        outputs, seconds = self._outputs, self._making.work.seconds
        drawn = next((plan.video for plan in plans if plan.draws), None)
        if outputs is None or outputs.names.sprite is None or drawn is None or not seconds:
            return []
        assert drawn.size is not None
        layout = self._layout = sprite_layout(seconds, drawn.size)
        return [
            sheet_tap(
                self._sheet,
                drawn,
                interval=layout.interval,
                tile=(layout.width, layout.height),
                columns=layout.columns,
                rows=layout.rows,
            )
        ]

    def take(self, outputs: Sequence[PresetOutput], renders: Renders) -> Pictures:
        """Take them of the first video that there is."""
        if self._outputs is None:
            return Pictures()
        video = next((path for each in outputs if (path := each.video) is not None), None)
        if video is None:
            for name in self._outputs.names.media_types(self._outputs.format_name):
                self._outputs.give_up(name)
            return Pictures(warnings=["no thumbnails: no preset made a video"])
        job = self._making.job
        drawn = self._layout is not None and renders.taps.get(_SHEET, self) is None
        sheet = (self._layout, self._sheet) if drawn and self._layout is not None else None
        return take_pictures(self._outputs, job, probe(video, limits=job.limits), sheet)


def _pictured(presets: Iterable[Preset]) -> Preset | None:
    """The first preset that makes a video; pictures are taken as it says."""
    return next(
        (
            each
            for each in presets
            if each.output == "hls" or (each.output == "file" and container(each.container).picture)
        ),
        None,
    )


def _picture_names(stem: str, settings: ThumbnailSettings) -> PictureNames:
    return PictureNames.of(
        stem, settings.format, thumbnails=settings.count, poster=settings.poster, sprite=settings.sprite
    )
