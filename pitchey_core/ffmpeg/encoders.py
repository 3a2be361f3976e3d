"""Encoders and their settings, as tables.

Sources: the encoders' own recommendations for constant-quality defaults (x264 23, x265 28, libvpx-vp9 about 31 at
1080p, SVT-AV1 35, aom 30). Constant-quality values are scales of their own: they compare neither between encoders nor
between the speeds of one encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pitchey_core.errors import UsageError
from pitchey_core.ffmpeg.formats import SPEEDS, Speed

__all__ = [
    "AUDIO_ENCODERS",
    "VIDEO_ENCODERS",
    "AudioEncoder",
    "VideoEncoder",
    "audio_bit_rate",
    "encoder_options",
]


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
        AudioEncoder(
            "aac", "aac", 96, 160, 64, 8, (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
        ),
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
            options = {
                "preset": str(_SVT_PRESETS[place]),
                "crf": crf,
                "svtav1-params": f"lp={min(threads, 6)}",
            }
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
