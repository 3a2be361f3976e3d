"""Pictures as pages of a PDF: JPEG data as it is, anything else packed without loss."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from pitchey_core.errors import InputError
from pitchey_document.ocr.preparing import guess_dpi
from pitchey_document.pictures import UNREADABLE, open_picture, orientation_of, page_count, separated

if TYPE_CHECKING:
    from PIL.Image import Image
    from pypdf import PdfWriter
    from pypdf.generic import IndirectObject, StreamObject

__all__ = ["add_picture_pages"]

_PLAUSIBLE_DPI = (50.0, 2400.0)
_LONGEST_SIDE = 14_400.0
_AS_SEEN = {
    2: (-1, 0, 0, 1, 1, 0), 3: (-1, 0, 0, -1, 1, 1), 4: (1, 0, 0, -1, 0, 1), 5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1), 7: (0, 1, 1, 0, 0, 0), 8: (0, 1, -1, 0, 1, 0),
}  # fmt: skip
"""EXIF orientation to the matrix that lays the unit square of the stored picture into that of the picture as seen."""
_STRIP_PIXELS = 1_000_000
_COLOUR_SPACES = {1: "/DeviceGray", 3: "/DeviceRGB", 4: "/DeviceCMYK"}
_LOSSLESS = {
    "1": ("/DeviceGray", 1),
    "L": ("/DeviceGray", 8),
    "RGB": ("/DeviceRGB", 8),
    "CMYK": ("/DeviceCMYK", 8),
}


def add_picture_pages(
    writer: PdfWriter, path: Path, *, first: int = 1, pages: Collection[int] | None = None
) -> tuple[list[int], list[int], int]:
    """Append a page for each frame of a picture that can be decoded.

    Args:
        first: Number of its first frame.
        pages: Numbers of the frames that are wanted; ``None``: all.

    Returns:
        Numbers of the frames that became pages, those of the frames that could not be decoded, and how many frames
        the picture has.

    Raises:
        InputError: It is damaged as a whole.
    """
    added: list[int] = []
    missing: list[int] = []
    try:
        with open_picture(path) as file:
            count = page_count(file)
            # What is behind the first picture of an MPO, every reader of JPEG skips.
            jpeg = path.read_bytes() if file.format in {"JPEG", "MPO"} else None
            for number in range(first, first + count):
                if pages is not None and number not in pages:
                    continue
                try:
                    file.seek(number - first)
                    _add_page(writer, file, jpeg)
                    added.append(number)
                except (*UNREADABLE, MemoryError):
                    if count == 1:
                        raise
                    missing.append(number)
    except UNREADABLE as error:
        raise InputError(f"{path.name!r} cannot be put into a PDF: {error}") from error
    return added, missing, count


def _add_page(writer: PdfWriter, picture: Image, jpeg: bytes | None) -> None:
    from pypdf.generic import DictionaryObject, NameObject, StreamObject

    if jpeg is None:
        # A damaged frame ends here, before it has a page.
        picture.load()
    embedded = _jpeg(writer, picture, jpeg) if jpeg is not None else _lossless(writer, picture)
    orientation = orientation_of(picture)
    across, down = _resolution(picture)
    width, height = picture.width / across * 72, picture.height / down * 72
    if orientation >= 5:
        width, height = height, width
    shrink = min(1.0, _LONGEST_SIDE / max(width, height))
    width, height = width * shrink, height * shrink
    page = writer.add_blank_page(width, height)
    seen = " ".join(map(str, _AS_SEEN.get(orientation, (1, 0, 0, 1, 0, 0))))
    stream = StreamObject()
    stream.set_data(f"q {width:.4f} 0 0 {height:.4f} 0 0 cm {seen} cm /Picture Do Q\n".encode("ascii"))
    pictures = DictionaryObject({NameObject("/Picture"): embedded})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): pictures})
    page[NameObject("/Contents")] = writer._add_object(stream)  # noqa: SLF001 - pypdf has no public way


def _resolution(picture: Image) -> tuple[float, float]:
    try:
        across, down = (float(each) for each in picture.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        across = down = 0.0
    low, high = _PLAUSIBLE_DPI
    if low <= across <= high and low <= down <= high:
        return across, down
    guessed = guess_dpi(picture.size)
    return guessed, guessed


def _jpeg(writer: PdfWriter, picture: Image, data: bytes) -> IndirectObject:
    from pypdf.generic import ArrayObject, NameObject, NumberObject, StreamObject

    bands = len(picture.getbands())
    stream = _picture_stream(StreamObject(), picture.size, _COLOUR_SPACES[bands], 8)
    stream[NameObject("/Filter")] = NameObject("/DCTDecode")
    stream._data = data  # noqa: SLF001 - set_data would be the same with a decoder in between
    if bands == 4 and "adobe" in picture.info:
        # Adobe's programs store CMYK inverted.
        stream[NameObject("/Decode")] = ArrayObject([NumberObject(each) for each in (1, 0) * 4])
    return writer._add_object(stream)  # noqa: SLF001 - pypdf has no public way


def _lossless(writer: PdfWriter, picture: Image) -> IndirectObject:
    from pypdf.generic import NameObject, StreamObject

    picture, mask = separated(picture)
    mode = picture.mode if picture.mode in _LOSSLESS else "L" if picture.mode == "LA" else "RGB"
    space, bits = _LOSSLESS[mode]
    stream = _picture_stream(StreamObject(), picture.size, space, bits)
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    stream._data = _deflated(picture, mode)  # noqa: SLF001 - set_data would inflate it again
    if mask is not None:
        stream[NameObject("/SMask")] = _lossless(writer, mask)
    return writer._add_object(stream)  # noqa: SLF001 - pypdf has no public way


def _deflated(picture: Image, mode: str) -> bytes:
    """The pixels, packed strip by strip: a second copy of a large picture would take most of the memory."""
    packer = zlib.compressobj()
    packed = []
    rows = max(1, _STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(picture.height, top + rows)))
        packed.append(packer.compress((strip if strip.mode == mode else strip.convert(mode)).tobytes()))
    return b"".join([*packed, packer.flush()])


def _picture_stream(stream: StreamObject, size: tuple[int, int], space: str, bits: int) -> StreamObject:
    from pypdf.generic import NameObject, NumberObject

    stream.update({
        NameObject("/Type"): NameObject("/XObject"),
        NameObject("/Subtype"): NameObject("/Image"),
        NameObject("/Width"): NumberObject(size[0]),
        NameObject("/Height"): NumberObject(size[1]),
        NameObject("/ColorSpace"): NameObject(space),
        NameObject("/BitsPerComponent"): NumberObject(bits),
    })  # fmt: skip
    return stream
