"""What to be wary of in an Office file, from its names, relationships and fields. Nothing is followed or run."""

from __future__ import annotations

import posixpath
import re
import zipfile
from typing import Final

from pitchey_document.office.markup import Element, local, parse_part, read_part, relationships_of
from pitchey_document.office.package import checked_package
from pitchey_document.office.references import references
from pitchey_document.security import EmbeddedFile, SecurityFacts
from pitchey_document.structure import Structure

__all__ = ["loaded_from_outside", "odf_findings", "opc_findings"]

_MOST: Final = 50
_LONGEST: Final = 200
# Followed on a click; everything else that is external would be loaded by itself.
_CLICKED: Final = frozenset({"hyperlink", "hlinkClick", "hlinkHover"})
_MACROS: Final = re.compile(r"vbaProject\.bin$|/macrosheets/|/xl4", re.IGNORECASE)
_EMBEDDED: Final = re.compile(r"/(embeddings|activeX|package)/[^/]+$", re.IGNORECASE)
# Most relationships stay inside; a word could only be hidden in another encoding or behind character references.
_WORTH_PARSING: Final = (b"External", b"acrosheet", b"\0", b"&#")
# Fields whose result comes from elsewhere; IMPORT and INCLUDE are older words for INCLUDEPICTURE and INCLUDETEXT.
_LOADING_FIELD: Final = re.compile(r"(DDE|INCLUDE|IMPORT\b|LINK\b|RD\b)", re.IGNORECASE)
_MAY_LOAD: Final = re.compile(rb"DDE|INCLUDE|IMPORT|[\s>\"]LINK\s", re.IGNORECASE)
_DRAWING: Final = re.compile(rb"<svg|2000/svg|doctype\s+svg")
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
        elif _FIELD_PARTS.fullmatch(name) and _MAY_LOAD.search(archive.read(name)):
            facts.fields(read_part(archive, name))
        if not name.endswith((".xml", ".rels")) or _is_drawing(archive, name):
            # The parts of the format refer to others by relationships alone; drawings and pages have their own ways.
            facts.references(archive, name)
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
    for entry in archive.infolist():
        facts.references(archive, entry.filename)
    return facts.security


def loaded_from_outside(path: str, kind: str) -> list[str]:
    """What an application would load by itself from outside an Office file; called in a process of its own.

    Raises:
        InputError, LimitExceeded: It cannot be told, for the file is damaged.
    """
    with checked_package(path) as archive:
        find = odf_findings if kind.startswith("od") else opc_findings
        return find(archive, Structure()).external_templates


def _is_drawing(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as file:
        head = file.read(4096).lower()
    # The word alone is found twenty times faster, and is in next to no part.
    return b"svg" in head and _DRAWING.search(head) is not None


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

    def references(self, archive: zipfile.ZipFile, part: str) -> None:
        for name, target in references(archive, part):
            if name == "a":
                self.link(target)
            else:
                self.template(f"{name}: {target}")

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

    def fields(self, root: Element | None) -> None:
        """A field's code may be cut into many pieces."""
        if root is None:
            return
        code: list[str] = []
        for each in root.iter("{*}fldChar", "{*}instrText", "{*}fldSimple"):
            name = local(each.tag)
            if name == "instrText":
                code.append(each.text or "")
            elif name == "fldSimple":
                self._field(next((value for key, value in each.items() if local(key) == "instr"), ""))
            else:
                self._field("".join(code))
                code.clear()

    def _field(self, code: str) -> None:
        if found := _LOADING_FIELD.match(code.strip()):
            self.template(f"{'DDE' if found[1].upper() == 'DDE' else 'field'}: {' '.join(code.split())}")


def _note(found: list[str], words: str) -> None:
    words = words[:_LONGEST]
    if len(found) < _MOST and words not in found:
        found.append(words)
