"""The filters that make a picture upright, square, even-sized, progressive and SDR, and sound fit its encoder.

Every value comes from numbers and fixed words; no text of a user or of a file reaches a filter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pitchey_core.ffmpeg.encoders import AudioEncoder
from pitchey_core.ffmpeg.media import AudioInfo, VideoInfo

__all__ = [
    "Filter",
    "audio_filters",
    "from_the_start",
    "output_size",
    "picture_changes",
    "smaller",
    "up_to",
    "video_filters",
    "written",
]

# Nominal peak of SDR white, in cd/m², that the linear picture is scaled to (ITU-R BT.2408 puts it at 203; 100 keeps
# mid-tones at their usual brightness with the hable curve).
_NOMINAL_PEAK = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """One ffmpeg filter with its options."""

    name: str
    options: tuple[tuple[str, str], ...] = ()


def written(each: Filter) -> str:
    """A filter as it stands in a graph description."""
    return each.name + (
        "=" + ":".join(f"{key}={value}" for key, value in each.options) if each.options else ""
    )


def _filter(name: str, **options: object) -> Filter:
    return Filter(name, tuple((key, str(value)) for key, value in options.items()))


def _even(value: float) -> int:
    return max(2, int(value) // 2 * 2)


def output_size(video: VideoInfo, box: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height of an encoded picture: even, of the shape that a viewer sees, inside ``box``, never enlarged."""
    width, height = video.display_size
    if box is not None:
        across, down = box if width >= height else (box[1], box[0])
        factor = min(1.0, across / width, down / height)
        if factor < 1.0:
            # Rounded to the nearest even number, which keeps the shape best; the box itself is even.
            return tuple(max(2, round(side * factor / 2) * 2) for side in (width, height))  # type: ignore[return-value]
    return _even(width), _even(height)


def picture_changes(video: VideoInfo, can_tone_map: bool) -> list[str]:
    """What the filters do to the picture, in words for the report."""
    changes = []
    if not video.upright:
        changes.append(f"turned by {video.rotation}°" if video.rotation else "mirror flag applied")
    if not video.square:
        changes.append("square pixels")
    if video.interlaced:
        changes.append("deinterlaced")
    if video.hdr:
        kind = "HDR10" if video.hdr == "pq" else "HLG"
        changes.append(f"tone-mapped from {kind} to SDR" if can_tone_map else f"{kind} kept at 8 bit")
    elif video.bit_depth > 8:
        changes.append(f"{video.bit_depth} to 8 bit")
    if video.has_alpha:
        changes.append("transparency over black")
    return changes


def video_filters(
    video: VideoInfo, size: tuple[int, int], *, max_fps: float | None = None, can_tone_map: bool = True
) -> tuple[Filter, ...]:
    """What turns the stored picture into the one to encode. ffmpeg itself applies the rotation before these."""
    chain: list[Filter] = []
    if video.interlaced:
        which = "interlaced" if video.interlaced_frames else "all"
        chain.append(_filter("bwdif", mode="send_frame", parity="auto", deint=which))
    if max_fps is not None:
        chain.append(_filter("fps", fps=f"{max_fps:g}"))
    if video.has_alpha:
        chain += [_filter("format", pix_fmts="gbrap"), _filter("premultiply", inplace=1)]
    from_rgb = video.rgb or video.has_alpha
    chain += _scaling(video, size, from_rgb=from_rgb)
    if video.hdr and can_tone_map:
        chain += _tone_mapping(video)
    chain += [_filter("format", pix_fmts="yuv420p"), _SQUARE]
    if from_rgb:
        # Without these tags players guess the matrix from the size, and guess wrong for small pictures.
        chain.append(_filter("setparams", colorspace="bt709", color_primaries="bt709", color_trc="bt709"))
    return tuple(chain)


_SQUARE = _filter("setsar", sar="1")


