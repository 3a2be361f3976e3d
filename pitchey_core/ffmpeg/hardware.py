"""Which encoder to use: hardware where a trial shows that it works, software otherwise, and why.

A build that lists ``h264_nvenc`` says nothing about the host, so each candidate encodes a few frames once per process.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import LimitExceeded, ToolFailed, ToolMissing
from pitchey_core.ffmpeg.encoders import VIDEO_ENCODERS, VideoEncoder
from pitchey_core.ffmpeg.filters import Filter, written
from pitchey_core.ffmpeg.hardware_options import FAMILIES, Request, hardware_options, refusal
from pitchey_core.ffmpeg.tool import Build, build_of
from pitchey_core.process import ProcessLimits, run
from pitchey_core.process.verdict import last_words

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["FAMILIES", "EncoderChoice", "choose_encoder", "software_encoder"]

_RENDER_NODES = Path("/dev/dri")
_TRIAL_LIMITS = ProcessLimits(wall_seconds=15.0)
_TRIAL_SOURCE = "color=c=gray:s=640x360:r=25:d=0.2"


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """The encoder of a job.

    Attributes:
        name: As ffmpeg calls it.
        software: The software encoder of the same codec.
        hardware: Its family, or ``None`` for software.
        fallback_reason: Why hardware that was asked for is not used.
        options: Settings of a hardware encoder, without stream specifiers.
        upload: Filters that bring frames to the device.
    """

    name: str
    codec: str
    software: VideoEncoder
    hardware: str | None = None
    fallback_reason: str | None = None
    options: dict[str, str] | None = None
    upload: tuple[Filter, ...] = ()
    device: tuple[str, ...] = ()

    def because(self, reason: str) -> EncoderChoice:
        """The same, with the reason why hardware is not used after all."""
        return replace(self, fallback_reason=reason)


def software_encoder(codec: str, build: Build) -> VideoEncoder:
    """The best software encoder of a codec that this build has.

    Raises:
        ToolMissing: It has none.
    """
    candidates = VIDEO_ENCODERS[codec]
    for each in candidates:
        if each.name in build.encoders:
            return each
    build.need_encoder(candidates[0].name, codec)
    raise AssertionError("need_encoder raises for an encoder that is missing")


def choose_encoder(
    job: JobContext,
    codec: str,
    *,
    hardware: str = "off",
    crf: int | None = None,
    bit_rate: int | None = None,
    max_bit_rate: int | None = None,
    profile: str | None = None,
    fixed_keys: bool = False,
) -> EncoderChoice:
    """Choose the encoder of a codec. Hardware that has no way to do all that is asked is not used.

    Args:
        hardware: ``off``, ``auto`` or a family of :data:`FAMILIES`.
        crf: Quality asked for, on the software encoder's scale.
        bit_rate, max_bit_rate: Average and highest bits a second asked for.
        profile: H.264 profile asked for.
        fixed_keys: Key frames only where they are asked for.

    Raises:
        ToolMissing: This ffmpeg cannot encode the codec at all.
    """
    build = build_of(job.tool("ffmpeg"))
    reasons: list[str] = []
    if hardware != "off":
        families = FAMILIES if hardware == "auto" else (hardware,)
        best = VIDEO_ENCODERS[codec][0]
        request = Request(best.quality if crf is None else crf, bit_rate, max_bit_rate, profile, fixed_keys)
        for family in families:
            name = f"{codec}_{family}"
            if name not in build.encoders:
                if hardware != "auto":
                    reasons.append(f"{family}: this ffmpeg has no {name}")
                continue
            failure = refusal(family, codec, request) or _trial(build.path, name, family)
            if failure is None:
                return EncoderChoice(
                    name,
                    codec,
                    best,
                    family,
                    options=hardware_options(family, codec, request),
                    upload=_upload(family),
                    device=_device(family),
                )
            reasons.append(f"{family}: {failure}")
    software = software_encoder(codec, build)
    reason = None
    if hardware != "off":
        reason = "; ".join(reasons) or f"this ffmpeg has no hardware encoder for {codec}"
    return EncoderChoice(software.name, codec, software, fallback_reason=reason)


def _device(family: str) -> tuple[str, ...]:
    if family != "vaapi":
        return ()
    nodes = sorted(_RENDER_NODES.glob("renderD*")) if _RENDER_NODES.is_dir() else []
    return ("-vaapi_device", str(nodes[0])) if nodes else ()


def _upload(family: str) -> tuple[Filter, ...]:
    if family != "vaapi":
        return ()
    return (Filter("format", (("pix_fmts", "nv12"),)), Filter("hwupload"))


@functools.lru_cache(maxsize=64)
def _trial(program: Path, name: str, family: str) -> str | None:
    """Encode a few frames; returns why that failed, or ``None``."""
    device = _device(family)
    if family == "vaapi" and not device:
        return "there is no render node in /dev/dri"
    arguments: Sequence[str] = (
        *("-nostdin", "-hide_banner", "-loglevel", "error", *device),
        *("-f", "lavfi", "-i", _TRIAL_SOURCE, "-vf"),
        ",".join(written(each) for each in _upload(family)) or "format=yuv420p",
        *("-c:v", name, "-frames:v", "3", "-f", "null", "-"),
    )
    try:
        done = run([program, *arguments], tool="ffmpeg", limits=_TRIAL_LIMITS, check=False)
    except (LimitExceeded, ToolFailed, ToolMissing) as error:
        return error.message
    return None if done.returncode == 0 else (_cause(done.stderr) or f"exit status {done.returncode}")


def _cause(stderr: bytes) -> str:
    """The first complaint: the later ones only follow from it."""
    for line in stderr.decode("utf-8", "replace").splitlines():
        words = line.split("] ", 1)[-1].strip()
        if words:
            return words[:200]
    return last_words(stderr)
