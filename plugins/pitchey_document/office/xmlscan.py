"""A look at XML before a parser reads it: no DTD, no odd encoding, not too deep. Nothing of it is kept."""

from __future__ import annotations

import codecs
import re
from typing import Final
from xml.parsers import expat

from pitchey_core.errors import InputError, LimitExceeded

__all__ = ["ExactScan", "TagCount", "looks_like_xml"]

# What OPC and ODF allow, and supersets of ASCII that old exporters wrote. In all of them "<" is the byte 0x3C; in UTF-7
# or EBCDIC a DTD could hide from a look at bytes.
_ENCODINGS: Final = re.compile(
    rb"utf-?8|us-ascii|ascii|iso-8859-\d+|windows-125\d|utf-16(le|be)?", re.IGNORECASE
)
_DECLARED: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)")
_UTF16: Final = {
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
_WHITE: Final = b" \t\r\n"
_STEP: Final = 4096
_FINEST: Final = 64
# OpenOffice writes these into manifests and Basic modules. They only name a file, which no parser here fetches.
_HARMLESS_DTD: Final = "-//OpenOffice.org//DTD "


def looks_like_xml(beginning: bytes) -> bool:
    """Whether a parser might take this for XML."""
    text = beginning.removeprefix(codecs.BOM_UTF8).lstrip(_WHITE)
    return text[:1] in {b"<", b""} or text[:2] in _UTF16


class TagCount:
    """Settles most parts at the speed of :meth:`bytes.count`; :class:`ExactScan` has to look at the others.

    Where there is neither comment, CDATA, DTD nor stray ``>``, each ``<`` begins a tag and each ``/>`` ends one, so the
    depth at any place follows from counts.

    Args:
        name: For messages.
        depth: Elements that may be inside each other.
    """

    def __init__(self, name: str, depth: int) -> None:
        self._name = name
        self._limit = depth
        self._depth = 0
        self._begun = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = b""
        self._open = self._close = self._odd = 0
        self._unclear = False

    def feed(self, piece: bytes) -> None:
        """Look at the next bytes.

        Raises:
            InputError: The declared encoding is not one of Office files.
        """
        if not self._begun:
            self._begun = True
            self._begin(piece)
        if self._unclear:
            return
        if self._decoder is not None:
            piece = self._decoder.decode(piece).encode()
        data = self._held + piece
        # No two-character token may be cut in half.
        self._held = data[-1:] if data[-1:] in {b"<", b"/"} else b""
        data = data[:-1] if self._held else data
        # A single byte is found ten times faster than two.
        declarations = data.count(b"<?") if b"?" in data else 0
        self._unclear = b"!" in data and b"<!" in data
        self._close += data.count(b">")
        self._odd += declarations
        # They are taken for tags below, and do not go deeper.
        self._depth -= declarations
        self._walk(data)

    @property
    def settled(self) -> bool:
        """Whether, after the last piece, the part is known to be harmless."""
        # One "<?" is the XML declaration.
        return not self._unclear and self._open == self._close and self._odd <= 1

    def _begin(self, piece: bytes) -> None:
        encoding = _UTF16.get(piece[:2])
        if encoding is not None:
            self._decoder = codecs.getincrementaldecoder(encoding)("replace")
            return
        declared = _DECLARED.search(piece[:1024])
        if declared is not None and not _ENCODINGS.fullmatch(declared[1]):
            encoding = declared[1][:40].decode("ascii", "replace")
            raise InputError(
                f"{self._name}: the encoding {encoding!r} is not one of Office files",
                remedy="save the document once more",
            )

    def _walk(self, data: bytes) -> None:
        begin, end, step = 0, len(data), _STEP
        while begin < end and not self._unclear:
            stop = min(begin + step, end)
            while stop < end and data[stop - 1] in b"</":
                stop += 1
            closing = data.count(b"</", begin, stop)
            tags = data.count(b"<", begin, stop)
            deeper = tags - closing - data.count(b"/>", begin, stop)
            # An empty element is inside its parent too, and one "/>" may end a tag that began before.
            if self._depth + deeper + 2 + self._odd > self._limit:
                self._unclear = step == _FINEST
                step = max(step // 4, _FINEST)
                continue
            self._depth += deeper - closing
            self._open += tags
            begin, step = stop, _STEP


class ExactScan:
    """The same questions put to expat: slower, and right in every case.

    Args:
        name: For messages.
        depth: Elements that may be inside each other.
    """

    def __init__(self, name: str, depth: int) -> None:
        self._name = name
        self._limit = depth
        self._depth = 0
        self._broken = False
        self._parser = expat.ParserCreate()
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, piece: bytes) -> None:
        """Parse the next bytes. What is not well formed is left to the reader to complain about.

        Raises:
            InputError: It has a DTD.
            LimitExceeded: It is too deep.
        """
        if not self._broken:
            try:
                self._parser.Parse(piece, False)
            except expat.ExpatError:
                self._broken = True

    def _start(self, _tag: str, _attributes: object) -> None:
        self._depth += 1
        if self._depth > self._limit:
            raise LimitExceeded(
                f"{self._name}: its elements are more than {self._limit} deep",
                limit="xml depth",
                remedy="do not trust this file",
            )

    def _end(self, _tag: str) -> None:
        self._depth -= 1

    def _doctype(self, _name: str, _system: str | None, public: str | None, internal: int) -> None:
        if internal or not (public or "").startswith(_HARMLESS_DTD):
            raise InputError(
                f"{self._name} has a DTD, which Office files never need and attacks do",
                remedy="do not trust this file; save it once more with an office application",
            )
