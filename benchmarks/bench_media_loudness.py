"""How near to its target does sound come, and do its peaks stay below -1 dBTP?

Ours is the ``media`` preset ``audio-podcast`` (-16 LUFS, AAC). The peer is the usual recipe: ffmpeg's ``loudnorm`` in
two passes, the second with the values measured by the first, into the same encoder. Ten sources of different kinds,
some with peaks that leave no room for the gain they need.
"""

from __future__ import annotations

import json
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from harness import Bench, at_most, expect, in_turn, run_benchmark
from workbench import WarmSlot, Workbench, workbench

TARGET = -16.0
PEAK = -1.0
NOISE = "anoisesrc=d=20:r=48000:c={}:a={}:seed=1"
SOURCES = {
    "pink noise": NOISE.format("pink", 0.3),
    "loud noise": NOISE.format("pink", 0.95),
    "tone": "sine=f=1000:d=20:r=48000",
    "bursts": "aevalsrc='0.8*sin(2*PI*440*t)*lt(mod(t,2),0.3)':d=20:s=48000",
    "clicks on a hum": "aevalsrc='0.9*lt(mod(t,0.5),0.0005)+0.1*sin(2*PI*300*t)':d=20:s=48000",
    "syllables": NOISE.format("pink", 0.6) + ",tremolo=f=4:d=0.9",
    "pauses": NOISE.format("pink", 0.5) + ",volume=eval=frame:volume='if(lt(mod(t,5),3.5),1,0.02)'",
    "crescendo": NOISE.format("pink", 0.5) + ",volume=eval=frame:volume='0.02+t/25'",
    "chords": "aevalsrc='0.2*exp(-1.5*mod(t,2))*(sin(2*PI*262*t)+sin(2*PI*392*t))|"
    "0.2*exp(-1.5*mod(t,2))*sin(2*PI*523*t)':d=20:s=44100",
    "film": "",
}
"""Graphs of libavfilter; the film is the sound of Big Buck Bunny, in a loop."""
STEREO = {"chords", "film"}


def measure(bench: Bench) -> None:
    with workbench() as work, work.warm_slot() as slot:
        bench.fact("ffmpeg", work.ffmpeg_version)
        bench.fact("target", f"{TARGET:g} LUFS, true peak at most {PEAK:g} dBTP")
        sources = {name: _source(work, name, graph) for name, graph in SOURCES.items()}
        worst = bench.compare(
            "largest error of ten sources",
            against="loudnorm, two passes",
            unit="LU",
            by="ours",
            goal=at_most(0.5),
        )
        mean = bench.compare("mean error", against="loudnorm, two passes", unit="LU", by="ours")
        peak = bench.compare(
            "highest true peak", against="loudnorm, two passes", unit="dBTP", by="ours", goal=at_most(PEAK)
        )
        time = bench.compare("time of all ten", against="loudnorm, two passes", unit="s", by="ratio")
        for number in bench.rounds():
            ours, peer = in_turn(
                number,
                partial(_all, sources, partial(_ours, work, slot)),
                partial(_all, sources, partial(_loudnorm, work)),
            )
            worst.add(
                max(abs(each[0]) for each in ours.values()), max(abs(each[0]) for each in peer.values())
            )
            mean.add(_mean(ours), _mean(peer))
            peak.add(max(each[1] for each in ours.values()), max(each[1] for each in peer.values()))
            time.add(sum(each[2] for each in ours.values()), sum(each[2] for each in peer.values()))
        for name, (error, highest, _) in ours.items():
            theirs = peer[name]
            bench.note(
                f"{name}: {error:+.2f} LU, {highest:.1f} dBTP; loudnorm {theirs[0]:+.2f} LU, {theirs[1]:.1f} dBTP"
            )


Outcome = tuple[float, float, float]
"""Error in LU, true peak in dBTP, wall time in seconds."""


def _mean(outcomes: dict[str, Outcome]) -> float:
    return sum(abs(each[0]) for each in outcomes.values()) / len(outcomes)


def _all(sources: dict[str, Path], run: Any) -> dict[str, Outcome]:
    return {name: run(path) for name, path in sources.items()}


def _source(work: Workbench, name: str, graph: str) -> Path:
    path = work.root / f"{name.replace(' ', '-')}.flac"
    given = ["-f", "lavfi", "-i", graph] if graph else ["-i", str(work.clip), "-vn"]
    work.bare("-v", "error", *given, str(path))
    return path


def _ours(work: Workbench, slot: WarmSlot, source: Path) -> Outcome:
    payload = {"input_media": str(source), "output_presets": ["audio-podcast"]}
    result, wall = slot.run(slot.order("media", payload, work.output()))
    (artifact,) = result.artifacts
    error, peak = _measured(work, Path(artifact.uri.removeprefix("file://")))
    return error, peak, wall


def _loudnorm(work: Workbench, source: Path) -> Outcome:
    base = f"loudnorm=I={TARGET:g}:TP=-2:LRA=11"
    mixed = f"aformat=channel_layouts={'stereo' if source.stem in STEREO else 'mono'}"
    first, cost = _report(work, source, f"{mixed},{base}")
    values = "".join(f":measured_{name}={first[key]}" for name, key in (
        ("I", "input_i"), ("TP", "input_tp"), ("LRA", "input_lra"), ("thresh", "input_thresh")
    ))  # fmt: skip
    chain = f"{mixed},{base}{values}:offset={first['target_offset']}:linear=true,aresample=48000,{mixed}"
    target = work.root / f"peer-{source.stem}.m4a"
    wall = work.bare(
        "-v", "error", "-y", "-i", str(source), "-af", chain, "-c:a", "aac", "-b:a", "128k", str(target)
    ).wall
    error, peak = _measured(work, target)
    return error, peak, cost + wall


def _report(work: Workbench, path: Path, chain: str) -> tuple[dict[str, str], float]:
    import time

    started = time.perf_counter()
    done = subprocess.run(
        [
            work.ffmpeg,
            "-hide_banner",
            "-nostats",
            "-i",
            path,
            "-af",
            f"{chain}:print_format=json",
            "-f",
            "null",
            "-",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(re.findall(r"\{[^{}]*\"input_i\"[^{}]*\}", done.stderr)[-1])
    return found, time.perf_counter() - started


def _measured(work: Workbench, path: Path) -> tuple[float, float]:
    found, _ = _report(work, path, f"loudnorm=I={TARGET:g}")
    expect(float(found["input_i"]) > -70, f"{path.name} is silent")
    return float(found["input_i"]) - TARGET, float(found["input_tp"])


if __name__ == "__main__":
    run_benchmark("loudness", measure)
