"""What the markup in a package refers to outside of it. Every part is looked at, also drawings that no reader parses.

An office application goes by the content of a part and not by its name, and so does this.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Final
from urllib.parse import unquote

from pitchey_document.office.markup import local
from pitchey_document.office.xmlscan import looks_like_xml

__all__ = ["leads_outside", "references"]

_GZIP: Final = b"\x1f\x8b"
# A compressed drawing that is larger is named without being searched.
_DRAWING_BYTES: Final = 64 * 1024 * 1024
# Large parts without any of these are not parsed. Names of attributes cannot hide; a NUL means UTF-16.
_WORTH_PARSING: Final = re.compile(rb"href|dde-|file:|src\s*=|url\s*\(|\0", re.IGNORECASE)
_OVERLAP: Final = 8
_REFERRING: Final = frozenset({"href", "src", "codebase", "background"})
_IN_STYLE: Final = re.compile(r"""(?:url\(|@import)\s*["']?\s*([^"')\s]+)""", re.IGNORECASE)
_IN_BYTES: Final = re.compile(
    rb"""(?:href|src)\s*=\s*["']?\s*((?:file|ftp|https?|smb|\\\\|//)[^"'<>\s]{0,200})""", re.IGNORECASE
)
_HTML: Final = re.compile(rb"<(!doctype\s+)?html[\s>]", re.IGNORECASE)
_DTD: Final = re.compile(
    rb"<!ENTITY[^>]{0,300}?\b(?:SYSTEM|PUBLIC)\b[^>]{0,300}?[\"']([^\"'>]{1,300})[\"']\s*(?:NDATA[^>]*)?>"
)
# Inside the file whatever comes behind.
_INSIDE: Final = ("data:", "cid:", "vnd.sun.star.package:")


def leads_outside(target: str) -> bool:
    """Into the package lead ``Pictures/…``, ``./Object 1`` and ``#anchor``."""
    target = unquote(target).strip().replace("\\", "/")
    if target.lower().startswith(_INSIDE):
        return False
    target = target.partition("#")[0]
    return (
        ":" in target.split("/", 1)[0]
        or target.startswith("/")
        or posixpath.normpath(target or ".").split("/", 1)[0] == ".."
    )


def references(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[str, str]]:
    """Elements of one part that point outside, by name; nothing where it is no markup."""
    with archive.open(name) as file:
        start = file.read(4096)
        if start[:2] == _GZIP:
            file.seek(0)
            data = _unpacked(file)
            if data is None:
                yield "drawing too large to search", name
            elif looks_like_xml(data[:4096]):
                yield from _search(io.BytesIO(data), data[:4096])
        elif start.strip() and looks_like_xml(start):
            file.seek(0)
            yield from _search(file, start)


def _unpacked(file: IO[bytes]) -> bytes | None:
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        data = inflate.decompress(file.read(_DRAWING_BYTES), _DRAWING_BYTES)
    except zlib.error:
        return b""
    return None if inflate.unconsumed_tail else data


def _search(file: IO[bytes], start: bytes) -> Iterator[tuple[str, str]]:
    from lxml import etree

    if not _mentions(file):
        return
    file.seek(0)
    html = bool(_HTML.search(start))
    for found in _DTD.finditer(start):
        if leads_outside(words := found[1].decode("utf-8", "replace")) and not words.lower().endswith(".dtd"):
            yield "entity", words
    try:
        # Entities in attributes are always expanded; libxml2 itself stops those that explode.
        events = etree.iterparse(
            file, events=("start", "end", "pi"), resolve_entities=False, no_network=True, load_dtd=False,
            huge_tree=False, html=html, recover=html,
        )  # fmt: skip
        for event, element in events:
            if event == "start":
                yield from _of_attributes(element)
            elif event == "pi":
                if element.target == "xml-stylesheet" and leads_outside(words := element.get("href") or ""):
                    yield "stylesheet", words
            elif not len(element):
                if local(element.tag) == "style" and element.text:
                    yield from (("style", each) for each in _in_style(element.text))
            else:
                element.clear()
    except (etree.XMLSyntaxError, ValueError):
        # What is damaged some application may read all the same.
        file.seek(0)
        for found in _IN_BYTES.finditer(file.read(_DRAWING_BYTES)):
            yield "reference", found[1].decode("utf-8", "replace")


def _of_attributes(element: object) -> Iterator[tuple[str, str]]:
    name = local(element.tag)  # type: ignore[attr-defined]
    items = element.items()  # type: ignore[attr-defined]
    if name in {"dde-source", "dde-connection-decl"}:
        yield "DDE", " ".join(value for _, value in items)
    for key, value in items:
        attribute = local(key)
        if attribute in _REFERRING:
            if leads_outside(value):
                yield name, value
        elif attribute == "formula":
            if "file:" in value.lower():
                yield "formula", value
        elif "url(" in value:
            yield from ((name, each) for each in _in_style(value))


def _in_style(text: str) -> Iterator[str]:
    return (found[1] for found in _IN_STYLE.finditer(text) if leads_outside(found[1]))


def _mentions(file: IO[bytes]) -> bool:
    """Whether there is any reference at all: most content is large and has none."""
    held = b""
    file.seek(0)
    while data := file.read(1024 * 1024):
        if _WORTH_PARSING.search(data := held + data):
            return True
        held = data[-_OVERLAP:]
    return False
