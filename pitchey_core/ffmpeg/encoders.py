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
    "check_quality",
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
        layouts: Channel layouts that it takes, as ffmpeg names them, the usual one of each number first.
        kbits_range: Least and most for one channel and for all of them.
        sample_rates: Rates in Hz that it takes, highest first; empty for any.
    """

    name: str
    codec: str
    kbits_mono: int
    kbits_stereo: int
    kbits_channel: int
    layouts: tuple[str, ...]
    kbits_range: tuple[int, int] = (8, 512)
    sample_rates: tuple[int, ...] = ()
    lossless: bool = False

    def layout_for(self, channels: int, layout: str | None, most: int | None = None) -> tuple[str, int]:
        """The layout that sound ends in, and its number of channels.

        Args:
            channels: Of the source.
            layout: Of the source, if it is known.
            most: More channels are mixed down.
        """
        wanted = min(channels, most or channels)
        if layout in self.layouts and wanted == channels:
            return layout, channels
        counts = {each: CHANNELS[each] for each in self.layouts}
        fitting = max(count for count in counts.values() if count <= max(wanted, 1))
        return next(name for name, count in counts.items() if count == fitting), fitting


CHANNELS: Final = {
    "mono": 1, "stereo": 2, "3.0": 3, "2.1": 3, "4.0": 4, "quad": 4, "5.0": 5, "5.0(side)": 5, "5.1": 6,
    "5.1(side)": 6, "6.1": 7, "7.1": 8,
}  # fmt: skip
"""Channels of each layout, by the names that ffmpeg gives them."""

_VORBIS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_DOLBY = ("mono", "stereo", "3.0", "4.0", "quad", "5.0", "5.0(side)", "5.1", "5.1(side)")
_WAVE = (*_VORBIS, "5.0(side)", "5.1(side)", "2.1", "4.0")


AUDIO_ENCODERS: Final[dict[str, AudioEncoder]] = {
    each.codec: each
    for each in (
        AudioEncoder(
            "aac",
            "aac",
            96,
            160,
            64,
            (*_VORBIS, "4.0", "2.1"),
            (8, 512),
            (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000),
        ),
        AudioEncoder("libopus", "opus", 80, 128, 48, _VORBIS, (6, 256), (48000,)),
        AudioEncoder(
            "libmp3lame",
            "mp3",
            96,
            192,
            0,
            ("mono", "stereo"),
            (32, 320),
            (48000, 44100, 32000, 24000, 22050, 16000),
        ),
        AudioEncoder(
            "ac3",
            "ac3",
            128,
            192,
            64,
            _DOLBY,
            (32, 640),
            (48000, 44100, 32000),
        ),
        AudioEncoder("flac", "flac", 0, 0, 0, (*_VORBIS, "5.0(side)", "5.1(side)"), lossless=True),
        AudioEncoder("pcm_s16le", "pcm_s16le", 0, 0, 0, _WAVE, lossless=True),
    )
}


def audio_bit_rate(encoder: AudioEncoder, channels: int, asked: int | None = None) -> int | None:
    """Rate in bits a second for that many channels; ``None`` for a lossless encoder.

    Args:
        asked: What was asked for; the encoder's range holds. Default: what suits the encoder.
    """
    if encoder.lossless:
        return None
    if asked is None:
        stereo = encoder.kbits_stereo + encoder.kbits_channel * max(0, channels - 2)
        return (encoder.kbits_mono if channels == 1 else stereo) * 1000
    least, most = encoder.kbits_range
    # AAC and Opus count their highest rate for each channel, MP3 and AC-3 for all of them.
    highest = most * channels if encoder.name in {"aac", "libopus"} else most
    return min(max(asked, least * 1000), highest * 1000)


# Preset numbers by place in SPEEDS, from ultrafast to veryslow.
_SVT_PRESETS = (12, 11, 10, 9, 8, 7, 5, 4, 3)
_VPX_CPU = (8, 7, 6, 5, 4, 3, 2, 1, 0)
_AOM_CPU = (8, 8, 7, 7, 6, 5, 4, 3, 2)
_VPX_TILE_WIDTH = 512


def check_quality(encoder: VideoEncoder, quality: int | None) -> None:
    """Raise :class:`~pitchey_core.errors.UsageError` for a constant quality that is off an encoder's scale."""
    if quality is not None and not 0 <= quality <= encoder.max_quality:
        raise UsageError(
            f"crf {quality} is off the scale of {encoder.name}",
            remedy=f"0 (best) to {encoder.max_quality}; its default is {encoder.quality}",
        )


def encoder_options(
    encoder: VideoEncoder,
    *,
    speed: Speed,
    quality: int | None,
    bit_rate: int | None,
    threads: int,
    width: int,
    max_bit_rate: int | None = None,
    profile: str | None = None,
    fixed_keys: bool = False,
) -> dict[str, str]:
    """ffmpeg options for a software encoder, without the stream specifier.

    Args:
        quality: On the encoder's own scale; default: the encoder's.
        bit_rate: Average in bits a second, capped at 1.5 times within two seconds; replaces ``quality``.
        threads: Threads that it should use.
        width: Of the picture, in pixels.
        max_bit_rate: Bits a second that no two seconds may exceed.
        profile: H.264 profile; other codecs have none to choose.
        fixed_keys: Key frames only where they are asked for, none at cuts.

    Raises:
        UsageError: ``quality`` is off the encoder's scale.
    """
    check_quality(encoder, quality)
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
    cap = max_bit_rate or (bit_rate * 3 // 2 if bit_rate is not None else None)
    if cap is not None:
        options |= _capped(encoder.name, cap, averaged=bit_rate is not None)
    # Without loss x264 knows one profile only, which no other can stand for.
    if profile is not None and encoder.name == "libx264" and crf != "0":
        options["profile"] = profile
    if fixed_keys:
        _fix_keys(encoder.name, options)
    return options


def _capped(name: str, cap: int, *, averaged: bool) -> dict[str, str]:
    if name in {"libx264", "libx265"} or (averaged and name == "libvpx-vp9"):
        return {"maxrate": str(cap), "bufsize": str(cap * 4 // 3 if averaged else cap * 2)}
    # SVT-AV1 caps constant quality only; libaom and libvpx take the rate as the cap of constrained quality.
    if averaged:
        return {}
    return {"maxrate": str(cap), "bufsize": str(cap * 2)} if name == "libsvtav1" else {"b": str(cap)}


def _fix_keys(name: str, options: dict[str, str]) -> None:
    match name:
        case "libx264":
            options["sc_threshold"] = "0"
        case "libx265":
            options["x265-params"] += ":scenecut=0:open-gop=0"
        case _:
            # The others put key frames at cuts only if they are told to.
            return
