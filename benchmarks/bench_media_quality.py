"""What does the search for a quality cost, and how well does it foretell the score of the whole?

``video.quality = { vmaf = 93 }`` tries values on short samples, encodes the title with what it found, and scores all of
it. The peer is the same job with the value given, so that nothing is searched or scored.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from harness import Bench, at_most, expect, in_turn, run_benchmark
from workbench import WarmSlot, Workbench, workbench

TARGETS = (93.0, 85.0)
REPEATS = 12


def measure(bench: Bench) -> None:
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        if not work.has_vmaf(bench):
            return
        clip = str(work.footage(REPEATS))
        bench.fact("clip", "64 s, 1280x720 to 854x480, H.264 at speed medium")
        for target in TARGETS:
            found = _job(work, slot, clip, {"quality": {"vmaf": target}})[0]
            quality = found["quality"]
            expect(quality["metric"] == "vmaf", f"the score was {quality['metric']}")
            off = bench.compare(
                f"predicted and final VMAF differ, target {target:g}",
                against="nothing",
                unit="points",
                by="ours",
                goal=at_most(1.0),
            )
            miss = bench.compare(
                f"final VMAF misses the target {target:g}", against="nothing", unit="points", by="ours"
            )
            cost = bench.compare(
                f"search and score, target {target:g}", against="the encode alone", unit="s", by="ratio"
            )
            for number in bench.rounds():
                (facts, _, timings), (_, plain, _) = in_turn(
                    number,
                    partial(_job, work, slot, clip, {"quality": {"vmaf": target}}),
                    partial(_job, work, slot, clip, {"crf": quality["crf"]}),
                )
                score = facts["quality"]
                off.add(abs(score["predicted"] - score["final"]), 1.0)
                miss.add(abs(score["final"] - target), 1.0)
                cost.add(timings["quality_search"] + timings["final_score"], plain)
            trials = ", ".join(f"crf {each['crf']}: {each['score']:.2f}" for each in quality["trials"])
            bench.note(
                f"Target {target:g}: crf {quality['crf']} after {len(quality['trials'])} trials on "
                f"{quality['sample_seconds']:g} s ({trials}); search {timings['quality_search']:.1f} s, "
                f"score {timings['final_score']:.1f} s."
            )


def _job(
    work: Workbench, slot: WarmSlot, clip: str, rate: dict[str, Any]
) -> tuple[dict[str, Any], float, dict[str, float]]:
    changes = {
        "video": {"size": "480p", "copy_fitting": False, "max_bitrate": 50_000_000, **rate},
        "may_grow": True,
    }
    payload = {
        "input_media": clip,
        "output_presets": ["web-optimized"],
        "generate_thumbnails": False,
        "overrides": changes,
    }
    result, wall = slot.run(slot.order("media", payload, work.output()))
    record = result.as_record()["facts"]
    return record["presets"][0], wall, record["timings"]


if __name__ == "__main__":
    run_benchmark("quality search", measure)
