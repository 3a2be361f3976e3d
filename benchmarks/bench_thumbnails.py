"""What do ten thumbnails cost in process, by key-frame seek, and what with ffmpeg?

Ours is what the ``video`` processor does in its warm process: open, find the key frames, decode one picture of each
part, scale and save it. The peers are the two usual commands: one run with the ``fps`` filter, which decodes
everything, and one run with an input seek for each picture. All write JPEG files of the same width.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness import Bench, Cost, at_least, expect, in_turn, run_benchmark, timed
from PIL import Image, ImageStat
from workbench import CLIP_SECONDS, Workbench, workbench

from pitchey_core.ffmpeg.frames import FrameReader
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.thumbnails import SAVE_OPTIONS, midpoints, take_thumbnails
from pitchey_core.resources import Limits

COUNT = 10
WIDTH = 640


def measure(bench: Bench) -> None:
    with workbench() as work:
        bench.fact("ffmpeg", work.ffmpeg_version)
        filtered = bench.compare(
            "ten thumbnails in process",
            against="ffmpeg with the fps filter",
            unit="CPU s",
            by="saving",
            goal=at_least(10),
        )
        sought = bench.compare(
            "ten thumbnails in process", against="ten ffmpeg runs with a seek", unit="CPU s", by="saving"
        )
        walls = bench.compare(
            "ten thumbnails in process", against="ffmpeg with the fps filter", unit="s", by="saving"
        )
        # The first call pays for imports, which a warm process has behind it.
        _in_process(work)
        for number in bench.rounds():
            ours, by_filter, by_seek = in_turn(
                number, partial(_in_process, work), partial(_by_filter, work), partial(_by_seek, work)
            )
            filtered.add(ours.cpu, by_filter.cpu)
            sought.add(ours.cpu, by_seek.cpu)
            walls.add(ours.wall, by_filter.wall)


def _in_process(work: Workbench) -> Cost:
    folder = _folder(work)
    times, cost = timed(lambda: _take(work.clip, folder))
    cell = CLIP_SECONDS / COUNT
    apart = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    expect(min(apart) > cell / 10, f"the thumbnails are not spread over the clip: {times}")
    expect(times[0] < 2 * cell and times[-1] > CLIP_SECONDS - 2 * cell, f"not from end to end: {times}")
    _verify(folder)
    return cost


def _take(clip: Path, folder: Path) -> list[float]:
    info = probe(clip, limits=Limits())
    assert info.duration_seconds is not None
    times = []
    with FrameReader(info) as reader:
        for number, shot in enumerate(take_thumbnails(reader, info.duration_seconds, COUNT, width=WIDTH), 1):
            options = dict(SAVE_OPTIONS["jpeg"])
            shot.image.save(folder / f"{number:03}.jpg", str(options.pop("format")), **options)
            times.append(shot.seconds)
    return times


def _by_filter(work: Workbench) -> Cost:
    folder = _folder(work)
    rate = f"fps={COUNT}/{_duration(work):.3f},scale={WIDTH}:-2"
    cost = work.bare(
        "-v", "error", "-i", str(work.clip), "-vf", rate, "-frames:v", str(COUNT), "-q:v", "3", f"{folder}/%03d.jpg"
    )
    _verify(folder)
    return cost


def _by_seek(work: Workbench) -> Cost:
    folder = _folder(work)
    wall = cpu = 0.0
    for number, seconds in enumerate(midpoints(_duration(work), COUNT), 1):
        target = str(folder / f"{number:03}.jpg")
        seek = ["-v", "error", "-ss", f"{seconds:.3f}", "-i", str(work.clip)]
        one = work.bare(*seek, "-frames:v", "1", "-vf", f"scale={WIDTH}:-2", "-q:v", "3", target)
        wall, cpu = wall + one.wall, cpu + one.cpu
    _verify(folder)
    return Cost(wall, cpu)


def _duration(work: Workbench) -> float:
    seconds = probe(work.clip, limits=Limits()).duration_seconds
    assert seconds is not None
    return seconds


def _folder(work: Workbench) -> Path:
    folder = work.output()
    folder.mkdir()
    return folder


def _verify(folder: Path) -> None:
    files = sorted(folder.glob("*.jpg"))
    expect(len(files) == COUNT, f"{len(files)} thumbnails instead of {COUNT}")
    for file in files:
        with Image.open(file) as image:
            expect(image.size == (WIDTH, 360), f"a thumbnail of {image.size}")
            expect(ImageStat.Stat(image.convert("L")).stddev[0] > 5, "a thumbnail shows nothing")


if __name__ == "__main__":
    run_benchmark("thumbnails", measure)
