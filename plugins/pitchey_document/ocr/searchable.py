"""Searchable PDFs: the pages as they are, with what was read laid over them invisibly.

All of this runs in isolated processes; arguments and answers are JSON data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_core.errors import InputError
from pitchey_document.ocr.glyphless import GlyphlessFont
from pitchey_document.ocr.overlay import PageFrame, text_operators
from pitchey_document.ocr.words import PageReading

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader, PdfWriter
    from pypdf.generic import IndirectObject

__all__ = ["add_text_layer", "pictures_to_pdf"]

Readings = Mapping[str, dict[str, Any]]
_FONT = "/PitcheyText"


def add_text_layer(source: str, readings: Readings, target: str, password: str | None) -> dict[str, Any]:
    """Write a copy of a PDF whose pages look as before and can be searched.

    The original bytes stay as they are and the text is appended to them, so nothing of the file can be lost, and a
    signature stays valid for what was signed. Encrypted and damaged files are rewritten instead.

    Args:
        source: The PDF; it is not changed.
        readings: Records of :class:`PageReading` of pages as viewers show them, by page number from 1.
        target: Where to write.
        password: That opens it.

    Returns:
        ``pages``: how many got text; ``rewritten``: whether the file had to be built anew; ``encryption``: ``kept``,
        ``removed`` (it opened without a password) or ``none``.

    Raises:
        InputError: It cannot be opened; or it is signed and would have to be rewritten, which breaks the signature.
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    data = Path(source).read_bytes()
    try:
        reader = _opened(data, password)
        encrypted = reader is not None and reader.is_encrypted
        written = _appended(data, readings) if reader is not None and not encrypted else None
        rewritten = written is None
        if written is None:
            if reader is not None and _is_signed(reader):
                raise InputError(
                    f"{Path(source).name!r} is signed, and a text layer cannot be appended to it; rewriting it would"
                    " break the signature",
                    remedy="leave out the output searchable-pdf; the outputs text and hocr say what was read",
                )
            sound = reader or PdfReader(BytesIO(_rebuilt(data, password)), password=password)
            written = _rewritten(sound, readings, password if encrypted else None)
    except (PyPdfError, OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        # pypdf raises all of these on damaged files.
        raise InputError(f"{Path(source).name!r} cannot be written as a searchable PDF: {error}") from error
    Path(target).write_bytes(written)
    return {
        "pages": len(readings),
        "rewritten": rewritten,
        "encryption": "none" if not encrypted else "kept" if password else "removed",
    }


def _opened(data: bytes, password: str | None) -> PdfReader | None:
    """The file as pypdf sees it; ``None`` if that finds no pages in it."""
    from pypdf import PdfReader
    from pypdf.errors import PdfReadError, PdfStreamError

    try:
        reader = PdfReader(BytesIO(data), password=password)
        return reader if len(reader.pages) else None
    except (PdfReadError, PdfStreamError):
        return None


def _rebuilt(data: bytes, password: str | None) -> bytes:
    """The file as PDFium writes it, which reads some files that pypdf cannot.

    Raises:
        InputError: It cannot be read either.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data, password=password)
        out = BytesIO()
        document.save(out)
    except pypdfium2.PdfiumError as error:
        raise InputError(f"the PDF is damaged beyond repair: {error}") from error
    return out.getvalue()


def _is_signed(reader: Any) -> bool:
    form = reader.root_object.get("/AcroForm")
    form = form.get_object() if form is not None else {}
    # Bit 1: there is a signature.
    return bool(int(form.get("/SigFlags", 0)) & 1) if isinstance(form, dict) else False


def _appended(data: bytes, readings: Readings) -> bytes | None:
    """The file with an incremental update; ``None`` if that cannot be read back."""
    from pypdf import PdfReader, PdfWriter

    try:
        writer = PdfWriter(BytesIO(data), incremental=True)
        _lay(writer, readings)
        out = BytesIO()
        writer.write(out)
        written = out.getvalue()
        again = PdfReader(BytesIO(written), strict=True)
        numbers = [int(number) for number in readings]
        fine = written.startswith(data) and all(_has_layer(again.pages[number - 1]) for number in numbers)
    except Exception:  # noqa: BLE001 - pypdf raises anything on damaged files; they are rewritten
        return None
    return written if fine else None


def _has_layer(page: PageObject) -> bool:
    fonts = page["/Resources"].get("/Font", {})  # type: ignore[attr-defined]
    return any(name.startswith(_FONT) for name in fonts.get_object())


def _rewritten(reader: Any, readings: Readings, password: str | None) -> bytes:
    from pypdf import PdfWriter

    writer = PdfWriter(clone_from=reader)
    _lay(writer, readings)
    if password:
        writer.encrypt(password, algorithm="AES-256")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def _lay(writer: PdfWriter, readings: Readings) -> None:
    from pypdf.generic import DictionaryObject

    font = GlyphlessFont()
    place = writer._add_object(DictionaryObject())  # noqa: SLF001 - pypdf has no public way to add an object
    for number, record in readings.items():
        _lay_page(writer, writer.pages[int(number) - 1], PageReading.from_record(record), font, place)
    font.add_to(writer, place)


def _lay_page(
    writer: PdfWriter, page: PageObject, reading: PageReading, font: GlyphlessFont, place: IndirectObject
) -> None:
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject, StreamObject

    resources = DictionaryObject(_resolved(page.get("/Resources")))
    fonts = DictionaryObject(_resolved(resources.get("/Font")))
    name = _FONT
    while name in fonts:
        name += "_"
    operators = text_operators(reading, _frame(page), font, name)
    fonts[NameObject(name)] = place
    resources[NameObject("/Font")] = fonts
    # Resources may be shared with other pages or inherited: this page gets its own.
    page[NameObject("/Resources")] = resources
    if not operators:
        return
    stream = StreamObject()
    stream.set_data(operators)
    # What is invisible may come first, where no unbalanced state of the page's own content can move it.
    streams: list[Any] = [writer._add_object(stream.flate_encode())]  # noqa: SLF001
    if (contents := page.get("/Contents")) is not None:
        raw = page.raw_get("/Contents")
        streams += list(contents) if isinstance(contents, ArrayObject) else [raw]
    page[NameObject("/Contents")] = ArrayObject(streams)


def _resolved(value: Any) -> dict[Any, Any]:
    resolved = value.get_object() if value is not None else {}
    return dict(resolved.items()) if isinstance(resolved, dict) else {}


def _frame(page: PageObject) -> PageFrame:
    media, crop = ([float(edge) for edge in box] for box in (page.mediabox, page.cropbox))
    left, bottom = (max(min(crop[side::2]), min(media[side::2])) for side in (0, 1))
    right, top = (min(max(crop[side::2]), max(media[side::2])) for side in (0, 1))
    if right <= left or top <= bottom:
        left, bottom, right, top = (
            *(min(media[side::2]) for side in (0, 1)),
            max(media[::2]),
            max(media[1::2]),
        )
    return PageFrame(left, bottom, right - left, top - bottom, page.rotation % 360)


def pictures_to_pdf(
    pictures: Sequence[str], readings: Readings, target: str, *, pages: Sequence[int] | None = None
) -> dict[str, Any]:
    """Write pictures as the pages of a PDF, each frame of a TIFF or WebP a page, with what was read of them.

    JPEG data is embedded as it is, anything else without loss (of grey with 16 bits, 8 are kept). A page is as large
    as the picture's resolution says; without one, or with one that no scanner has, as large as it would be on paper:
    A4 or Letter wide, or 11 inches where it is much longer than wide.

    Args:
        readings: Records of :class:`PageReading`, by number of the frame: from 1, counted through all pictures.
        pages: Numbers of the frames that are wanted; ``None``: all.

    Returns:
        ``pages``: how many pages were written; ``missing``: the numbers of frames that could not be decoded and were
        left out.

    Raises:
        InputError: A picture cannot be decoded, no frame of all can, or none was selected.
    """
    from pypdf import PdfWriter

    from pitchey_document.ocr.embedding import add_picture_pages

    writer = PdfWriter()
    wanted = None if pages is None else frozenset(pages)
    written: list[int] = []
    missing: list[int] = []
    first = 1
    for path in pictures:
        added, lost, count = add_picture_pages(writer, Path(path), first=first, pages=wanted)
        written += added
        missing += lost
        first += count
    if not written:
        names = ", ".join(repr(Path(path).name) for path in pictures)
        why = "no frame of it can be decoded" if missing else "no frame is selected"
        raise InputError(f"{names} cannot be put into a PDF: {why}")
    places = {number: place for place, number in enumerate(written, 1)}
    _lay(
        writer,
        {str(places[int(number)]): record for number, record in readings.items() if int(number) in places},
    )
    with Path(target).open("wb") as file:
        writer.write(file)
    return {"pages": len(written), "missing": missing}