def from_the_start(late: float, *, picture: bool = False) -> tuple[Filter, ...]:
    """What fills the time before a stream begins: the first picture, or silence.

    Args:
        late: Seconds of it.
    """
    if late <= 0:
        return ()
    if picture:
        still = {"start_duration": f"{late:.6f}", "start_mode": "clone"}
        return (_filter("setpts", expr="PTS-STARTPTS"), _filter("tpad", **still))
    return (_filter("aresample", **{"async": 1, "first_pts": 0}),)


def up_to(end: float | None, *, picture: bool = False) -> tuple[Filter, ...]:
    """What ends a stream at a time. ffmpeg's own ``-t`` counts from the first picture or sound of each."""
    if end is None:
        return ()
    return (_filter("trim" if picture else "atrim", end=f"{end:.6f}"),)


def smaller(size: tuple[int, int], *, max_fps: float | None = None) -> tuple[Filter, ...]:
    """What makes a smaller picture of one that these filters have made ready already."""
    fewer = [_filter("fps", fps=f"{max_fps:g}")] if max_fps is not None else []
    return (*fewer, _filter("scale", w=size[0], h=size[1], flags="bicubic"), _SQUARE)


def _scaling(video: VideoInfo, size: tuple[int, int], *, from_rgb: bool) -> list[Filter]:
    if from_rgb:
        width, height = size
        matrix = {"out_color_matrix": "bt709", "out_range": "tv"}
        return [_filter("scale", w=width, h=height, flags="bicubic", **matrix)]
    turned = video.rotation in {90, 270}
    stored = (video.height, video.width) if turned else (video.width, video.height)
    if video.full_range:
        # What players expect of video; some show the full range of JPEG washed out, whatever the file says.
        return [_filter("scale", w=size[0], h=size[1], flags="bicubic", out_range="tv")]
    if stored == size:
        return []
    if video.square and all(0 <= have - want <= 1 for have, want in zip(stored, size, strict=True)):
        # Only an odd row or column is too much: cutting it off keeps the rest sharp.
        return [_filter("crop", w=size[0], h=size[1], x=0, y=0)]
    return [_filter("scale", w=size[0], h=size[1], flags="bicubic")]


def _tone_mapping(video: VideoInfo) -> list[Filter]:
    transfer = "smpte2084" if video.hdr == "pq" else "arib-std-b67"
    # The input's colours are named because zscale refuses to guess where a file leaves one out.
    return [
        _filter(
            "zscale", tin=transfer, pin="bt2020", min="bt2020nc", rin="tv", t="linear", npl=_NOMINAL_PEAK
        ),
        _filter("format", pix_fmts="gbrpf32le"),
        _filter("zscale", p="bt709"),
        _filter("tonemap", tonemap="hable", desat=0),
        _filter("zscale", t="bt709", m="bt709", p="bt709", r="tv"),
    ]


def audio_filters(
    sound: AudioInfo,
    encoder: AudioEncoder,
    layout: str,
    *,
    sample_rate: int | None = None,
    name_layout: bool = False,
) -> tuple[Filter, ...]:
    """What makes sound fit its encoder: a layout and a rate that it takes.

    Args:
        sample_rate: In Hz, as it was asked for.
        name_layout: Name layout and rate even where they fit: behind a limiter sound has another rate.
    """
    options: dict[str, str] = {}
    if name_layout or sound.layout != layout:
        options["channel_layouts"] = layout
    rate = sample_rate or sound.sample_rate
    if encoder.sample_rates and rate not in encoder.sample_rates:
        rate = _next_rate(rate, encoder.sample_rates)
    if rate != sound.sample_rate or name_layout:
        options["sample_rates"] = str(rate)
    return (Filter("aformat", tuple(options.items())),) if options else ()


def _next_rate(rate: int, offered: tuple[int, ...]) -> int:
    """The lowest rate offered that loses nothing, else the highest."""
    return (
        min((each for each in offered if each >= rate), default=max(offered))
        if rate > 0
        else math.floor(offered[0])
    )
