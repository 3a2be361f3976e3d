"""Containers, codecs and encoder settings, as tables.

Sources: the ffmpeg documentation of each muxer and encoder for what fits where; the encoders' own recommendations for
constant-quality defaults (x264 23, x265 28, libvpx-vp9 about 31 at 1080p, SVT-AV1 35, aom 30). Constant-quality
values are scales of their own: they compare neither between encoders nor between the speeds of one encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pitchey_core.errors import UnknownName, UsageError

__all__ = [
    "AUDIO_ENCODERS",
    "BITMAP_SUBTITLES",
    "CODEC_NAMES",
    "CONTAINERS",
    "QUALITY_BOXES",
    "SPEEDS",
    "TEXT_SUBTITLES",
    "VIDEO_ENCODERS",
    "AudioEncoder",
    "Container",
    "Speed",
    "VideoCodec",
    "VideoEncoder",
    "audio_bit_rate",
    "container",
    "encoder_options",
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
}

TEXT_SUBTITLES: Final = frozenset(
    {"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text", "ttml", "sami", "microdvd", "subviewer", "stl"}
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


_MP4_AUDIO = frozenset({"aac", "mp3", "opus", "ac3", "eac3", "flac", "alac"})
_PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s16be", "pcm_s24be"})
_MKV_VIDEO = frozenset(
    {"h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mpeg1video", "prores", "ffv1", "theora", "vc1"}
)
_MKV_AUDIO = frozenset(
    {"aac", "mp3", "opus", "vorbis", "flac", "ac3", "eac3", "dts", "truehd", "alac", "pcm_s16le", "pcm_s24le", "mp2"}
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


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """A software encoder. ``max_quality`` is the worst value of its constant-quality scale."""

    name: str
    codec: str
    quality: int
    max_quality: int


VIDEO_ENCODERS: Final[dict[str, tuple[VideoEncoder, ...]]] = {
    "h264": (VideoEncoder("libx264", "h264", 23, 51),),
    "hevc": (VideoEncoder("libx265", "hevc", 28, 51),),
    "av1": (VideoEncoder("libsvtav1", "av1", 35, 63), VideoEncoder("libaom-av1", "av1", 30, 63)),
    "vp9": (VideoEncoder("libvpx-vp9", "vp9", 31, 63),),
}
"""Software encoders by codec, best first."""


@dataclass(frozen=True, slots=True)
class AudioEncoder:
    """An audio encoder.

    Attributes:
        kbits_mono, kbits_stereo, kbits_channel: Default rate: one channel, two, and each one beyond.
        sample_rates: Rates in Hz that it takes, highest first; empty for any.
    """

    name: str
    codec: str
    kbits_mono: int
    kbits_stereo: int
    kbits_channel: int
    max_channels: int
    sample_rates: tuple[int, ...] = ()
    lossless: bool = False


AUDIO_ENCODERS: Final[dict[str, AudioEncoder]] = {
    each.codec: each
    for each in (
        AudioEncoder("aac", "aac", 96, 160, 64, 8, (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)),
        AudioEncoder("libopus", "opus", 80, 128, 48, 8, (48000,)),
        AudioEncoder("libmp3lame", "mp3", 96, 192, 0, 2, (48000, 44100, 32000, 24000, 22050, 16000)),
        AudioEncoder("ac3", "ac3", 128, 192, 64, 6, (48000, 44100, 32000)),
        AudioEncoder("flac", "flac", 0, 0, 0, 8, (), lossless=True),
    )
}


def audio_bit_rate(encoder: AudioEncoder, channels: int) -> int | None:
    """Default rate in bits a second for that many channels; ``None`` for a lossless encoder."""
    if encoder.lossless:
        return None
    if channels == 1:
        return encoder.kbits_mono * 1000
    return (encoder.kbits_stereo + encoder.kbits_channel * max(0, channels - 2)) * 1000


# Preset numbers by place in SPEEDS, from ultrafast to veryslow.
_SVT_PRESETS = (12, 11, 10, 9, 8, 7, 5, 4, 3)
_VPX_CPU = (8, 7, 6, 5, 4, 3, 2, 1, 0)
_AOM_CPU = (8, 8, 7, 7, 6, 5, 4, 3, 2)
_VPX_TILE_WIDTH = 512


def encoder_options(
    encoder: VideoEncoder,
    *,
    speed: Speed,
    quality: int | None,
    bit_rate: int | None,
    threads: int,
    width: int,
) -> dict[str, str]:
    """ffmpeg options for a software encoder, without the stream specifier.

    Args:
        quality: On the encoder's own scale; default: the encoder's.
        bit_rate: Average in bits a second, capped at 1.5 times within two seconds; replaces ``quality``.
        threads: Threads that it should use.
        width: Of the picture, in pixels.

    Raises:
        UsageError: ``quality`` is off the encoder's scale.
    """
    if quality is not None and not 0 <= quality <= encoder.max_quality:
        raise UsageError(
            f"crf {quality} is off the scale of {encoder.name}",
            remedy=f"0 (best) to {encoder.max_quality}; its default is {encoder.quality}",
        )
    place = SPEEDS.index(speed)
    crf = str(encoder.quality if quality is None else quality)
    options: dict[str, str]
    match encoder.name:
        case "libx264":
            options = {"preset": speed, "crf": crf}
        case "libx265":
            options = {"preset": speed, "crf": crf, "x265-params": f"pools={threads}:log-level=error"}
        case "libsvtav1":
            options = {"preset": str(_SVT_PRESETS[place]), "crf": crf, "svtav1-params": f"lp={min(threads, 6)}"}
        case "libaom-av1":
            options = {"cpu-used": str(_AOM_CPU[place]), "crf": crf, "b": "0", "row-mt": "1"}
        case "libvpx-vp9":
            tiles = max(0, min(4, (width // _VPX_TILE_WIDTH).bit_length() - 1))
            fast = {"deadline": "realtime"} if place < 3 else {"deadline": "good"}
            cpu = _VPX_CPU[place] if place < 3 else min(_VPX_CPU[place], 5)
            options = {
                "crf": crf, "b": "0", "row-mt": "1", "tile-columns": str(tiles), "cpu-used": str(cpu), **fast,
            }  # fmt: skip
        case _:
            raise UsageError(f"no settings for encoder {encoder.name!r}")
    if bit_rate is not None:
        del options["crf"]
        options["b"] = str(bit_rate)
        if encoder.name in {"libx264", "libx265", "libvpx-vp9"}:
            options |= {"maxrate": str(bit_rate * 3 // 2), "bufsize": str(bit_rate * 2)}
    return options
