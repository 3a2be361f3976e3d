"""What do three renditions cost together, from one decode, and what as three runs of ffmpeg?

Ours is a whole ``media`` job in a warm slot: probe, encode, verify, publish. The peers are the same three encodes with
the same options, one run each, with nothing around them.
"""

from __future__ import annotations

import json
import uuid
from functools import partial
from pathlib import Path
from typing import Any

from harness import Bench, at_most, expect, in_turn, run_benchmark
from workbench import WarmSlot, Workbench, workbench

from pitchey_core.context import JobContext
from pitchey_core.ffmpeg.graph import build_arguments
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.renditions import Target
from pitchey_core.ffmpeg.transcode import Transcoder
from pitchey_media.outputs.base import Making
from pitchey_media.outputs.file import FileOutput
from pitchey_media.payload import MediaPayload
from pitchey_media.schema import parse_preset

RUNGS = {"large": ("720p", 23), "middle": ("480p", 23), "small": ("360p", 24)}
MASTER_SECONDS = 10


def measure(bench: Bench) -> None:
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        bench.fact("renditions", "1280x720, 854x480, 640x360")
        master = _master(work)
        for source, title, speed in (
            (master, f"of a 2160p master ({MASTER_SECONDS} s)", "medium"),
            (master, f"of a 2160p master ({MASTER_SECONDS} s)", "veryfast"),
            (work.clip, "of 720p (32 s)", "medium"),
        ):
            commands = _commands(work, source, speed)
            name = f"three renditions {title}, {speed}"
            row = bench.compare(
                name, against="three runs of ffmpeg", unit="s", by="ratio", goal=at_most(0.75)
            )
            cpu = bench.compare(name, against="three runs of ffmpeg", unit="CPU s", by="ratio")
            for number in bench.rounds():
                ours, peer = in_turn(
                    number, partial(_job, work, slot, source, speed), partial(_runs, work, commands)
                )
                row.add(ours[0], peer[0])
                cpu.add(ours[1], peer[1])


def _master(work: Workbench) -> Path:
    """What a camera or an editor delivers: larger than anything that is published, here enlarged footage."""
    path = work.root / "master.mp4"
    picture = ["-vf", "scale=3840:2160", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"]
    work.bare(
        "-v", "error", "-i", str(work.clip), "-t", str(MASTER_SECONDS), *picture, "-c:a", "copy", str(path)
    )
    return path


def _tables(speed: str) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "video": {"codec": "h264", "size": size, "crf": crf, "speed": speed, "copy_fitting": False},
            "audio": {"codec": "aac", "bitrate": 128_000, "channels": 2},
            "may_grow": True,
        }
        for name, (size, crf) in RUNGS.items()
    }


def _job(work: Workbench, slot: WarmSlot, source: Path, speed: str) -> tuple[float, float]:
    file = work.root / f"{speed}.toml"
    file.write_text(
        "".join(
            f"[{name}]\nmay_grow = true\n"
            + "".join(
                f"{key}.{k} = {json.dumps(v)}\n" for key in ("video", "audio") for k, v in table[key].items()
            )
            for name, table in _tables(speed).items()
        )
    )
    payload = {
        "input_media": str(source),
        "output_presets": list(RUNGS),
        "preset_file": str(file),
        "generate_thumbnails": False,
    }
    result, wall = slot.run(slot.order("media", payload, work.output()))
    expect(len(result.artifacts) == len(RUNGS), "the job made another number of files")
    return wall, result.usage.cpu_seconds


def _commands(work: Workbench, source: Path, speed: str) -> list[list[str]]:
    """The arguments of each rendition alone."""
    order = work.host.order(
        "media",
        {"input_media": str(source)},
        job_id=str(uuid.uuid4()),
        base_dir=work.root,
        output=work.root / "x",
    )
    job = JobContext(order, registry=lambda: work.host.registry)
    info = probe(source)
    transcoder = Transcoder(job, info, source.name)
    making = Making(
        MediaPayload(input_media=str(source)), transcoder, "peer", lambda name, _: work.root / name
    )
    commands = []
    for name, table in _tables(speed).items():
        (rendition,) = FileOutput(name, parse_preset(name, table), making).renditions()
        plan = transcoder.plan(rendition.wanted)
        target = Target(plan, rendition.path, transcoder.encoder(plan))
        commands.append(build_arguments(info, [target], threads=job.threads, pixels=job.limits.pixels))
    return commands


def _runs(work: Workbench, commands: list[list[str]]) -> tuple[float, float]:
    wall = cpu = 0.0
    for arguments in commands:
        cost = work.bare("-progress", "pipe:1", *arguments)
        expect(Path(arguments[-1].removeprefix("file:")).stat().st_size > 0, "a run wrote nothing")
        wall, cpu = wall + cost.wall, cpu + cost.cpu
    return wall, cpu


if __name__ == "__main__":
    run_benchmark("three renditions from one decode", measure)
