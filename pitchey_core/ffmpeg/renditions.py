"""From one decoded picture to all renditions: what they share is done once, and small ones are made of large ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pitchey_core.ffmpeg.filters import Filter, smaller
from pitchey_core.ffmpeg.hardware import EncoderChoice
from pitchey_core.ffmpeg.loudness import LoudnessReport, loudness_filters
from pitchey_core.ffmpeg.naming import file_argument
from pitchey_core.ffmpeg.steps import Step, StreamPlan

__all__ = ["Target", "draw_pictures", "draw_sounds"]


@dataclass(frozen=True, slots=True)
class Target:
    """One output file.

    Attributes:
        encoder: Needed where the plan encodes the picture.
        playlist: Name of the HLS playlist to write beside it, relative to the folder that ffmpeg runs in.
        loudness: Measured sound, by index of the input stream, that is to be normalised.
    """

    plan: StreamPlan
    path: Path
    encoder: EncoderChoice | None = None
    loudness: Mapping[int, LoudnessReport] = field(default_factory=dict)
    playlist: str | None = None

    @property
    def argument(self) -> str:
        """What ffmpeg is told to write: its HLS muxer takes a playlist, and sees patterns in any longer name."""
        return file_argument(self.path) if self.playlist is None else self.playlist


@dataclass(slots=True)
class _Node:
    """A picture of one size and rate, and those that are made of it.

    Attributes:
        filters: What makes it of its parent, or of the input.
        users: Numbers of the outputs that take it as it is.
    """

    step: Step
    size: tuple[int, int]
    filters: Sequence[Filter]
    users: list[int] = field(default_factory=list)
    children: list[_Node] = field(default_factory=list)

    def serves(self, step: Step) -> bool:
        """Whether a smaller picture of a step can be made of this one, of the same shape and without loss."""
        if step.size is None or step.source.index != self.step.source.index:
            return False
        (width, height), (w, h) = self.size, step.size
        same_shape = abs(width * h - height * w) <= 2 * max(width, height)
        slower = self.step.max_fps is None or (step.max_fps is not None and step.max_fps <= self.step.max_fps)
        return width >= w and height >= h and same_shape and slower


def draw_pictures(source: Any, targets: Sequence[Target], taps: Sequence[Step]) -> list[Any]:
    """The picture of each target and then of each tap; ``None`` where there is none to draw.

    Args:
        source: The ffmpeg-python input.
        taps: Steps of the taps; those of sound have no picture.
    """
    encoded: dict[int, Step] = {}
    for number, target in enumerate(targets):
        if target.plan.video is not None and target.plan.draws:
            encoded[number] = target.plan.video
    roots, nodes = _tree(encoded)
    for number, step in enumerate(taps, len(targets)):
        if step.source.kind == "video" and step.size is not None:
            _tapped(step, roots, nodes).users.append(number)
    result: list[Any] = [None] * (len(targets) + len(taps))
    by_stream: dict[int, list[_Node]] = {}
    for root in roots:
        by_stream.setdefault(root.step.source.index, []).append(root)
    for index, group in by_stream.items():
        shared = _shared([root.filters for root in group])
        common = _apply(source[str(index)], group[0].filters[:shared])
        for root, stream in zip(group, _split(common, len(group)), strict=True):
            root.filters = root.filters[shared:]
            _draw(root, stream, result)
    for number in encoded:
        encoder = targets[number].encoder
        result[number] = _apply(result[number], encoder.upload if encoder is not None else ())
    return result


def _tree(encoded: Mapping[int, Step]) -> tuple[list[_Node], list[_Node]]:
    """The roots, and all nodes with the largest first."""
    roots: list[_Node] = []
    nodes: list[_Node] = []

    def largest_first(number: int) -> tuple[int, float]:
        width, height = encoded[number].size or (0, 0)
        return -width * height, -(encoded[number].max_fps or float("inf"))

    for number in sorted(encoded, key=largest_first):
        step = encoded[number]
        assert step.size is not None
        parent = next((node for node in reversed(nodes) if node.serves(step)), None)
        if parent is None:
            nodes.append(_Node(step, step.size, step.filters, [number]))
            roots.append(nodes[-1])
        elif (parent.size, parent.step.max_fps) == (step.size, step.max_fps):
            parent.users.append(number)
        else:
            fps = step.max_fps if step.max_fps != parent.step.max_fps else None
            nodes.append(_Node(step, step.size, smaller(step.size, max_fps=fps), [number]))
            parent.children.append(nodes[-1])
    return roots, nodes


def _tapped(step: Step, roots: list[_Node], nodes: list[_Node]) -> _Node:
    """The smallest picture that a tap can be drawn from; one of its own if there is none."""
    found = next((node for node in reversed(nodes) if node.serves(step)), None)
    if found is None:
        assert step.size is not None
        found = _Node(step, step.size, step.filters)
        nodes.append(found)
        roots.append(found)
    return found


def _draw(node: _Node, stream: Any, result: list[Any]) -> None:
    parts = _split(_apply(stream, node.filters), len(node.users) + len(node.children))
    for number, part in zip(node.users, parts, strict=False):
        result[number] = part
    for child, part in zip(node.children, parts[len(node.users) :], strict=True):
        _draw(child, part, result)


def draw_sounds(source: Any, targets: Sequence[Target], taps: Sequence[Step]) -> dict[tuple[int, int], Any]:
    """The filtered sounds, by number of the output and index of the input's stream.

    What several outputs hear alike is filtered once. Sound without filters is not among them: it is mapped as it is.
    """
    uses: dict[int, dict[tuple[Filter, ...], list[int]]] = {}
    for number, target in enumerate(targets):
        for step in target.plan.audio:
            report = target.loudness.get(step.source.index)
            chain = (*(loudness_filters(report, step.layout) if report is not None else ()), *step.filters)
            if step.action == "encode" and chain:
                uses.setdefault(step.source.index, {}).setdefault(chain, []).append(number)
    for number, step in enumerate(taps, len(targets)):
        if step.source.kind == "audio":
            uses.setdefault(step.source.index, {}).setdefault((), []).append(number)
    found = {}
    for index, chains in uses.items():
        # ffmpeg-python takes two equal filters on one stream for the same, so each chain gets a stream of its own.
        for (chain, users), stream in zip(
            chains.items(), _split(source[str(index)], len(chains), "asplit"), strict=True
        ):
            for number, part in zip(users, _split(_apply(stream, chain), len(users), "asplit"), strict=True):
                found[number, index] = part
    return found


def _apply(stream: Any, filters: Sequence[Filter]) -> Any:
    """An ffmpeg-python stream behind a chain of filters."""
    for each in filters:
        stream = stream.filter(each.name, **dict(each.options))
    return stream


def _shared(chains: Sequence[Sequence[Filter]]) -> int:
    """How many filters all chains begin with."""
    count = 0
    for step in zip(*chains, strict=False):
        if any(each != step[0] for each in step):
            break
        count += 1
    return count


def _split(stream: Any, parts: int, name: str = "split") -> list[Any]:
    if parts == 1:
        return [stream]
    node = stream.filter_multi_output(name, parts)
    return [node[number] for number in range(parts)]
