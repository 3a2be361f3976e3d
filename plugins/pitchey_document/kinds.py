"""What kind of document a file is, told by its content; its name only refines what the content leaves open."""

from __future__ import annotations

import codecs
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from pitchey_core.errors import InputError

__all__ = ["KINDS", "Family", "Kind", "recognise"]

Family = Literal["pdf", "office", "picture", "plain"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document.

    Attributes:
        name: As the readers call it: ``pdf``, ``docx``, ``tiff``, ``csv``, …
        encrypted: Its container is one of OLE2, which is how Office stores what needs a password.
    """

    name: str
    family: Family
    media_type: str
    encrypted: bool = False


_OOXML: Final = "application/vnd.openxmlformats-officedocument"
_ODF: Final = "application/vnd.oasis.opendocument"
KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("pdf", "pdf", "application/pdf"),
        Kind("docx", "office", f"{_OOXML}.wordprocessingml.document"),
        Kind("pptx", "office", f"{_OOXML}.presentationml.presentation"),
        Kind("xlsx", "office", f"{_OOXML}.spreadsheetml.sheet"),
        Kind("odt", "office", f"{_ODF}.text"),
        Kind("odp", "office", f"{_ODF}.presentation"),
        Kind("ods", "office", f"{_ODF}.spreadsheet"),
        Kind("png", "picture", "image/png"),
        Kind("jpeg", "picture", "image/jpeg"),
        Kind("tiff", "picture", "image/tiff"),
        Kind("webp", "picture", "image/webp"),
        Kind("txt", "plain", "text/plain"),
        Kind("md", "plain", "text/markdown"),
        Kind("csv", "plain", "text/csv"),
    )
}
"""Every kind that can be read, by name."""

# What is recognised in order to say so; a text that begins like one of them is still a text.
_FOREIGN: Final = (
    (b"{\\rtf", "an RTF document", "save it as .docx or .odt"),
    (b"GIF8", "a GIF picture", "convert it to PNG"),
    (b"BM", "a BMP picture", "convert it to PNG"),
    (b"\x7fELF", "a program", None),
    (b"MZ", "a program", None),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"OggS", "an Ogg file", "use pitchey-run media"),
    (b"RIFF", "a RIFF file (sound or video)", "use pitchey-run media"),
    (b"\x1a\x45\xdf\xa3", "a Matroska video", "use pitchey-run video"),
    (b"ID3", "an MP3 file", "use pitchey-run media"),
    (b"%!PS", "a PostScript program", "convert it to PDF"),
)
_PROGRAM_LIKE: Final = {b"BM", b"MZ", b"ID3", b"GIF8"}
_OOXML_PARTS: Final = ((b"word/", "docx"), (b"ppt/", "pptx"), (b"xl/", "xlsx"))
_HEAD_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 256 * 1024
_PDF_HEADER_WITHIN: Final = 1024
"""Readers look this far for ``%PDF-`` (ISO 32000-1, implementation note 13 of annex H)."""
_SUPPORTED: Final = (
    "PDF, DOCX, PPTX, XLSX, ODT, ODP, ODS, PNG, JPEG, TIFF, WebP, plain text, Markdown and CSV"
)


def recognise(path: Path, name: str) -> Kind:
    """The kind of a file.

    Args:
        path: The local file.
        name: What the user calls it, for messages and to tell CSV and Markdown from other text.

    Raises:
        InputError: It is empty, or of no kind that can be read; the message says what it seems to be.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    if not head.strip(b"\0 \t\r\n"):
        what = "is empty" if not head else "holds nothing but zeros or white space"
        raise InputError(f"{name!r} {what}")
    kind = _by_magic(head, tail, name)
    if kind is not None:
        return kind
    if b"%PDF-" in head[:_PDF_HEADER_WITHIN]:
        return KINDS["pdf"]
    for magic, what, remedy in _FOREIGN:
        if head.startswith(magic) and not (magic in _PROGRAM_LIKE and _is_text(head)):
            raise InputError(
                f"{name!r} is {what}, which is no document that can be read here",
                remedy=remedy or f"readable are {_SUPPORTED}",
            )
    if _is_text(head):
        suffix = PurePosixPath(name).suffix.lower()
        return KINDS[{".md": "md", ".markdown": "md", ".csv": "csv", ".tsv": "csv"}.get(suffix, "txt")]
    raise InputError(
        f"{name!r} is of a kind that is not recognised (it begins with {head[:8].hex(' ')})",
        remedy=f"readable are {_SUPPORTED}",
    )


def _by_magic(head: bytes, tail: bytes, name: str) -> Kind | None:
    if head.startswith(b"%PDF-"):
        return KINDS["pdf"]
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return KINDS["png"]
    if head.startswith(b"\xff\xd8\xff"):
        return KINDS["jpeg"]
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return KINDS["tiff"]
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return KINDS["webp"]
    if head[4:8] == b"ftyp":
        raise InputError(
            f"{name!r} is a video or a HEIF picture", remedy="use pitchey-run video, or convert it to JPEG"
        )
    if head.startswith(b"PK\x03\x04"):
        return _of_package(head, tail, name)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _of_ole(head, tail, name)
    return None


def _of_package(head: bytes, tail: bytes, name: str) -> Kind:
    """The kind of a ZIP, from its first entry (ODF) or the names in its directory (OOXML); nothing is unpacked."""
    for kind in ("odt", "odp", "ods"):
        media_type = KINDS[kind].media_type.encode()
        # Templates have "-template" behind it and are read alike.
        if head[30:38] == b"mimetype" and head[38:].startswith(media_type):
            return KINDS[kind]
    found = {kind: (head + tail).count(part) for part, kind in _OOXML_PARTS}
    best = max(found, key=lambda kind: found[kind])
    if b"[Content_Types].xml" in head + tail and found[best]:
        return KINDS[best]
    if found[best]:
        raise InputError(f"{name!r} is a damaged Office file: its directory is missing or cut off")
    raise InputError(f"{name!r} is a ZIP archive, but no Office document", remedy="unpack it first")


def _of_ole(head: bytes, tail: bytes, name: str) -> Kind:
    """An OLE2 file is an Office file with a password, or one of the binary formats from before 2007."""
    names = head + tail
    if "EncryptedPackage".encode("utf-16-le") in names:
        suffix = PurePosixPath(name).suffix.lower().lstrip(".")
        kind = KINDS[{"pptx": "pptx", "pptm": "pptx", "xlsx": "xlsx", "xlsm": "xlsx"}.get(suffix, "docx")]
        return Kind(kind.name, kind.family, kind.media_type, encrypted=True)
    raise InputError(
        f"{name!r} is an Office file of the binary formats from before 2007 (.doc, .xls, .ppt), or another OLE2 file",
        remedy="save it as .docx, .xlsx or .pptx first: soffice --headless --convert-to docx FILE",
    )


def _is_text(head: bytes) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        return True
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # Cut in the middle of a character at the end is no fault; a few bytes above 127 may be Latin-1.
        if error.start < len(head) - 4 and sum(byte > 127 for byte in head) > len(head) * 0.3:
            return False
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return controls <= len(head) * 0.01
