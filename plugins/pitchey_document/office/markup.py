"""XML parts of a checked package, parsed so that nothing outside of them is looked at."""

from __future__ import annotations

import functools
import posixpath
import zipfile
from dataclasses import dataclass
from typing import Any

from lxml import etree

from pitchey_core.errors import InputError

__all__ = ["Element", "Relationship", "local", "parse_part", "read_part", "relationships", "relationships_of"]

Element = Any
"""An lxml element; lxml ships no types."""


def parse_part(data: bytes, name: str) -> Element:
    """The root element: no entities, no network, and libxml2's own limits on depth and size stay on.

    Raises:
        InputError: It is not well formed.
    """
    # A parser keeps state, so each part gets its own; making one costs microseconds.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise InputError(
            f"{name} is damaged: {error.msg}", remedy="open the document and save it once more"
        ) from error


def read_part(archive: zipfile.ZipFile, name: str) -> Element | None:
    """A part by its name in the ZIP; ``None`` where there is none."""
    try:
        data = archive.read(name)
    except KeyError:
        return None
    return parse_part(data, name)


@functools.lru_cache(maxsize=4096)
def local(tag: str) -> str:
    """A tag or attribute name without its namespace."""
    return tag.rpartition("}")[2]


@dataclass(frozen=True, slots=True)
class Relationship:
    """From one part of an OPC package to another, or out of it.

    Attributes:
        id: By which the source part refers to it.
        type: The last word of its type's address: ``hyperlink``, ``slide``, …, the same in strict and usual files.
        target: Name of a part in the ZIP, or an address outside.
    """

    id: str
    type: str
    target: str
    external: bool


def relationships(archive: zipfile.ZipFile, part: str) -> list[Relationship]:
    """Those of a part, or with ``""`` those of the package."""
    folder, base = posixpath.split(part)
    root = read_part(archive, posixpath.join(folder, "_rels", f"{base}.rels"))
    return [] if root is None else relationships_of(root, folder)


def relationships_of(root: Element, folder: str) -> list[Relationship]:
    found = []
    for each in root.iterchildren("{*}Relationship"):
        external = each.get("TargetMode") == "External"
        target = each.get("Target", "")
        if not external:
            target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        found.append(
            Relationship(each.get("Id", ""), each.get("Type", "").rpartition("/")[2], target, external)
        )
    return found
