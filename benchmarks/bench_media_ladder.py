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
SPEEDS = ("medium", "veryfast")


def measure(bench: Bench) -> None:
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        bench.fact("clip", "32 s, 1280x720; renditions 1280x720, 854x480, 640x360")
        for speed in SPEEDS:
            commands = _commands(work, speed)
            row = bench.compare(
                f"three renditions in one job, {speed}",
                against="three runs of ffmpeg",
                unit="s",
                by="ratio",
                goal=at_most(0.75),
            )
            cpu = bench.compare(
                f"the same, {speed}", against="three runs of ffmpeg", unit="CPU s", by="ratio"
            )
            _job(work, slot, speed)
            for number in bench.rounds():
                ours, peer = in_turn(number, partial(_job, work, slot, speed), partial(_runs, work, commands))
                row.add(ours[0], peer[0])
                cpu.add(ours[1], peer[1])


def _tables(speed: str) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "video": {"codec": "h264", "size": size, "crf": crf, "speed": speed, "copy_fitting": False},
            "audio": {"codec": "aac", "bitrate": 128_000, "channels": 2},
            "may_grow": True,
        }
        for name, (size, crf) in RUNGS.items()
    }


def _job(work: Workbench, slot: WarmSlot, speed: str) -> tuple[float, float]:
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
        "input_media": str(work.clip),
        "output_presets": list(RUNGS),
        "preset_file": str(file),
        "generate_thumbnails": False,
    }
    result, wall = slot.run(slot.order("media", payload, work.output()))
    expect(len(result.artifacts) == len(RUNGS), "the job made another number of files")
    return wall, result.usage.cpu_seconds


def _commands(work: Workbench, speed: str) -> list[list[str]]:
    """The arguments of each rendition alone."""
    order = work.host.order(
        "media",
        {"input_media": str(work.clip)},
        job_id=str(uuid.uuid4()),
        base_dir=work.root,
        output=work.root / "x",
    )
    job = JobContext(order, registry=lambda: work.host.registry)
    info = probe(work.clip)
    transcoder = Transcoder(job, info, work.clip.name)
    making = Making(
        MediaPayload(input_media=str(work.clip)), transcoder, "peer", lambda name, _: work.root / name
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
