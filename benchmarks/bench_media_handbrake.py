"""Size and time against HandBrake at equal quality, on real footage.

Ours are ``web-optimized`` and ``mobile-optimized`` as they are, in a warm slot; the peers are HandBrake's nearest
presets, ``Fast 1080p30`` and ``Fast 720p30``, once as they are and once at their best for this comparison: High
profile, and without the filters against interlacing, which find nothing here but cost time. HandBrake's quality is
varied, and its size at the VMAF of our output interpolated between two values next to each other; the time is that of
the nearer one. Cropping is off, since it would change what is compared. Colour tags are left out of the comparison:
HandBrake names the colours of HD footage, and ffmpeg would convert what the source leaves open (see
``pitchey_core.ffmpeg.similarity``).

``--footage FILE`` adds footage of your own to Big Buck Bunny. Without HandBrakeCLI there are no figures.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import Bench, at_most, expect, in_turn, run_benchmark, timed
from workbench import WarmSlot, Workbench, workbench

from pitchey_core.ffmpeg.similarity import Reference, similarity
from pitchey_core.testing import make_job

PEER = "HandBrakeCLI"
PAIRS = (("web-optimized", "Fast 1080p30", 22), ("mobile-optimized", "Fast 720p30", 21))
"""Our preset, HandBrake's, and the quality that this has of itself."""
AT_ITS_BEST = ("--encoder-profile", "high", "--encoder-level", "auto", "--no-comb-detect", "--no-decomb")
SLOPE = 0.7
"""Points of VMAF that a step of the quality makes, about."""
RATE = 25
REPEATS = 2
SCORED_EVERY = 3


@dataclass(frozen=True, slots=True)
class Made:
    """One output, and the wall and CPU time it took."""

    path: Path
    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """The size of an output, and its score."""

    megabytes: float
    vmaf: float


@dataclass(frozen=True, slots=True)
class Peer:
    """HandBrake with one preset."""

    program: str
    preset: str
    quality: int
    options: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"HandBrake, {self.preset}" + (", at its best" if self.options else "")


def measure(bench: Bench) -> None:
    program = shutil.which(PEER)
    if program is None:
        bench.note(
            f"{PEER} is not installed (apt install handbrake-cli), so there is nothing to compare with."
        )
        return
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        if not work.has_vmaf(bench):
            return
        bench.fact("handbrake", _version(program))
        for clip in (_even(work), *bench.footage):
            for preset, theirs, quality in PAIRS:
                for options in ((), AT_ITS_BEST):
                    _compare(bench, work, slot, clip, preset, Peer(program, theirs, quality, options))


def _compare(bench: Bench, work: Workbench, slot: WarmSlot, clip: Path, preset: str, peer: Peer) -> None:
    ours = _scored(work, clip, _ours(work, slot, clip, preset))
    better, worse = _around(work, clip, peer, ours.vmaf)
    # What a value between the two would give; sizes grow by a factor with each step of the scale.
    share = (better[1].vmaf - ours.vmaf) / (better[1].vmaf - worse[1].vmaf)
    megabytes = better[1].megabytes * math.pow(worse[1].megabytes / better[1].megabytes, share)
    quality = better[0] if share < 0.5 else worse[0]
    name = f"{preset}, {clip.stem}"
    size = bench.compare(
        f"size at equal VMAF: {name}", against=peer.title, unit="MB", by="ratio", goal=at_most(1.0)
    )
    wall = bench.compare(f"time: {name}", against=peer.title, unit="s", by="ratio", goal=at_most(1.0))
    cpu = bench.compare(f"time: {name}", against=peer.title, unit="CPU s", by="ratio")
    for number in bench.rounds():
        mine, others = in_turn(
            number, partial(_ours, work, slot, clip, preset), partial(_handbrake, work, clip, peer, quality)
        )
        size.add(ours.megabytes, megabytes)
        wall.add(mine.wall, others.wall)
        cpu.add(mine.cpu, others.cpu)
    bench.note(
        f"{name}, {peer.title}: VMAF {ours.vmaf:.2f}, between {better[1].vmaf:.2f} at {better[0]} "
        f"({better[1].megabytes:.2f} MB) and {worse[1].vmaf:.2f} at {worse[0]} ({worse[1].megabytes:.2f} MB)."
    )


def _around(work: Workbench, clip: Path, peer: Peer, vmaf: float) -> tuple[tuple[int, Encoded], ...]:
    """The two neighbouring values between whose scores a score lies, the better one first."""
    found: dict[int, Encoded] = {}
    quality = peer.quality
    while True:
        found[quality] = found.get(quality) or _scored(work, clip, _handbrake(work, clip, peer, quality))
        above = [each for each, encoded in found.items() if encoded.vmaf >= vmaf]
        below = [each for each, encoded in found.items() if encoded.vmaf < vmaf]
        if above and below and min(below) - max(above) == 1:
            return (max(above), found[max(above)]), (min(below), found[min(below)])
        step = round((found[quality].vmaf - vmaf) / SLOPE) or (1 if found[quality].vmaf >= vmaf else -1)
        quality = (
            quality + step if quality + step not in found else (max(above) + 1 if above else min(below) - 1)
        )
        expect(
            1 <= quality <= 51, f"{peer.title} never has VMAF {vmaf}: do its pictures and the clip's line up?"
        )


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _even(work: Workbench) -> Path:
    """The clip at an even rate: where a loop is joined it has a gap, which each program fills in its own way."""
    path = work.root / "Big-Buck-Bunny.mp4"
    filters = ("-vf", f"fps={RATE},setpts=N/{RATE}/TB")
    encoding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "14", "-c:a", "aac", "-ac", "2")
    work.bare("-v", "error", "-i", str(work.footage(REPEATS)), *filters, *encoding, str(path))
    return path


def _handbrake(work: Workbench, clip: Path, peer: Peer, quality: int) -> Made:
    path = work.output().with_suffix(".mp4")
    command = [peer.program, "--preset", peer.preset, "--quality", str(quality), "--crop-mode", "none"]
    command += [*peer.options, "-i", str(clip), "-o", str(path)]
    done, cost = timed(lambda: subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True))
    expect(done.returncode == 0 and path.exists(), f"HandBrake failed: {done.stderr.decode()[-300:]}")
    return Made(path, cost.wall, cost.cpu)


def _ours(work: Workbench, slot: WarmSlot, clip: Path, preset: str) -> Made:
    payload = {
        "input_media": str(clip),
        "output_presets": [preset],
        "generate_thumbnails": False,
        "overrides": {"video": {"copy_fitting": False}, "audio": {"copy_fitting": False}, "may_grow": True},
    }
    result, wall = slot.run(slot.order("media", payload, work.output()))
    path = Path(result.artifacts[0].uri.removeprefix("file://"))
    return Made(path, wall, result.usage.cpu_seconds)


def _scored(work: Workbench, clip: Path, made: Made) -> Encoded:
    job = make_job(work.output(), "media")
    score = similarity(job, made.path, "mov", Reference(clip, "mov"), "vmaf", every=SCORED_EVERY)
    return Encoded(made.path.stat().st_size / 1e6, score)


if __name__ == "__main__":
    run_benchmark("HandBrake", measure)
