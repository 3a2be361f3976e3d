"""What hardware encoders are told, as tables.

Source: ``ffmpeg -h encoder=NAME`` and ffmpeg's chapters on NVENC, QSV, VAAPI, AMF and VideoToolbox. What no option says
is refused, with the reason, so that software takes over: an encoder that makes something else than what was asked for
would be worse than a slow one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["FAMILIES", "Request", "hardware_options", "refusal"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of an encoder.

    Attributes:
        quality: Constant quality, on the scale of the codec's software encoder; ``bit_rate`` replaces it.
        bit_rate: Average, in bits a second.
        max_bit_rate: Bits a second that no two seconds may exceed.
        profile: H.264 profile.
        fixed_keys: Key frames exactly where they are asked for.
    """

    quality: int
    bit_rate: int | None = None
    max_bit_rate: int | None = None
    profile: str | None = None
    fixed_keys: bool = False


@dataclass(frozen=True, slots=True)
class _Family:
    """What the encoders of a family can do.

    Attributes:
        averaged: Options of an average bit rate below a cap.
        caps_quality: Whether there is a mode of constant quality that keeps below a bit rate.
        keys: Options that make forced key frames IDR frames and allow no others.
        keys_of: Codecs whose encoder has these options; empty if there is none.
        profiles: H.264 profiles that it calls something else.
    """

    averaged: Mapping[str, str] = field(default_factory=dict)
    caps_quality: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    keys_of: frozenset[str] = frozenset()
    profiles: Mapping[str, str] = field(default_factory=dict)


_ALL: Final = frozenset({"h264", "hevc", "av1", "vp9"})
# What plays the one plays the other, which leaves out what nobody uses.
_CONSTRAINED: Final = {"baseline": "constrained_baseline"}

_FAMILIES: Final[Mapping[str, _Family]] = MappingProxyType(
    {
        "nvenc": _Family(
            {"rc": "vbr"}, caps_quality=True, keys={"forced-idr": "1", "no-scenecut": "1"}, keys_of=_ALL
        ),
        "qsv": _Family(keys={"forced_idr": "1", "adaptive_i": "0"}, keys_of=frozenset({"h264"})),
        # Looks for no cuts, and makes each forced key frame an IDR frame.
        "vaapi": _Family({"rc_mode": "VBR"}, caps_quality=True, keys_of=_ALL, profiles=_CONSTRAINED),
        "amf": _Family(
            {"rc": "vbr_peak"},
            keys={"forced_idr": "1"},
            keys_of=frozenset({"h264", "hevc"}),
            profiles=_CONSTRAINED,
        ),
        "videotoolbox": _Family(),
    }
)

FAMILIES: Final = tuple(_FAMILIES)
"""Hardware encoders that ``auto`` tries, in this order."""


def refusal(family: str, codec: str, request: Request) -> str | None:
    """Why a family cannot do what is asked; ``None`` if it can."""
    able = _FAMILIES[family]
    if request.fixed_keys and codec not in able.keys_of:
        return "it has no option that keeps key frames to the times asked for"
    if request.max_bit_rate is not None and request.bit_rate is None and not able.caps_quality:
        return "it has no constant quality below a highest bit rate"
    return None


def hardware_options(family: str, codec: str, request: Request) -> dict[str, str]:
    """ffmpeg options of a hardware encoder, without the stream specifier."""
    able = _FAMILIES[family]
    options: dict[str, str] = {}
    if request.bit_rate is not None:
        # The cap of software encoders, see encoder_options.
        cap = request.max_bit_rate or request.bit_rate * 3 // 2
        options = {**able.averaged, "b": str(request.bit_rate), **_cap(cap, cap * 4 // 3)}
    else:
        options = _quality(family, request.quality, request.max_bit_rate)
    if request.profile is not None and codec == "h264":
        options["profile"] = able.profiles.get(request.profile, request.profile)
    if request.fixed_keys:
        options |= able.keys
    return options


def _cap(rate: int, buffer: int) -> dict[str, str]:
    return {"maxrate": str(rate), "bufsize": str(buffer)}


def _quality(family: str, quality: int, cap: int | None) -> dict[str, str]:
    capped = _cap(cap, cap * 2) if cap is not None else {}
    match family:
        case "nvenc":
            # 0 is its word for a choice of its own.
            return {"rc": "vbr", "cq": str(max(1, quality)), "b": "0", **capped}
        case "qsv":
            return {"global_quality": str(min(max(1, quality), 51))}
        case "vaapi" if cap is not None:
            # Its quality is held below an average, which may be two thirds of the cap.
            return {
                "rc_mode": "QVBR",
                "global_quality": str(max(1, quality)),
                "b": str(cap * 2 // 3),
                **capped,
            }
        case "vaapi":
            return {"rc_mode": "CQP", "global_quality": str(max(1, quality))}
        case "amf":
            return {"rc": "cqp", "qp_i": str(quality), "qp_p": str(quality)}
        case _:
            # VideoToolbox counts quality upwards, 1 to 100.
            return {"q": str(max(1, 100 - 2 * quality))}
