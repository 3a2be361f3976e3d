"""What hardware encoders are told. No device is needed: the arguments are checked, and what a build documents."""

from __future__ import annotations

import re
import shutil
import subprocess

import imageio_ffmpeg
import pytest

from pitchey_core.ffmpeg.hardware_options import FAMILIES, Request, hardware_options, refusal

CODECS = ("h264", "hevc", "av1", "vp9")
PROGRAMS = [path for path in (imageio_ffmpeg.get_ffmpeg_exe(), shutil.which("ffmpeg")) if path]
# Options of every video encoder, which the help of a single one leaves out.
COMMON = {"b", "maxrate", "bufsize", "global_quality", "q"}
REQUESTS = [
    Request(23, bit_rate, cap, profile, fixed_keys=keys)
    for bit_rate in (None, 2_000_000)
    for cap in (None, 3_000_000)
    for profile in (None, "baseline", "main", "high")
    for keys in (False, True)
]


def documented(program: str, encoder: str) -> dict[str, set[str]]:
    """The options of an encoder, each with its named values; none if this build lacks it."""
    done = subprocess.run(
        [program, "-hide_banner", "-h", f"encoder={encoder}"], capture_output=True, text=True
    )
    found: dict[str, set[str]] = {}
    name = ""
    for line in done.stdout.splitlines():
        if option := re.match(r"  -([\w-]+) ", line):
            name = option[1]
            found[name] = set()
        elif value := re.match(r"     ([\w.]+) ", line):
            found.setdefault(name, set()).add(value[1])
    return found


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_option_is_one_that_the_encoder_has(family: str, codec: str, program: str) -> None:
    known = documented(program, f"{codec}_{family}")
    if not known:
        # VideoToolbox is Apple's; older builds lack others.
        assert family in {"videotoolbox", "amf"} or codec in {"av1", "vp9"}
        return
    for request in REQUESTS:
        if refusal(family, codec, request) is not None:
            continue
        for name, value in hardware_options(family, codec, request).items():
            assert name in known or name in COMMON, name
            named = known.get(name)
            assert not named or value in named or value.isdecimal(), (name, value)


@pytest.mark.parametrize(
    ("family", "told"),
    [
        ("nvenc", "rc=vbr cq=23 b=0 maxrate=3000000 bufsize=6000000 profile=high forced-idr=1 no-scenecut=1"),
        ("vaapi", "rc_mode=QVBR global_quality=23 b=2000000 maxrate=3000000 bufsize=6000000 profile=high"),
    ],
)
def test_a_rung_of_a_ladder(family: str, told: str) -> None:
    rung = Request(23, max_bit_rate=3_000_000, profile="high", fixed_keys=True)
    assert refusal(family, "h264", rung) is None
    options = hardware_options(family, "h264", rung)
    assert " ".join(f"{name}={value}" for name, value in options.items()) == told


@pytest.mark.parametrize("family", ["qsv", "amf", "videotoolbox"])
def test_what_cannot_cap_a_quality_is_not_asked_to(family: str) -> None:
    assert "highest bit rate" in str(refusal(family, "h264", Request(23, max_bit_rate=3_000_000)))
    averaged = hardware_options(family, "h264", Request(23, bit_rate=2_000_000))
    assert (averaged["b"], averaged["maxrate"]) == ("2000000", "3000000")


def test_only_what_keeps_to_the_times_gets_fixed_key_frames() -> None:
    able = {
        family: [codec for codec in CODECS if refusal(family, codec, Request(23, fixed_keys=True)) is None]
        for family in FAMILIES
    }
    assert able == {
        "nvenc": list(CODECS),
        "qsv": ["h264"],
        "vaapi": list(CODECS),
        "amf": ["h264", "hevc"],
        "videotoolbox": [],
    }


def test_lossless_is_no_choice_of_the_encoders_own() -> None:
    assert hardware_options("nvenc", "h264", Request(0))["cq"] == "1"
