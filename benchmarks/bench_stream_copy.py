"""What does it save to copy streams that fit already instead of encoding them again?

Both are ``video`` jobs on the same H.264 and AAC clip with the same target. The one that encodes is made to by asking
for a quality (``crf``), once with the default speed and once with a fast one. "Processor time" is the wall time inside
the processor, in a warm slot.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from harness import Bench, Comparison, at_least, expect, in_turn, run_benchmark
from workbench import WarmSlot, Workbench, workbench

SPEEDS = ("medium", "veryfast")
DEFAULT_SPEED = "medium"


def measure(bench: Bench) -> None:
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        goals = {"wall": at_least(30), "CPU": at_least(30), "CLI": at_least(8)}
        lines: dict[tuple[str, str], Comparison] = {}
        for speed in SPEEDS:
            words = f"encoding again, {speed}{' (default)' if speed == DEFAULT_SPEED else ''}"
            copied = {"wall": "copy, processor time", "CPU": "copy, CPU time", "CLI": "copy, from the CLI"}
            for kind, name in copied.items():
                if kind == "CLI" and speed != DEFAULT_SPEED:
                    continue
                unit: Any = "CPU s" if kind == "CPU" else "s"
                goal = goals[kind] if speed == DEFAULT_SPEED else None
                lines[kind, speed] = bench.compare(name, against=words, unit=unit, by="saving", goal=goal)
        work.cli("db", "upgrade", "--json")
        _in_slot(work, slot, {})
        for number in bench.rounds():
            copy, *encodes = in_turn(
                number,
                partial(_in_slot, work, slot, {}),
                *(partial(_in_slot, work, slot, {"crf": 23, "speed": speed}) for speed in SPEEDS),
            )
            for speed, encode in zip(SPEEDS, encodes, strict=True):
                lines["wall", speed].add(copy["wall"], encode["wall"])
                lines["CPU", speed].add(copy["CPU"], encode["CPU"])
            lines["CLI", DEFAULT_SPEED].add(
                *in_turn(number, partial(_from_cli, work), partial(_from_cli, work, "--crf", "23"))
            )


def _in_slot(work: Workbench, slot: WarmSlot, fields: dict[str, Any]) -> dict[str, float]:
    payload = {"input_url": str(work.clip), **fields}
    result, _ = slot.run(slot.order("video", payload, work.output()))
    _verify(result.as_record(), copied=not fields)
    return {"wall": result.usage.wall_us / 1e6, "CPU": result.usage.cpu_us / 1e6}


def _from_cli(work: Workbench, *options: str) -> float:
    called = work.cli("video", str(work.clip), *options, "-o", str(work.output()), "--json")
    _verify(called.result, copied=not options)
    return called.wall


def _verify(result: dict[str, Any], *, copied: bool) -> None:
    facts = result["facts"]
    actions = {stream["kind"]: stream["action"] for stream in facts["streams"]}
    expect(actions["video"] == ("copy" if copied else "encode"), f"the picture: {actions['video']}")
    expect(
        facts["output"]["duration_seconds"] >= 0.99 * facts["input"]["duration_seconds"], "it is too short"
    )


if __name__ == "__main__":
    run_benchmark("stream copy", measure)
