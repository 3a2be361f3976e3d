"""A PDF font that draws nothing and says which characters it stands for: text to select and search over a picture."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdf import PdfWriter
    from pypdf.generic import IndirectObject

__all__ = ["ADVANCE", "ASCENT", "GlyphlessFont"]

ADVANCE = 0.5
"""Width of every character, as a part of the font size."""
ASCENT = 0.8
"""Height above the base line, as a part of the font size; the rest is below."""

# TrueType, 1000 units per em, advance 500, made with fontTools' FontBuilder. Its one glyph is two points at opposite
# corners of its box: nothing to paint, but an extent, which PDFium takes for that of the character.
_FILE = zlib.decompress(
    base64.b64decode(
        "eNqFkT1LA0EQht+9vUSNxjSawkK2sFBEJSIhhSAkWguxs9ElngnkLgn5gNiJlaW1v8HCxn9gEdA/IVhoKZz1+e59SIygAzM3z9zs"
        "7Lu7EAAyuISEOjza2j5A5R4Qq6ye1jzdwRx65BvyTt29OBdXT2vkZ/JSw9FnerZSYn5HLzZYSOXFJvNX+krD6w+FzwzimiHttmsa"
        "2ZAfDXt62EEKafI0WbW056wvbzyQ38jHnXavT100a9/8h9FK/3i/zZ3kdj8hpembsKAkfKmYSFhxiWukCqgzVuOHk8ZNhBULdrzG"
        "+jVWCp+3kGLH//Zj+h4tVK8iDdQ2muhXibLvvc2pFxhF+LVNB6MdsgqCKAYvYztlo5Xx6YWZsFgQBeGPkkuyUYz7Bc+RqLQwReJO"
        "9gwrGb53lFuYR77s6laz6tQHru6iDBcaLTRRhYM6BiF3Y7V/2BfEF0WT"
    )
)
_MOST_CHARACTERS = 0xFFFF
_PER_SECTION = 100
_CMAP = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{sections}
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


class GlyphlessFont:
    """One font for a whole document; codes are given to characters as they come, so that any script has its place."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def encoded(self, text: str) -> str:
        """The text as the hexadecimal string of a ``Tj``."""
        codes = (self._codes.setdefault(each, len(self._codes) + 1) for each in text)
        return "".join(f"{min(code, _MOST_CHARACTERS):04X}" for code in codes)

    def add_to(self, writer: PdfWriter, place: IndirectObject) -> None:
        """Write the font as the object that ``place`` refers to. All text has to be encoded by then."""
        from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, TextStringObject

        def number(value: float) -> NumberObject:
            return NumberObject(round(value))

        name = NameObject("/Glyphless")
        descriptor = DictionaryObject({
            NameObject("/Type"): NameObject("/FontDescriptor"),
            NameObject("/FontName"): name,
            # Symbolic: the characters are not those of the standard Latin set.
            NameObject("/Flags"): number(4),
            NameObject("/FontBBox"): ArrayObject([number(0), number(-200), number(500), number(800)]),
            NameObject("/ItalicAngle"): number(0),
            NameObject("/Ascent"): number(1000 * ASCENT),
            NameObject("/Descent"): number(1000 * (ASCENT - 1)),
            NameObject("/CapHeight"): number(1000 * ASCENT),
            NameObject("/StemV"): number(80),
            NameObject("/FontFile2"): _stream(writer, _FILE, length_1=len(_FILE)),
        })  # fmt: skip
        # Every code is the same empty glyph.
        glyphs = b"\x00\x00" + b"\x00\x01" * len(self._codes)
        descendant = DictionaryObject({
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/CIDFontType2"),
            NameObject("/BaseFont"): name,
            NameObject("/CIDSystemInfo"): DictionaryObject({
                NameObject("/Registry"): TextStringObject("Adobe"),
                NameObject("/Ordering"): TextStringObject("Identity"),
                NameObject("/Supplement"): number(0),
            }),
            NameObject("/FontDescriptor"): writer._add_object(descriptor),  # noqa: SLF001 - pypdf has no public way
            NameObject("/DW"): number(1000 * ADVANCE),
            NameObject("/CIDToGIDMap"): _stream(writer, glyphs),
        })  # fmt: skip
        font = place.get_object()
        assert isinstance(font, DictionaryObject)
        font.update({
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type0"),
            NameObject("/BaseFont"): name,
            NameObject("/Encoding"): NameObject("/Identity-H"),
            NameObject("/DescendantFonts"): ArrayObject([writer._add_object(descendant)]),  # noqa: SLF001
            NameObject("/ToUnicode"): _stream(writer, self._unicode_map()),
        })  # fmt: skip

    def _unicode_map(self) -> bytes:
        entries = [
            f"<{code:04X}> <{each.encode('utf-16-be').hex().upper()}>" for each, code in self._codes.items()
        ]
        starts = range(0, min(len(entries), _MOST_CHARACTERS), _PER_SECTION)
        sections = [entries[start : start + _PER_SECTION] for start in starts]
        printed = [f"{len(each)} beginbfchar\n" + "\n".join(each) + "\nendbfchar" for each in sections]
        return _CMAP.format(sections="\n".join(printed)).encode("ascii")


def _stream(writer: PdfWriter, data: bytes, *, length_1: int | None = None) -> IndirectObject:
    from pypdf.generic import NameObject, NumberObject, StreamObject

    stream = StreamObject()
    stream.set_data(data)
    packed = stream.flate_encode()
    if length_1 is not None:
        packed[NameObject("/Length1")] = NumberObject(length_1)
    return writer._add_object(packed)  # noqa: SLF001 - pypdf has no public way to add an object
