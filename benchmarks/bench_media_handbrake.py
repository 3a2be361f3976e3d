"""Size and time against HandBrake at equal quality, on real footage.

The peer is HandBrake's preset ``Fast 720p30`` as it is, but for cropping, which would change what is compared. Ours is
``web-optimized`` at speed ``fast``, x264's own name for what that preset uses, with the constant quality that gives
the peer's VMAF; the jobs that look for it are not counted. Without HandBrakeCLI there are no figures.
"""

from __future__ import annotations

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
PRESET = "Fast 720p30"
FIRST = 23
SLOPE = 1.2
"""Points of VMAF that a step of the constant quality makes, about."""
RATE = 25


def measure(bench: Bench) -> None:
    program = shutil.which(PEER)
    if program is None:
        bench.note(
            f"{PEER} is not installed (apt install handbrake-cli), so there is nothing to compare with."
        )
        return
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        bench.fact("handbrake", _version(program))
        bench.fact("clip", "32 s, 1280x720")
        clip = _even(work)
        theirs = _handbrake(work, program, clip)
        better, worse = _around(work, slot, clip, theirs.vmaf)
        # What a value between the two would give: the scale has whole numbers only.
        share = (better[1].vmaf - theirs.vmaf) / (better[1].vmaf - worse[1].vmaf)
        megabytes = better[1].megabytes + share * (worse[1].megabytes - better[1].megabytes)
        crf = better[0]
        size = bench.compare(
            "size at equal VMAF", against=f"HandBrake, {PRESET}", unit="MB", by="ratio", goal=at_most(1.0)
        )
        wall = bench.compare("time", against=f"HandBrake, {PRESET}", unit="s", by="ratio", goal=at_most(1.0))
        for number in bench.rounds():
            ours, theirs = in_turn(
                number, partial(_ours, work, slot, clip, crf), partial(_handbrake, work, program, clip)
            )
            size.add(megabytes, theirs.megabytes)
            wall.add(ours.wall, theirs.wall)
        bench.note(
            f"VMAF: HandBrake {theirs.vmaf:.2f}; ours {better[1].vmaf:.2f} at crf {better[0]} "
            f"({better[1].megabytes:.2f} MB), {worse[1].vmaf:.2f} at crf {worse[0]} ({worse[1].megabytes:.2f} MB)."
        )


@dataclass(frozen=True, slots=True)
class Encoded:
    """One output: its size, the wall time it took, and its score."""

    megabytes: float
    wall: float
    vmaf: float


def _around(work: Workbench, slot: WarmSlot, clip: Path, vmaf: float) -> tuple[tuple[int, Encoded], ...]:
    """The two neighbouring values between whose scores a score lies, the better one first."""
    found: dict[int, Encoded] = {}
    crf = FIRST
    while True:
        found[crf] = found.get(crf) or _ours(work, slot, clip, crf)
        above = [each for each, encoded in found.items() if encoded.vmaf >= vmaf]
        below = [each for each, encoded in found.items() if encoded.vmaf < vmaf]
        if above and below and min(below) - max(above) == 1:
            return (max(above), found[max(above)]), (min(below), found[min(below)])
        step = round((found[crf].vmaf - vmaf) / SLOPE) or (1 if found[crf].vmaf >= vmaf else -1)
        crf = crf + step if crf + step not in found else (max(above) + 1 if above else min(below) - 1)
        expect(1 <= crf <= 51, f"no value gives VMAF {vmaf}")


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _even(work: Workbench) -> Path:
    """The clip at an even rate: where a loop is joined it has a gap, which each program fills in its own way."""
    path = work.root / "even.mp4"
    picture = [
        "-vf",
        f"fps={RATE},setpts=N/{RATE}/TB",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-crf",
        "14",
    ]
    work.bare("-v", "error", "-i", str(work.clip), *picture, "-c:a", "aac", "-ac", "2", str(path))
    return path


def _handbrake(work: Workbench, program: str, clip: Path) -> Encoded:
    path = work.output().with_suffix(".mp4")
    command = [program, "--preset", PRESET, "--crop-mode", "none", "-i", str(clip), "-o", str(path)]
    done, cost = timed(lambda: subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True))
    expect(done.returncode == 0 and path.exists(), f"HandBrake failed: {done.stderr.decode()[-300:]}")
    return _scored(work, clip, path, cost.wall)


def _ours(work: Workbench, slot: WarmSlot, clip: Path, crf: int) -> Encoded:
    payload = {
        "input_media": str(clip),
        "output_presets": ["web-optimized"],
        "generate_thumbnails": False,
        "overrides": {"video": {"crf": crf, "speed": "fast", "copy_fitting": False}, "may_grow": True},
    }
    result, wall = slot.run(slot.order("media", payload, work.output()))
    return _scored(work, clip, Path(result.artifacts[0].uri.removeprefix("file://")), wall)


def _scored(work: Workbench, clip: Path, path: Path, wall: float) -> Encoded:
    job = make_job(work.output(), "media")
    score = similarity(job, path, "mov", Reference(clip, "mov"), "vmaf")
    return Encoded(path.stat().st_size / 1e6, wall, score)


if __name__ == "__main__":
    run_benchmark("HandBrake", measure)
