"""What to be wary of in an Office file, from its names, relationships and fields. Nothing is followed or run."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Final

from pitchey_document.office.markup import Element, local, parse_part, read_part, relationships_of
from pitchey_document.security import EmbeddedFile, SecurityFacts
from pitchey_document.structure import Structure

__all__ = ["odf_findings", "opc_findings"]

_MOST: Final = 50
_LONGEST: Final = 200
# Followed on a click; everything else that is external would be loaded by itself.
_CLICKED: Final = frozenset({"hyperlink", "hlinkClick", "hlinkHover"})
_MACROS: Final = re.compile(r"vbaProject\.bin$|/macrosheets/|/xl4", re.IGNORECASE)
_EMBEDDED: Final = re.compile(r"/(embeddings|activeX|package)/[^/]+$", re.IGNORECASE)
# Most relationships stay inside; a word could only be hidden in another encoding or behind character references.
_WORTH_PARSING: Final = (b"External", b"acrosheet", b"\0", b"&#")
_DDE: Final = re.compile(r"\bDDE(AUTO)?\b", re.IGNORECASE)
_FIELD_PARTS: Final = re.compile(r"word/(document|header\d*|footer\d*|footnotes|endnotes|comments)\.xml")
_ODF_OBJECT: Final = re.compile(r"(Object|OLE)[^/]*(/content\.xml)?$|ObjectReplacements/")
_ODF_SCRIPT: Final = re.compile(r"(Basic|Scripts)/.+\.(xml|py|js|bsh|java|class)$", re.IGNORECASE)
_SCRIPT_INDEX: Final = frozenset({"script-lc.xml", "script-lb.xml"})


def opc_findings(archive: zipfile.ZipFile, structure: Structure) -> SecurityFacts:
    """Of an OOXML file."""
    facts = _Findings(structure)
    for entry in archive.infolist():
        name = entry.filename
        if name.endswith(".rels"):
            facts.relations(name, archive.read(name))
        elif _MACROS.search(name):
            facts.macro(name)
        elif _EMBEDDED.search(name) and not name.endswith(".xml"):
            facts.embedded(posixpath.basename(name), entry.file_size)
        elif name.startswith("_xmlsignatures/") and name.endswith(".xml"):
            facts.security.signatures += 1
        elif name.startswith("xl/externalLinks/") and name.endswith(".xml"):
            facts.dde_of_workbook(read_part(archive, name))
        elif _FIELD_PARTS.fullmatch(name) and b"DDE" in archive.read(name):
            facts.dde_of_text(read_part(archive, name))
    return facts.security


def odf_findings(archive: zipfile.ZipFile, structure: Structure) -> SecurityFacts:
    """Of an OpenDocument file."""
    facts = _Findings(structure)
    for entry in archive.infolist():
        name = entry.filename
        if _ODF_SCRIPT.match(name) and posixpath.basename(name) not in _SCRIPT_INDEX:
            facts.macro(name)
        elif name == "META-INF/documentsignatures.xml":
            root = read_part(archive, name)
            facts.security.signatures += 0 if root is None else sum(1 for _ in root.iter("{*}Signature"))
        elif _ODF_OBJECT.match(name) and not name.startswith("ObjectReplacements/"):
            facts.embedded(name.removesuffix("/content.xml"), entry.file_size)
    for part in ("content.xml", "styles.xml", "meta.xml"):
        for name, target in _odf_references(archive, part):
            if name == "a":
                facts.link(target)
            else:
                facts.template(f"{name}: {target}")
    return facts.security


def _odf_references(archive: zipfile.ZipFile, part: str) -> Iterator[tuple[str, str]]:
    """Elements that point outside, by name."""
    from lxml import etree

    try:
        file = archive.open(part)
    except KeyError:
        return
    with file:
        if part == "content.xml" and not _mentions(file):
            return
        file.seek(0)
        events = etree.iterparse(
            file, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        )
        for _, element in events:
            name = local(element.tag)
            if name in {"dde-source", "dde-connection-decl"}:
                yield "DDE", " ".join(str(value) for value in element.values())
            for key, value in element.items():
                if local(key) == "href" and _leads_outside(value):
                    yield name, value
            if not len(element):
                continue
            element.clear()


def _mentions(file: object) -> bool:
    """Whether there is any reference at all: most content is large and has none."""
    held = b""
    while data := file.read(1024 * 1024):  # type: ignore[attr-defined]
        if b"href" in (data := held + data) or b"dde-" in data:
            return True
        held = data[-4:]
    return False


def _leads_outside(target: str) -> bool:
    """Into the package lead ``Pictures/…``, ``./Object 1`` and ``#anchor``."""
    return ":" in target.split("/", 1)[0] or target.startswith(("../", "/"))


class _Findings:
    """Fills in the lists, each no longer than it may be."""

    def __init__(self, structure: Structure) -> None:
        self.security = SecurityFacts(
            hidden_sheets=[
                (each.title or f"sheet {each.number}")[:_LONGEST]
                for each in structure.sections
                if each.kind == "sheet" and each.hidden
            ][:_MOST]
        )

    def macro(self, name: str) -> None:
        _note(self.security.macros, name)

    def link(self, target: str) -> None:
        _note(self.security.external_links, target)

    def template(self, words: str) -> None:
        _note(self.security.external_templates, words)

    def relations(self, name: str, data: bytes) -> None:
        if not any(each in data for each in _WORTH_PARSING):
            return
        folder = posixpath.dirname(posixpath.dirname(name))
        for each in relationships_of(parse_part(data, name), folder):
            if each.external and each.type in _CLICKED:
                self.link(each.target)
            elif each.external:
                self.template(f"{each.type}: {each.target}")
            elif each.type == "xlMacrosheet":
                self.macro(each.target)

    def embedded(self, name: str, size: int) -> None:
        if len(self.security.embedded_files) < _MOST:
            self.security.embedded_files.append(EmbeddedFile(name=name[:_LONGEST], bytes=size))

    def dde_of_workbook(self, root: Element | None) -> None:
        for each in () if root is None else root.iter("{*}ddeLink"):
            self.template(f"DDE: {each.get('ddeService', '')} {each.get('ddeTopic', '')}".rstrip())

    def dde_of_text(self, root: Element | None) -> None:
        """A field's code may be cut into many pieces."""
        if root is None:
            return
        code: list[str] = []
        for each in root.iter("{*}fldChar", "{*}instrText", "{*}fldSimple"):
            name = local(each.tag)
            if name == "instrText":
                code.append(each.text or "")
            elif name == "fldSimple":
                self._dde(next((value for key, value in each.items() if local(key) == "instr"), ""))
            else:
                self._dde("".join(code))
                code.clear()

    def _dde(self, code: str) -> None:
        if _DDE.match(code.strip()):
            self.template(f"DDE: {' '.join(code.split())}")


def _note(found: list[str], words: str) -> None:
    words = words[:_LONGEST]
    if len(found) < _MOST and words not in found:
        found.append(words)
