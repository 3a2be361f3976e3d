"""Pictures as pages of a PDF: JPEG data as it is, anything else packed without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_core.errors import InputError
from pitchey_document.ocr.preparing import guess_dpi

if TYPE_CHECKING:
    from PIL.Image import Image
    from pypdf import PdfWriter
    from pypdf.generic import IndirectObject, StreamObject

__all__ = ["add_picture_pages"]

_PLAUSIBLE_DPI = (50.0, 2400.0)
_LONGEST_SIDE = 14_400.0
_EXIF_ORIENTATION = 0x0112
_AS_SEEN = {
    2: (-1, 0, 0, 1, 1, 0), 3: (-1, 0, 0, -1, 1, 1), 4: (1, 0, 0, -1, 0, 1), 5: (0, -1, -1, 0, 1, 1),
    6: (0, -1, 1, 0, 0, 1), 7: (0, 1, 1, 0, 0, 0), 8: (0, 1, -1, 0, 1, 0),
}  # fmt: skip
"""EXIF orientation to the matrix that lays the unit square of the stored picture into that of the picture as seen."""
_COLOUR_SPACES = {1: "/DeviceGray", 3: "/DeviceRGB", 4: "/DeviceCMYK"}
_LOSSLESS = {
    "1": ("/DeviceGray", 1),
    "L": ("/DeviceGray", 8),
    "RGB": ("/DeviceRGB", 8),
    "CMYK": ("/DeviceCMYK", 8),
}


def add_picture_pages(writer: PdfWriter, path: Path) -> None:
    """Append a page for each frame of a picture.

    Raises:
        InputError: It cannot be decoded.
    """
    from PIL import Image as Pictures
    from PIL import ImageSequence

    try:
        with Pictures.open(path) as file:
            frames = ImageSequence.Iterator(file) if getattr(file, "n_frames", 1) > 1 else [file]
            for frame in frames:
                as_it_is = path.read_bytes() if file.format == "JPEG" else None
                _add_page(writer, frame, as_it_is)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path.name!r} cannot be put into a PDF: {error}") from error


def _add_page(writer: PdfWriter, picture: Image, jpeg: bytes | None) -> None:
    from pypdf.generic import DictionaryObject, NameObject, StreamObject

    orientation = int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    across, down = _resolution(picture)
    width, height = picture.width / across * 72, picture.height / down * 72
    if orientation >= 5:
        width, height = height, width
    shrink = min(1.0, _LONGEST_SIDE / max(width, height))
    width, height = width * shrink, height * shrink
    page = writer.add_blank_page(width, height)
    embedded = _jpeg(writer, picture, jpeg) if jpeg is not None else _lossless(writer, picture)
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

    mask = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    if picture.mode.startswith("I;16"):
        picture = picture.convert("I").point(lambda value: value / 257).convert("L")
    elif picture.mode in {"LA", "La"}:
        picture = picture.convert("L")
    elif picture.mode not in _LOSSLESS:
        picture = picture.convert("RGB")
    stream = StreamObject()
    stream.set_data(picture.tobytes())
    space, bits = _LOSSLESS[picture.mode]
    packed: Any = _picture_stream(stream.flate_encode(), picture.size, space, bits)
    if mask is not None:
        packed[NameObject("/SMask")] = _lossless(writer, mask)
    return writer._add_object(packed)  # noqa: SLF001 - pypdf has no public way


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
