"""What do ten thumbnails cost in process, by key-frame seek, and what with ffmpeg?

Ours is what the ``video`` processor does in its warm process: open, find the key frames, decode one picture of each
part, scale and save it. The peers are the two usual commands: one run with the ``fps`` filter, which decodes
everything, and one run with an input seek for each picture. All write JPEG files of the same width.

The clip is a minute long with a key frame every four seconds, as in the processor's own outputs, from which it takes
its thumbnails. The last line is the unkind case: half a minute with key frames ten seconds apart, so that there are
fewer of them than thumbnails and most pictures have to be decoded from the key frame before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import Bench, Cost, at_least, expect, in_turn, run_benchmark, timed
from PIL import Image, ImageStat
from workbench import Workbench, workbench

from pitchey_core.ffmpeg.frames import FrameReader
from pitchey_core.ffmpeg.probing import probe
from pitchey_core.ffmpeg.thumbnails import SAVE_OPTIONS, midpoints, take_thumbnails
from pitchey_core.resources import Limits

COUNT = 10
REPEATS = 12
KEY_SECONDS = 4.0
WIDTH = 640


def measure(bench: Bench) -> None:
    with workbench() as work:
        bench.fact("ffmpeg", work.ffmpeg_version)
        clip, sparse = (
            _Clip.of(path) for path in (work.footage(REPEATS, key_seconds=KEY_SECONDS), work.clip)
        )
        bench.fact(
            "clip", f"{clip.seconds:.0f} s, 1280x720; the one with few key frames {sparse.seconds:.0f} s"
        )
        name, by_filter, by_seek = "ten thumbnails in process", "the fps filter", "ten seeks"
        lines = [
            bench.compare(name, against=by_filter, unit="CPU s", by="saving", goal=at_least(10)),
            bench.compare(name, against=by_seek, unit="CPU s", by="saving"),
            bench.compare(f"{name}, few key frames", against=by_filter, unit="CPU s", by="saving"),
        ]
        # The first call pays for imports, which a warm process has behind it.
        _in_process(work, clip)
        for number in bench.rounds():
            ours, filtered, sought, ours_sparse, filtered_sparse = in_turn(
                number,
                partial(_in_process, work, clip),
                partial(_by_filter, work, clip),
                partial(_by_seek, work, clip),
                partial(_in_process, work, sparse),
                partial(_by_filter, work, sparse),
            )
            lines[0].add(ours.cpu, filtered.cpu)
            lines[1].add(ours.cpu, sought.cpu)
            lines[2].add(ours_sparse.cpu, filtered_sparse.cpu)


@dataclass(frozen=True, slots=True)
class _Clip:
    path: Path
    seconds: float

    @classmethod
    def of(cls, path: Path) -> _Clip:
        seconds = probe(path, limits=Limits()).duration_seconds
        assert seconds is not None
        return cls(path, seconds)


def _in_process(work: Workbench, clip: _Clip) -> Cost:
    folder = _folder(work)
    times, cost = timed(lambda: _take(clip.path, folder))
    for number, seconds in enumerate(times):
        cell = clip.seconds / COUNT
        expect(
            number * cell <= seconds < (number + 1) * cell, f"the thumbnails are not spread evenly: {times}"
        )
    _verify(folder)
    return cost


def _take(path: Path, folder: Path) -> list[float]:
    info = probe(path, limits=Limits())
    assert info.duration_seconds is not None
    times = []
    with FrameReader(info) as reader:
        for number, shot in enumerate(take_thumbnails(reader, info.duration_seconds, COUNT, width=WIDTH), 1):
            options = dict(SAVE_OPTIONS["jpeg"])
            shot.image.save(folder / f"{number:03}.jpg", str(options.pop("format")), **options)
            times.append(shot.seconds)
    return times


def _by_filter(work: Workbench, clip: _Clip) -> Cost:
    folder = _folder(work)
    filters = f"fps={COUNT}/{clip.seconds:.3f},scale={WIDTH}:-2"
    source = ["-v", "error", "-i", str(clip.path), "-an"]
    cost = work.bare(*source, "-vf", filters, "-frames:v", str(COUNT), "-q:v", "3", f"{folder}/%03d.jpg")
    _verify(folder)
    return cost


def _by_seek(work: Workbench, clip: _Clip) -> Cost:
    folder = _folder(work)
    wall = cpu = 0.0
    for number, seconds in enumerate(midpoints(clip.seconds, COUNT), 1):
        seek = ["-v", "error", "-ss", f"{seconds:.3f}", "-i", str(clip.path), "-an"]
        picture = ["-frames:v", "1", "-vf", f"scale={WIDTH}:-2", "-q:v", "3", f"{folder}/{number:03}.jpg"]
        one = work.bare(*seek, *picture)
        wall, cpu = wall + one.wall, cpu + one.cpu
    _verify(folder)
    return Cost(wall, cpu)


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
