"""Containers and codecs, as tables.

Source: the ffmpeg documentation of each muxer for what it holds; for what ``auto`` keeps, what browsers and common
players read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pitchey_core.errors import UnknownName

__all__ = [
    "BITMAP_SUBTITLES",
    "CODEC_NAMES",
    "CONTAINERS",
    "QUALITY_BOXES",
    "SPEEDS",
    "TEXT_SUBTITLES",
    "Container",
    "Speed",
    "VideoCodec",
    "codec_title",
    "container",
    "holders",
    "mismatch",
]

VideoCodec = Literal["auto", "h264", "hevc", "av1", "vp9", "copy"]
Speed = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]
SPEEDS: Final[tuple[Speed, ...]] = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)

QUALITY_BOXES: Final[dict[str, tuple[int, int] | None]] = {
    "480p": (854, 480),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2160p": (3840, 2160),
    "source": None,
}
"""Width and height that a landscape picture must fit into; a portrait one must fit into the box turned by 90°."""

CODEC_NAMES: Final = {
    "h264": "H.264",
    "hevc": "HEVC",
    "av1": "AV1",
    "vp9": "VP9",
    "vp8": "VP8",
    "mpeg4": "MPEG-4",
    "aac": "AAC",
    "opus": "Opus",
    "mp3": "MP3",
    "ac3": "AC-3",
    "flac": "FLAC",
    "pcm_s16le": "PCM",
}

TEXT_SUBTITLES: Final = frozenset(
    {
        "subrip",
        "srt",
        "ass",
        "ssa",
        "mov_text",
        "webvtt",
        "text",
        "ttml",
        "sami",
        "microdvd",
        "subviewer",
        "stl",
    }
)
BITMAP_SUBTITLES: Final = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})


@dataclass(frozen=True, slots=True)
class Container:
    """An output format.

    Attributes:
        muxer: What ``-f`` takes for the output.
        demuxer: What reads it again; a key of :data:`pitchey_core.ffmpeg.sniffing.DEMUXERS`.
        video, audio: Codec that ``auto`` encodes to.
        keeps_video, keeps_audio: Codecs that ``auto`` copies, because the format's usual players read them.
        holds_video, holds_audio: Codecs that it can hold at all, for those who ask for them.
        subtitle: Codec that text subtitles are converted to; ``None`` where it has none.
        copies_subtitles: Subtitle codecs that are copied.
        attachments: Whether fonts can be carried along.
        variable_rate: Whether frames can have any distance.
        one_track: Whether it holds a single track of sound.
    """

    name: str
    muxer: str
    demuxer: str
    media_type: str
    video: str
    audio: str
    keeps_video: frozenset[str]
    keeps_audio: frozenset[str]
    holds_video: frozenset[str]
    holds_audio: frozenset[str]
    subtitle: str | None = None
    copies_subtitles: frozenset[str] = frozenset()
    attachments: bool = False
    faststart: bool = False
    variable_rate: bool = True
    one_track: bool = False

    @property
    def picture(self) -> bool:
        return bool(self.holds_video)


def _sound(
    name: str, muxer: str, demuxer: str, media_type: str, codec: str, *others: str, one_track: bool = True
) -> Container:
    held = frozenset({codec, *others})
    nothing: frozenset[str] = frozenset()
    return Container(
        name, muxer, demuxer, media_type, "", codec,
        keeps_video=nothing, keeps_audio=held, holds_video=nothing, holds_audio=held,
        one_track=one_track,
    )  # fmt: skip


_MP4_AUDIO = frozenset({"aac", "mp3", "opus", "ac3", "eac3", "flac", "alac"})
_PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s16be", "pcm_s24be"})
_MKV_VIDEO = frozenset(
    {
        "h264",
        "hevc",
        "av1",
        "vp9",
        "vp8",
        "mpeg4",
        "mpeg2video",
        "mpeg1video",
        "prores",
        "ffv1",
        "theora",
        "vc1",
    }
)
_MKV_AUDIO = frozenset(
    {
        "aac",
        "mp3",
        "opus",
        "vorbis",
        "flac",
        "ac3",
        "eac3",
        "dts",
        "truehd",
        "alac",
        "pcm_s16le",
        "pcm_s24le",
        "mp2",
    }
)

CONTAINERS: Final[dict[str, Container]] = {
    each.name: each
    for each in (
        Container(
            "mp4", "mp4", "mov", "video/mp4", "h264", "aac",
            keeps_video=frozenset({"h264"}),
            keeps_audio=frozenset({"aac", "mp3"}),
            holds_video=frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video"}),
            holds_audio=_MP4_AUDIO,
            subtitle="mov_text",
            copies_subtitles=frozenset({"mov_text"}),
            faststart=True,
        ),
        Container(
            "mov", "mov", "mov", "video/quicktime", "h264", "aac",
            keeps_video=frozenset({"h264"}),
            keeps_audio=frozenset({"aac", "mp3", "alac"}) | _PCM,
            holds_video=frozenset({"h264", "hevc", "prores", "mpeg4", "mpeg2video"}),
            holds_audio=frozenset({"aac", "mp3", "ac3", "eac3", "alac"}) | _PCM,
            subtitle="mov_text",
            copies_subtitles=frozenset({"mov_text"}),
            faststart=True,
        ),
        Container(
            "mkv", "matroska", "matroska", "video/x-matroska", "h264", "aac",
            keeps_video=frozenset({"h264", "hevc", "av1", "vp9"}),
            keeps_audio=_MKV_AUDIO,
            holds_video=_MKV_VIDEO,
            holds_audio=_MKV_AUDIO,
            subtitle="subrip",
            copies_subtitles=frozenset(
                {"subrip", "srt", "ass", "ssa", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"}
            ),
            attachments=True,
        ),
        Container(
            "webm", "webm", "matroska", "video/webm", "vp9", "opus",
            keeps_video=frozenset({"vp8", "vp9", "av1"}),
            keeps_audio=frozenset({"opus", "vorbis"}),
            holds_video=frozenset({"vp8", "vp9", "av1"}),
            holds_audio=frozenset({"opus", "vorbis"}),
            subtitle="webvtt",
            copies_subtitles=frozenset({"webvtt"}),
        ),
        Container(
            "avi", "avi", "avi", "video/x-msvideo", "h264", "mp3",
            keeps_video=frozenset({"h264"}),
            keeps_audio=frozenset({"mp3", "ac3", "pcm_s16le"}),
            holds_video=frozenset({"h264", "mpeg4"}),
            holds_audio=frozenset({"mp3", "ac3", "pcm_s16le", "aac"}),
            variable_rate=False,
        ),
        _sound("m4a", "ipod", "mov", "audio/mp4", "aac", "alac", one_track=False),
        _sound("mp3", "mp3", "mp3", "audio/mpeg", "mp3"),
        _sound("opus", "opus", "ogg", "audio/ogg", "opus"),
        _sound("flac", "flac", "flac", "audio/flac", "flac"),
        _sound("wav", "wav", "wav", "audio/wav", "pcm_s16le", "pcm_s24le"),
    )
}  # fmt: skip


def container(name: str) -> Container:
    """Look an output format up.

    Raises:
        UnknownName: There is none of that name.
    """
    try:
        return CONTAINERS[name]
    except KeyError:
        raise UnknownName("output format", name, CONTAINERS) from None


def codec_title(codec: str) -> str:
    """What people call a codec."""
    return CODEC_NAMES.get(codec, codec)


def holders(codec: str) -> list[str]:
    """Names of the video formats that hold a codec."""
    return [
        each.name
        for each in CONTAINERS.values()
        if each.picture and codec in each.holds_video | each.holds_audio
    ]


def mismatch(codec: str, box: Container, held: frozenset[str]) -> str:
    """Why a codec is not copied into a format: it cannot be, or its usual players would not read it."""
    if codec in held:
        return f"{codec_title(codec)} in {box.name} is not what was asked for"
    return f"{box.name} does not hold {codec_title(codec)}"
