"""ffmpeg itself: where it comes from and what this build of it can do."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitchey_core.errors import ToolFailed, ToolMissing
from pitchey_core.hooks import ToolSpec
from pitchey_core.process import ProcessLimits, run

__all__ = ["FFMPEG", "MIN_VERSION", "Build", "build_of", "capabilities"]

MIN_VERSION = (5, 1)
"""Oldest ffmpeg that the options used here exist in (``-fps_mode``)."""

FFMPEG = ToolSpec(
    name="ffmpeg",
    bundled="imageio_ffmpeg:get_ffmpeg_exe",
    bundled_requirement="pitchey[bundled]",
    version_args=("-hide_banner", "-version"),
    version_pattern=r"ffmpeg version n?(\S+)",
    remedies={
        "debian": "apt install ffmpeg",
        "fedora": "dnf install ffmpeg",
        "arch": "pacman -S ffmpeg",
        "alpine": "apk add ffmpeg",
        "macos": "brew install ffmpeg",
        "*": "pip install 'pitchey[bundled]'",
    },
    capabilities="pitchey_core.ffmpeg.tool:capabilities",
)
"""The ffmpeg entry of the tools table, for every plugin that needs it."""

_PROBE_LIMITS = ProcessLimits(wall_seconds=20.0)
_NAMED = re.compile(r"^ [A-Z.|]{2,7} +([A-Za-z0-9_-]+) ", re.MULTILINE)
_SHOWN_ENCODERS = (
    "libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "aac", "libopus", "libmp3lame", "flac",
)  # fmt: skip
_SHOWN_FILTERS = ("zscale", "tonemap", "bwdif", "loudnorm", "libvmaf", "drawtext")
_HARDWARE = re.compile(r"_(nvenc|qsv|vaapi|videotoolbox|amf)$")


@dataclass(frozen=True, slots=True)
class Build:
    """What one ffmpeg program was compiled with.

    Attributes:
        version: As it prints it.
        numbers: Its first two numbers; ``None`` for a build that prints a hash instead.
    """

    path: Path
    version: str
    encoders: frozenset[str]
    filters: frozenset[str]

    @property
    def numbers(self) -> tuple[int, int] | None:
        found = re.match(r"n?(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else None

    def has_filters(self, *names: str) -> bool:
        return self.filters.issuperset(names)

    def need_encoder(self, name: str, codec: str) -> None:
        """Raise :class:`~pitchey_core.errors.ToolMissing` unless this build has an encoder."""
        if name not in self.encoders:
            raise ToolMissing(
                f"this ffmpeg ({self.path}, version {self.version}) cannot encode {codec}: it lacks {name}",
                remedy="pip install 'pitchey[bundled]' brings one that can; point the setting tools.ffmpeg at it",
            )


def build_of(path: Path) -> Build:
    """Ask a program what it can do. The answer is kept for as long as the file does not change.

    Raises:
        ToolMissing: It is older than :data:`MIN_VERSION`.
        ToolFailed: It does not answer like ffmpeg.
    """
    status = path.stat()
    return _build(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=8)
def _build(path: Path, _mtime_ns: int, _size: int) -> Build:
    version = re.search(r"ffmpeg version (\S+)", _ask(path, "-version"))
    if version is None:
        raise ToolFailed(f"{path} does not answer like ffmpeg", tool="ffmpeg")
    build = Build(
        path,
        version[1],
        encoders=frozenset(_NAMED.findall(_ask(path, "-encoders"))),
        filters=frozenset(_NAMED.findall(_ask(path, "-filters"))),
    )
    if build.numbers is not None and build.numbers < MIN_VERSION:
        raise ToolMissing(
            f"{path} is ffmpeg {build.version}; at least {'.'.join(map(str, MIN_VERSION))} is needed",
            remedy=FFMPEG.remedies["*"],
        )
    return build


def _ask(path: Path, question: str) -> str:
    done = run(
        [os.fspath(path), "-hide_banner", question],
        tool="ffmpeg",
        limits=_PROBE_LIMITS,
        tail_bytes=512 * 1024,
    )
    return done.stdout.decode("utf-8", "replace")


def capabilities(path: Path | str) -> dict[str, Any]:
    """For ``pitchey-run doctor``: the encoders and filters that matter here, and the hardware it was built for.

    Whether hardware really encodes is only known after a trial: see :mod:`pitchey_core.ffmpeg.hardware`.
    """
    build = build_of(Path(path))
    families = {found[1] for name in build.encoders if (found := _HARDWARE.search(name))}
    return {
        "encoders": {name: name in build.encoders for name in _SHOWN_ENCODERS},
        "filters": {name: name in build.filters for name in _SHOWN_FILTERS},
        "hardware_compiled_in": sorted(families),
    }
