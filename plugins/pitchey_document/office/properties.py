"""What the application wrote about the document: title, author, dates, number of pages."""

from __future__ import annotations

import zipfile
from typing import Final

from pitchey_document.office.markup import local, read_part, relationships

__all__ = ["odf_properties", "opc_properties"]

_LONGEST: Final = 2000
_NAMES: Final = {
    "title": "title",
    "subject": "subject",
    "creator": "author",
    "initial-creator": "author",
    "keywords": "keywords",
    "keyword": "keywords",
    "description": "description",
    "lastModifiedBy": "last_modified_by",
    "created": "created",
    "creation-date": "created",
    "modified": "modified",
    "date": "modified",
    "language": "language",
    "category": "category",
    "Company": "company",
    "Application": "application",
    "generator": "application",
    "AppVersion": "application_version",
}
_COUNTS: Final = {"docx": "Pages", "pptx": "Slides"}


def opc_properties(archive: zipfile.ZipFile, kind: str) -> tuple[dict[str, str], int | None]:
    """Of an OOXML file: its properties, and its pages or slides as the application counted them last."""
    found: dict[str, str] = {}
    pages = None
    for each in relationships(archive, ""):
        if each.external or each.type not in {"core-properties", "extended-properties", "coreProperties"}:
            continue
        root = read_part(archive, each.target)
        for child in () if root is None else root.iterchildren("*"):
            name, text = local(child.tag), (child.text or "").strip()
            if name in _NAMES and text:
                found.setdefault(_NAMES[name], text[:_LONGEST])
            elif name == _COUNTS.get(kind) and text.isdecimal():
                pages = int(text[:9])
    return found, pages


def odf_properties(archive: zipfile.ZipFile) -> tuple[dict[str, str], int | None]:
    """Of an OpenDocument file."""
    found: dict[str, str] = {}
    pages = None
    root = read_part(archive, "meta.xml")
    for child in () if root is None else root.iterfind("{*}meta/*"):
        name, text = local(child.tag), (child.text or "").strip()
        if name in _NAMES and text:
            key = _NAMES[name]
            # Several keywords are several elements.
            found[key] = (
                f"{found[key]}, {text}"[:_LONGEST] if key == "keywords" and key in found else text[:_LONGEST]
            )
        elif name == "document-statistic":
            count = next((value for key, value in child.items() if local(key) == "page-count"), "")
            pages = int(count[:9]) if count.isdecimal() else None
    return found, pages
