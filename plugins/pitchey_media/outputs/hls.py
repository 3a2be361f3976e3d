"""A ladder for adaptive streaming: HLS with CMAF segments, one file for each rendition, addressed by byte ranges."""

from __future__ import annotations

import bisect
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import av

from pitchey_core.errors import InputError, ToolFailed
from pitchey_core.ffmpeg.filters import output_size
from pitchey_core.ffmpeg.formats import Container
from pitchey_core.ffmpeg.media import StreamInfo
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.steps import Wanted
from pitchey_core.ffmpeg.transcode import Rendered, Renders, Rendition
from pitchey_media.outputs.base import Making, PresetOutput
from pitchey_media.schema import Preset, Rung, box_of

__all__ = ["HlsOutput", "Segment", "read_segments"]

PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_NOTHING: Final[frozenset[str]] = frozenset()
# What the muxer of HLS writes: an mp4 of fragments. It is copied from nothing, so it keeps nothing.
_CMAF: Final = Container(
    "cmaf", "hls", "mov", "video/mp4", "h264", "aac",
    keeps_video=_NOTHING, keeps_audio=_NOTHING,
    holds_video=frozenset({"h264"}), holds_audio=frozenset({"aac"}),
)  # fmt: skip
_DURATION = re.compile(r"#EXTINF:([0-9.]+)")
_TARGET = re.compile(r"#EXT-X-TARGETDURATION:\d+")
_RANGE = re.compile(r"#EXT-X-BYTERANGE:(\d+)@(\d+)")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_AAC_LC: Final = "mp4a.40.2"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its length in seconds, and where it lies in its file, in bytes."""

    seconds: float
    offset: int
    bytes: int


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
        if self.preset.audio.codec == "none":
            return
        for number, stream in enumerate(each for each in info.of_kind("audio") if each.decodable):
            wanted = replace(self._base(), picture=False, track=stream.index)
            self._sounds.append(self._track(f"audio-{number}", stream, wanted, "audio/mp4"))

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
        self.path(self._master).write_text(self._playlist(pictures), "utf-8")
        reports = {report.index: report for report in pictures[0].plan.reports}
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

    def _playlist(self, pictures: Sequence[Rendered]) -> str:
        """The master playlist (RFC 8216). Bit rates are measured, not those that were asked for."""
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
        sounds = [self._segments(track) for track in self._sounds]
        default = next((n for n, track in enumerate(self._sounds) if track.stream.default), 0)
        names = unique([_title(track.stream) for track in self._sounds])
        for number, (track, name) in enumerate(zip(self._sounds, names, strict=True)):
            language = track.stream.language
            known = language is not None and language != "und" and _LANGUAGE.fullmatch(language)
            lines.append(
                f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="{name}",'
                + (f'LANGUAGE="{language}",' if known else "")
                + f"DEFAULT={'YES' if number == default else 'NO'},AUTOSELECT=YES,"
                + f'URI="{track.name}.m3u8"'
            )
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
            )
            lines.append(f"{track.name}.m3u8")
        return "\n".join(lines) + "\n"


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


def read_segments(playlist: str) -> list[Segment]:
    """The segments of a media playlist with byte ranges."""
    lengths = [float(each) for each in _DURATION.findall(playlist)]
    ranges = [(int(size), int(offset)) for size, offset in _RANGE.findall(playlist)]
    return [Segment(seconds, offset, size) for seconds, (size, offset) in zip(lengths, ranges, strict=True)]


def exact(playlist: str, path: Path) -> str:
    """The same playlist with the lengths that its segments really have.

    ffmpeg adds up what packets say of their lengths, which leaves out the gaps of a variable frame rate.
    """
    segments = read_segments(playlist)
    offsets = [segment.offset for segment in segments]
    starts = [math.inf] * len(segments)
    end = 0.0
    with av.open(file_argument(path), format="mov") as media:
        stream = media.streams[0]
        for packet in media.demux(stream):
            if packet.pts is None or packet.time_base is None or not packet.size:
                continue
            begin = float(packet.pts * packet.time_base)
            number = bisect.bisect_right(offsets, packet.pos or 0) - 1
            starts[number] = min(starts[number], begin)
            end = max(end, begin + float((packet.duration or 0) * packet.time_base))
    lengths = [after - before for before, after in itertools.pairwise([*starts, end])]
    found = iter(lengths)
    text = _DURATION.sub(lambda _: f"#EXTINF:{next(found):.6f}", playlist)
    # RFC 8216: no segment, rounded to the nearest second, may be longer.
    return _TARGET.sub(f"#EXT-X-TARGETDURATION:{max(1, *(math.floor(each + 0.5) for each in lengths))}", text)


def peak_rate(segments: Sequence[Segment]) -> int:
    """Bits a second of the busiest segment."""
    return max(round(each.bytes * 8 / max(each.seconds, 0.1)) for each in segments)


def mean_rate(segments: Sequence[Segment]) -> int:
    """Bits a second on average."""
    return round(sum(each.bytes for each in segments) * 8 / max(sum(each.seconds for each in segments), 0.1))


def codec_of(path: Path) -> tuple[str, float]:
    """The RFC 6381 name of an H.264 stream, from its configuration record, and its frame rate."""
    with av.open(file_argument(path), format="mov") as media:
        stream = media.streams.video[0]
        record = bytes(stream.codec_context.extradata or b"")
        rate = float(stream.average_rate or stream.guessed_rate or 0)
    return f"avc1.{record[1:4].hex()}", rate


def _title(stream: StreamInfo) -> str:
    """What a player's menu shows for a track; quotes and line ends would end the attribute."""
    language = stream.language if stream.language != "und" else None
    name = stream.title or language or "audio"
    return "".join(ch for ch in name if ch.isprintable() and ch != '"').strip() or "audio"


def unique(names: Sequence[str], separator: str = " ") -> list[str]:
    """Names that all differ, as members of one group must."""
    found: list[str] = []
    for name in names:
        number, candidate = 2, name
        while candidate in found:
            candidate, number = f"{name}{separator}{number}", number + 1
        found.append(candidate)
    return found
