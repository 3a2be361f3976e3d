"""What does a ``video`` job cost on top of the ffmpeg command that it runs?

The peer runs the very command of the job: in a first job, which is discarded, a small program in ffmpeg's place
writes its arguments down and becomes ffmpeg. Only the name of the output is replaced.
"""

from __future__ import annotations

import shlex
import statistics
from functools import partial
from pathlib import Path
from typing import Any

from harness import Bench, at_most, expect, in_turn, run_benchmark
from workbench import CLIP_SECONDS, WarmSlot, Workbench, workbench

QUALITY = "480p"
SPEEDS = ("medium", "veryfast")
"""The default, and one at which what the job does beside encoding weighs three times as much."""
STEPS = ("probe", "encode", "verify", "pictures", "total")


def measure(bench: Bench) -> None:
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        work.cli("db", "upgrade", "--json")
        for speed in SPEEDS:
            _measure_speed(bench, work, slot, speed)


def _measure_speed(bench: Bench, work: Workbench, slot: WarmSlot, speed: str) -> None:
    arguments = captured_arguments(work, slot, speed)
    bench.fact(f"command, {speed}", shlex.join(["ffmpeg", *(_anonymous(word) for word in arguments)]))
    warm = bench.compare(
        f"video job in a warm slot, {speed}",
        against="the same ffmpeg command",
        unit="s",
        by="ratio",
        goal=at_most(1.03),
    )
    called = bench.compare(
        f"pitchey-run video --json, {speed}",
        against="the same ffmpeg command",
        unit="s",
        by="difference",
        goal=at_most(1.0),
    )
    steps: dict[str, list[float]] = {step: [] for step in (*STEPS, "publish")}
    for number in bench.rounds():
        bare, in_slot, from_cli = in_turn(
            number,
            partial(_bare, work, arguments),
            partial(_in_slot, work, slot, speed, steps),
            partial(_from_cli, work, speed),
        )
        warm.add(in_slot, bare)
        called.add(from_cli, bare)
    shown = ", ".join(f"{step} {statistics.median(times) * 1000:.0f} ms" for step, times in steps.items())
    bench.note(f"Inside the job in the warm slot, {speed}: {shown} (total: all but publish).")


def _payload(work: Workbench, speed: str) -> dict[str, Any]:
    return {"input_url": str(work.clip), "quality": QUALITY, "speed": speed}


def captured_arguments(work: Workbench, slot: WarmSlot, speed: str) -> list[str]:
    """The arguments that the job gives to ffmpeg; warms the slot as well."""
    notes = work.root / f"calls-{speed}"
    notes.mkdir()
    stand_in = work.root / f"stand-in-{speed}"
    stand_in.write_text(
        f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {shlex.quote(str(notes))}/$$\n"
        f'exec {shlex.quote(str(work.ffmpeg))} "$@"\n'
    )
    stand_in.chmod(0o755)
    payload = _payload(work, speed)
    slot.run(slot.order("video", payload, work.output(), ffmpeg=stand_in))
    calls = [file.read_bytes().decode().split("\0")[:-1] for file in notes.iterdir()]
    # Calls without an input only ask what the program can do.
    encodes = [call for call in calls if "-i" in call]
    expect(len(encodes) == 1, f"the job ran ffmpeg {len(encodes)} times; one command is no peer for that")
    # And once with the real one, so that the slot has seen all of its own job.
    slot.run(slot.order("video", payload, work.output()))
    return encodes[0]


def _anonymous(word: str) -> str:
    return Path(word).name if word.startswith(("/", "file:")) else word


def _bare(work: Workbench, arguments: list[str]) -> float:
    folder = work.output()
    folder.mkdir()
    target = folder / "clip.mp4"
    cost = work.bare(*arguments[:-1], str(target))
    expect(target.stat().st_size > 0, "bare ffmpeg wrote nothing")
    return cost.wall


def _in_slot(work: Workbench, slot: WarmSlot, speed: str, steps: dict[str, list[float]]) -> float:
    result, wall = slot.run(slot.order("video", _payload(work, speed), work.output()))
    record = result.as_record()
    _verify(record)
    timings = record["facts"]["timings"]
    for step in STEPS:
        steps[step].append(timings[step])
    steps["publish"].append(wall - timings["total"])
    return wall


def _from_cli(work: Workbench, speed: str) -> float:
    options = ("--quality", QUALITY, "--speed", speed, "-o", str(work.output()))
    called = work.cli("video", str(work.clip), *options, "--json")
    _verify(called.result)
    return called.wall


def _verify(result: dict[str, Any]) -> None:
    expect(result["status"] == "completed", f"the job ended {result['status']}")
    output = result["facts"]["output"]
    expect(output["height"] == 480, f"the picture is {output['height']} lines high")
    expect(output["video_codec"] == "h264", f"the codec is {output['video_codec']}")
    expect(output["duration_seconds"] >= CLIP_SECONDS, f"it plays {output['duration_seconds']} s")


if __name__ == "__main__":
    run_benchmark("video job against bare ffmpeg", measure)
