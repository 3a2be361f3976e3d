"""A ladder for adaptive streaming: HLS with CMAF segments, one file for each rendition, addressed by byte ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pitchey_core.errors import InputError, ToolFailed
from pitchey_core.ffmpeg.encoders import CHANNELS
from pitchey_core.ffmpeg.filters import output_size
from pitchey_core.ffmpeg.formats import Container
from pitchey_core.ffmpeg.graph import Tap
from pitchey_core.ffmpeg.media import StreamInfo
from pitchey_core.ffmpeg.steps import Step, StreamReport, Wanted
from pitchey_core.ffmpeg.transcode import Rendered, Renders, Rendition
from pitchey_media.outputs.base import Making, PresetOutput
from pitchey_media.outputs.playlists import (
    PLAYLIST_TYPE,
    Segment,
    codec_of,
    exact,
    mean_rate,
    media_tag,
    peak_rate,
    read_segments,
    title_of,
    unique,
)
from pitchey_media.outputs.subtitles import SubtitleTrack, plan_subtitles
from pitchey_media.schema import Preset, Rung, box_of

__all__ = ["HlsOutput", "pruned"]

_NOTHING: Final[frozenset[str]] = frozenset()
# What the muxer of HLS writes: an mp4 of fragments. It is copied from nothing, so it keeps nothing.
_CMAF: Final = Container(
    "cmaf", "hls", "mov", "video/mp4", "h264", "aac",
    keeps_video=_NOTHING, keeps_audio=_NOTHING,
    holds_video=frozenset({"h264"}), holds_audio=frozenset({"aac"}),
)  # fmt: skip
_AAC_LC: Final = "mp4a.40.2"


@dataclass(frozen=True, slots=True)
class _Track:
    """One rendition of the ladder: a picture of one size, or one track of sound."""

    name: str
    rendition: Rendition
    stream: StreamInfo


class HlsOutput(PresetOutput):
    """A preset with ``output = "hls"``."""

    def __init__(self, name: str, preset: Preset, making: Making) -> None:
        super().__init__(name, preset, making)
        (self._master,) = self.artifacts
        self._folder = self._master.partition("/")[0]
        self._pictures: list[_Track] = []
        self._sounds: list[_Track] = []
        self._subtitles: list[SubtitleTrack] = []
        self._texts: list[StreamReport] = []

    @classmethod
    def names(cls, name: str, _preset: Preset, stem: str) -> dict[str, str]:
        return {f"{stem}-{name}/master.m3u8": PLAYLIST_TYPE}

    def prepare(self) -> None:
        info = self.making.work.info
        main = info.main_video
        if main is None or main.video is None:
            raise InputError(
                f"{self.making.work.name!r} holds no moving picture; a ladder is made of one",
                remedy="use a preset for sound, such as audio-podcast",
            )
        assert self.preset.hls is not None
        rungs = pruned(main, self.preset.hls.rungs)
        labels = unique([f"{min(size)}p" for size, _ in rungs], separator="-")
        for label, (_, rung) in zip(labels, rungs, strict=True):
            self._pictures.append(self._track(label, main, self._rung(rung), "video/mp4"))
        if self.preset.subtitles:
            self._plan_subtitles()
        if self.preset.audio.codec == "none":
            return
        for number, stream in enumerate(each for each in info.of_kind("audio") if each.decodable):
            wanted = replace(self._base(), picture=False, track=stream.index)
            self._sounds.append(self._track(f"audio-{number}", stream, wanted, "audio/mp4"))

    def _plan_subtitles(self) -> None:
        steps, self._texts = plan_subtitles(self.making.work.info, self._base(), self.making.work.name)
        for number, step in enumerate(steps):
            name = f"{self._folder}/subtitles-{number}"
            self.reserve(f"{name}.m3u8", PLAYLIST_TYPE)
            path = self.reserve(f"{name}.vtt", "text/vtt")
            self._subtitles.append(SubtitleTrack(f"{name}.vtt", path, step))

    def taps(self) -> Sequence[Tap]:
        return [track.tap for track in self._subtitles]

    def _base(self) -> Wanted:
        hls = self.preset.hls
        assert hls is not None
        wanted = self.making.wanted(_CMAF, self.preset.video, self.preset.audio, subtitles=False)
        return replace(
            wanted,
            from_start=True,
            options=(
                ("hls_time", f"{hls.segment_seconds:g}"),
                ("hls_playlist_type", "vod"),
                ("hls_segment_type", "fmp4"),
                ("hls_flags", "single_file+independent_segments"),
            ),
        )

    def _rung(self, rung: Rung) -> Wanted:
        hls = self.preset.hls
        assert hls is not None
        return replace(
            self._base(),
            box=box_of(rung.size),
            crf=rung.crf,
            max_bitrate=rung.max_bitrate,
            key_seconds=self.preset.video.key_seconds or hls.segment_seconds,
            audio_codec="none",
        )

    def _track(self, label: str, stream: StreamInfo, wanted: Wanted, media_type: str) -> _Track:
        name, playlist = f"{self._folder}/{label}.mp4", f"{self._folder}/{label}.m3u8"
        path = self.reserve(name, media_type)
        self.reserve(playlist, PLAYLIST_TYPE)
        wanted = replace(wanted, options=(*wanted.options, ("hls_segment_filename", name)))
        payload = self.making.payload
        rendition = Rendition(name, wanted, path, payload.hardware, payload.full_verify, playlist=playlist)
        return _Track(label, rendition, stream)

    def renditions(self) -> Sequence[Rendition]:
        return [track.rendition for track in (*self._pictures, *self._sounds)]

    def finish(self, renders: Renders) -> None:
        pictures = [self.rendered(renders, track.rendition.name) for track in self._pictures]
        sounds = [self.rendered(renders, track.rendition.name) for track in self._sounds]
        for track in (*self._pictures, *self._sounds):
            playlist = self.path(f"{self._folder}/{track.name}.m3u8")
            playlist.write_text(exact(playlist.read_text("utf-8"), track.rendition.path), "utf-8")
        self._check_alignment()
        self._finish_subtitles(renders)
        self.path(self._master).write_text(self._playlist(pictures, sounds), "utf-8")
        reports = {report.index: report for report in (*pictures[0].plan.reports, *self._texts)}
        for rendered in sounds:
            step = rendered.plan.audio[0]
            reports[step.source.index] = rendered.plan.reports[step.source.index]
        self.facts = self.facts.model_copy(
            update={
                "artifacts": self.artifacts,
                "playlist": self._master,
                "outputs": [self.describe(each) for each in (*pictures, *sounds)],
                "streams": [reports[index] for index in sorted(reports)],
                "loudness": [each for rendered in sounds for each in self.loudness(rendered)],
                "warnings": list(dict.fromkeys(w for each in (*pictures, *sounds) for w in each.warnings)),
            }
        )

    @property
    def video(self) -> Path | None:
        return self._pictures[0].rendition.path if self._pictures else None

    def _finish_subtitles(self, renders: Renders) -> None:
        """Complete the subtitles; those that cannot be converted are left out, since a film plays without them."""
        seconds = max(
            sum(segment.seconds for segment in self._segments(track))
            for track in (*self._pictures, *self._sounds)
        )
        for track in list(self._subtitles):
            playlist = track.name.removesuffix("vtt") + "m3u8"
            error = renders.taps[track.name] or track.complete(self.path(playlist), seconds)
            if error is None:
                continue
            self._subtitles.remove(track)
            for name in (track.name, playlist):
                self.give_up(name)
            lost = StreamReport.of(
                track.step.source, "drop", reason=f"it cannot be converted: {error.message}"
            )
            self._texts = [lost if each.index == lost.index else each for each in self._texts]

    # -- playlists ----------------------------------------------------------------------------------------------

    def _segments(self, track: _Track) -> list[Segment]:
        return read_segments(self.path(f"{self._folder}/{track.name}.m3u8").read_text("utf-8"))

    def _check_alignment(self) -> None:
        """A player switches between renditions at the begin of a segment; it must be the same time in each."""
        lengths = {
            track.name: [segment.seconds for segment in self._segments(track)] for track in self._pictures
        }
        first = next(iter(lengths.values()))
        for name, found in lengths.items():
            if len(found) != len(first) or any(abs(a - b) > 0.002 for a, b in zip(found, first, strict=True)):
                raise ToolFailed(
                    f"the segments of {name} are not those of {self._pictures[0].name}",
                    tool="ffmpeg",
                    returncode=0,
                    remedy="use hardware=off" if self.making.payload.hardware != "off" else None,
                )

    def _playlist(self, pictures: Sequence[Rendered], heard: Sequence[Rendered]) -> str:
        """The master playlist (RFC 8216). Bit rates are measured, not those that were asked for."""
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
        sounds = [self._segments(track) for track in self._sounds]
        lines += self._media_tags([each.plan.audio[0] for each in heard])
        loudest = max((peak_rate(each) for each in sounds), default=0)
        average = max((mean_rate(each) for each in sounds), default=0)
        for track, rendered in zip(self._pictures, pictures, strict=True):
            segments = self._segments(track)
            step = rendered.plan.video
            assert step is not None
            assert step.size is not None
            codecs, rate = codec_of(rendered.rendition.path)
            lines.append(
                f"#EXT-X-STREAM-INF:BANDWIDTH={peak_rate(segments) + loudest},"
                f"AVERAGE-BANDWIDTH={mean_rate(segments) + average},"
                f'CODECS="{",".join([codecs, _AAC_LC] if sounds else [codecs])}",'
                f"RESOLUTION={step.size[0]}x{step.size[1]},FRAME-RATE={rate:.3f}"
                + (',AUDIO="audio"' if sounds else "")
                + (',SUBTITLES="subtitles"' if self._subtitles else "")
            )
            lines.append(f"{track.name}.m3u8")
        return "\n".join(lines) + "\n"

    def _media_tags(self, steps: Sequence[Step]) -> list[str]:
        """The lines of the sounds, whose steps are given, and of the subtitles."""
        lines = []
        default = next((n for n, track in enumerate(self._sounds) if track.stream.default), 0)
        names = unique([title_of(track.stream, "audio") for track in self._sounds])
        for number, (track, name) in enumerate(zip(self._sounds, names, strict=True)):
            chosen = {"DEFAULT": "YES" if number == default else "NO", "AUTOSELECT": "YES"}
            if (channels := channels_of(steps[number])) is not None:
                chosen["CHANNELS"] = f'"{channels}"'
            lines.append(media_tag("AUDIO", "audio", name, track.stream, f"{track.name}.m3u8", chosen))
        streams = [track.step.source for track in self._subtitles]
        # A group has one default at most; sound always has one, subtitles only if their file says so.
        shown = next((n for n, stream in enumerate(streams) if stream.default), None)
        names = unique([title_of(stream, "subtitles") for stream in streams])
        for number, (stream, name) in enumerate(zip(streams, names, strict=True)):
            chosen = {"DEFAULT": "YES" if number == shown else "NO", "AUTOSELECT": "YES"}
            if stream.forced:
                chosen["FORCED"] = "YES"
            uri = self._subtitles[number].name.rpartition("/")[2].replace(".vtt", ".m3u8")
            lines.append(media_tag("SUBTITLES", "subtitles", name, stream, uri, chosen))
        return lines


def pruned(main: StreamInfo, rungs: Sequence[Rung]) -> list[tuple[tuple[int, int], Rung]]:
    """The rungs that a source deserves, with their sizes: none twice, none enlarged.

    Of the rungs that are as large as the source or larger the smallest stays, and gets the source's size.
    """
    assert main.video is not None
    found: dict[tuple[int, int], Rung] = {}
    for rung in rungs:
        # A later rung of the same size has the smaller box, so it fits better.
        found[output_size(main.video, box_of(rung.size))] = rung
    return sorted(found.items(), key=lambda each: -each[0][0] * each[0][1])


def channels_of(step: Step) -> int | None:
    """Channels of a track as it is written."""
    if step.action == "encode" and step.layout is not None:
        return CHANNELS[step.layout]
    return step.source.audio.channels if step.source.audio is not None else None
