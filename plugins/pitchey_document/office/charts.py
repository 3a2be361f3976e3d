"""What a chart shows, from the values that it carries along: a title and a table of categories and series."""

from __future__ import annotations

from typing import Final

from pitchey_document.office.markup import Element, local

__all__ = ["chart_rows"]

# Of one series; a chart with more points than this shows no single value.
_MOST_POINTS: Final = 5_000
_MOST_SERIES: Final = 200


def chart_rows(root: Element) -> tuple[str, list[list[str]]]:
    """Of a ``c:chartSpace``: its title (mostly empty) and its rows, the first one naming the series."""
    titles = root.iterfind("{*}chart/{*}title")
    title = " ".join("".join(each.itertext("{*}t", "{*}v")) for each in titles)
    categories: dict[int, str] = {}
    names: list[str] = []
    columns: list[dict[int, str]] = []
    for series in root.iterfind("{*}chart/{*}plotArea/*/{*}ser"):
        if len(columns) == _MOST_SERIES:
            break
        name, column = "", {}
        for child in series.iterchildren("*"):
            match local(child.tag):
                case "tx":
                    name = " ".join(_points(child).values()) or "".join(child.itertext("{*}v"))
                case "cat" | "xVal":
                    categories = categories or _points(child)
                case "val" | "yVal":
                    column = _points(child)
        names.append(name)
        columns.append(column)
    if not columns:
        return title, []
    places = sorted(set(categories).union(*columns))
    rows = [[categories.get(place, ""), *(column.get(place, "") for column in columns)] for place in places]
    return title, [["Category", *names], *rows]


def _points(parent: Element) -> dict[int, str]:
    points: dict[int, str] = {}
    # Levels of a hierarchy of categories stand one after the other, with the same numbers.
    for point in parent.iterfind(".//{*}pt"):
        index = point.get("idx", "")
        if index.isdecimal() and len(points) < _MOST_POINTS:
            text = " ".join((each.text or "").strip() for each in point.iterchildren("{*}v"))
            place = int(index)
            points[place] = f"{text} {points[place]}" if place in points else text
    return points
