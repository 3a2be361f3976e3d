"""What a Word paragraph is, from its own properties, its style and the numbering: heading, list item or neither."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from pitchey_document.office.markup import Element, local

__all__ = ["Look", "Styles"]

# Built-in styles keep their English names in every language of Word; their ids are translated.
_HEADING: Final = re.compile(r"heading (\d)", re.IGNORECASE)
# The deeper ones of these have lists of their own, of which each uses the first level.
_DEEPER_LIST: Final = re.compile(r"list (?:bullet|number|continue) ([2-5])", re.IGNORECASE)
_BODY_LEVEL: Final = 9
_LONGEST_CHAIN: Final = 20
_BULLETS: Final = frozenset({"bullet", "none"})


@dataclass(frozen=True, slots=True)
class Look:
    """What a paragraph is.

    Attributes:
        heading: Level from 1; 0 for none.
        depth: Of a list item from 0; ``None`` for none.
        ordered: Whether the list is numbered.
    """

    heading: int = 0
    depth: int | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class _Given:
    """What a style or paragraph says; ``None`` is inherited."""

    outline: int | None = None
    numbering: str | None = None
    depth: int | None = None
    style: str | None = None


class Styles:
    """The styles and numbering of one document.

    Args:
        styles: Root of the styles part.
        numbering: Root of the numbering part.
    """

    def __init__(self, styles: Element | None, numbering: Element | None) -> None:
        self._styles: dict[str, tuple[Element, str]] = {}
        self._default: str | None = None
        self._known: dict[str | None, _Given] = {}
        self._ordered: dict[tuple[str, int], bool] = {}
        self._looks: dict[_Given, Look] = {}
        for style in () if styles is None else styles.iterchildren("{*}style"):
            key = _value(style, "styleId")
            if key is None or _value(style, "type") not in {None, "paragraph"}:
                continue
            self._styles[key] = (style, _child_value(style, "name") or "")
            if _value(style, "default") in {"1", "true"}:
                self._default = key
        if numbering is not None:
            self._read_numbering(numbering)

    def look(self, paragraph: Element) -> Look:
        """Of a ``w:p``."""
        own = _given(next(paragraph.iterchildren("{*}pPr"), None))
        found = self._looks.get(own)
        if found is None:
            found = self._looks[own] = self._judge(own)
        return found

    def _judge(self, own: _Given) -> Look:
        style = self._style(own.style or self._default)
        outline = style.outline if own.outline is None else own.outline
        if outline is not None and outline < _BODY_LEVEL:
            return Look(heading=outline + 1)
        numbering = style.numbering if own.numbering is None else own.numbering
        if numbering in {None, "0"}:
            return Look()
        assert numbering is not None
        depth = (style.depth if own.depth is None else own.depth) or 0
        ordered = self._ordered.get((numbering, depth), self._ordered.get((numbering, 0), False))
        return Look(depth=depth, ordered=ordered)

    def _style(self, key: str | None) -> _Given:
        """With what it inherits. Chains that bite their tail end after a while."""
        chain: list[str] = []
        follow = key
        while follow in self._styles and follow not in self._known and len(chain) < _LONGEST_CHAIN:
            chain.append(follow)
            follow = _child_value(self._styles[follow][0], "basedOn")
        result = self._known.get(follow, _Given())
        for each in reversed(chain):
            element, name = self._styles[each]
            own = _given(next(element.iterchildren("{*}pPr"), None))
            named = _HEADING.fullmatch(name)
            level = int(named[1]) - 1 if named else (0 if name.casefold() == "title" else own.outline)
            deeper = _DEEPER_LIST.fullmatch(name)
            depth = int(deeper[1]) - 1 if deeper and not own.depth else own.depth
            result = _Given(
                outline=result.outline if level is None else level,
                numbering=result.numbering if own.numbering is None else own.numbering,
                depth=result.depth if depth is None else depth,
            )
            self._known[each] = result
        return result

    def _read_numbering(self, root: Element) -> None:
        kinds: dict[str, dict[int, bool]] = {}
        linked: dict[str, str] = {}
        lists: list[tuple[str, str]] = []
        for each in root.iterchildren("*"):
            name = local(each.tag)
            if name == "abstractNum":
                key = _value(each, "abstractNumId") or ""
                kinds[key] = {
                    _whole(_value(level, "ilvl")): (_child_value(level, "numFmt") or "decimal")
                    not in _BULLETS
                    for level in each.iterchildren("{*}lvl")
                }
                link = _child_value(each, "numStyleLink")
                if link is not None:
                    linked[key] = link
            elif name == "num":
                lists.append((_value(each, "numId") or "", _child_value(each, "abstractNumId") or ""))
        abstract = dict(lists)
        for number, key in lists:
            levels = kinds.get(key)
            if not levels and key in linked:
                levels = kinds.get(abstract.get(self._style(linked[key]).numbering or "", ""))
            for depth, ordered in (levels or {}).items():
                self._ordered[number, depth] = ordered


def _given(properties: Element | None) -> _Given:
    given = _Given()
    for each in () if properties is None else properties.iterchildren("*"):
        name = local(each.tag)
        if name == "pStyle":
            given = replace(given, style=_value(each, "val"))
        elif name == "outlineLvl":
            given = replace(given, outline=_whole(_value(each, "val")))
        elif name == "numPr":
            depth = _child_value(each, "ilvl")
            given = replace(
                given, numbering=_child_value(each, "numId"), depth=None if depth is None else _whole(depth)
            )
    return given


def _value(element: Element, name: str) -> str | None:
    tag: str = element.tag
    found: str | None = element.get(tag[: tag.find("}") + 1] + name)
    return found


def _child_value(element: Element, name: str) -> str | None:
    child = next(element.iterchildren("{*}" + name), None)
    return None if child is None else _value(child, "val")


def _whole(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
