"""How much an encoded picture looks like its source: VMAF, or SSIM where ffmpeg has no libvmaf."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pitchey_core.errors import ToolFailed
from pitchey_core.ffmpeg.filters import Filter, written
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.options import GLOBAL_OPTIONS, Cut, as_words, input_options
from pitchey_core.ffmpeg.tool import Build

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["Metric", "Reference", "best_metric", "similarity"]

Metric = Literal["vmaf", "ssim"]

# Since version 7 ffmpeg converts between colour spaces to bring two inputs together. A file that names its matrix and
# one that leaves it to players to guess hold the same numbers, and only those are compared.
_NO_TAGS: Final = "setparams=range=unknown:color_primaries=unknown:color_trc=unknown:colorspace=unknown"

_SCORES: Final = {
    "vmaf": re.compile(r"VMAF score: ([0-9.]+)"),
    "ssim": re.compile(r"SSIM .*All:([0-9.]+)"),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """What an output is compared with.

    Attributes:
        demuxer: That reads it.
        stream: Index of its picture.
        filters: What makes its picture the one that was encoded.
        cut: The part of it that was encoded.
    """

    path: Path
    demuxer: str
    stream: int = 0
    filters: Sequence[Filter] = ()
    cut: Cut = field(default_factory=Cut)


def best_metric(build: Build) -> tuple[Metric, str | None]:
    """The metric that a build of ffmpeg offers, and why it is not VMAF."""
    if build.has_filters("libvmaf"):
        return "vmaf", None
    return "ssim", "this ffmpeg has no libvmaf; pip install 'pitchey[bundled]' brings one that has"


def similarity(
    job: JobContext, output: Path, demuxer: str, reference: Reference, metric: Metric, *, every: int = 1
) -> float:
    """The mean score of an output's pictures, 0 to 100; SSIM as a percentage.

    VMAF is that of libvmaf's built-in model, at the size of the output.

    Args:
        demuxer: That reads the output.
        every: Score only every n-th picture; VMAF alone can do that.

    Raises:
        ToolFailed: ffmpeg gave no score.
    """
    common = {"threads": job.threads, "pixels": job.limits.pixels}
    lead = f"trim=start={reference.cut.lead:.6f}," if reference.cut.lead else ""
    chain = "".join(f"{written(each)}," for each in reference.filters)
    compare = {
        "vmaf": f"libvmaf=n_threads={job.threads}:n_subsample={every}",
        "ssim": "ssim",
    }[metric]
    alike = f"settb=AVTB,setpts=PTS-STARTPTS,{_NO_TAGS}"
    graph = (
        f"[0:v:0]{alike}[a];[1:{reference.stream}]{lead}{chain}{alike}[b];"
        f"[a][b]{compare}:shortest=1:repeatlast=0"
    )
    if metric == "ssim":
        graph = graph.replace("ssim:", "ssim=")
    done = job.run(
        "ffmpeg",
        [
            *GLOBAL_OPTIONS,
            *("-loglevel", "info"),
            *("-filter_complex_threads", str(job.threads)),
            *as_words(input_options(demuxer, **common)),
            *("-i", file_argument(output)),
            *as_words(input_options(reference.demuxer, **common) | reference.cut.input),
            *("-i", file_argument(reference.path)),
            *("-filter_complex", graph, "-an", "-sn", "-dn", "-f", "null", "-"),
        ],
    )
    found = _SCORES[metric].findall(done.stderr.decode("utf-8", "replace"))
    if not found:
        raise ToolFailed(f"ffmpeg gave no {metric} score", tool="ffmpeg", returncode=done.returncode)
    score = float(found[-1])
    return round(score if metric == "vmaf" else score * 100, 3)
