"""Pages by the library that knows them: PDFium, pypdf where PDFium gives up, Pillow for pictures.

Everything here works on hostile input and runs in an isolated process.
"""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pitchey_core.errors import InputError, LimitExceeded
from pitchey_document.pictures import UNREADABLE, flat, open_picture, orientation_of, page_count

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MOST_RENDERED_PIXELS", "Page", "PageSource", "open_pages"]

MOST_RENDERED_PIXELS: Final = 50_000_000
"""Of a page that is drawn: A2 at 300 dpi has 35 million. Larger pages are drawn at a lower resolution."""

_POINTS_PER_INCH: Final = 72.0
_FEW_OBJECTS: Final = 2000
_SCAN_SHARE: Final = 0.5
"""Of the page; the resolution of a smaller picture (a logo) says nothing of the text around it."""


class Page(ABC):
    """One page.

    Attributes:
        size: Width and height as it is shown, in points (1/72 inch).
    """

    size: tuple[float, float]

    @abstractmethod
    def text(self) -> str:
        """What its text layer says."""

    @abstractmethod
    def pictured(self) -> tuple[float, float | None]:
        """The share of the page that its largest picture covers (0 to 1), and the scan's resolution in dpi.

        Only a picture that covers at least half of the page is a scan; without one the resolution is ``None``.
        """

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether nothing at all is on it; false where that cannot be told cheaply."""

    @abstractmethod
    def draw(self, dpi: float, *, colour: bool) -> Image.Image:
        """The page as a picture, at ``dpi`` or at what :data:`MOST_RENDERED_PIXELS` allows."""

    def drawable_dpi(self, dpi: float) -> float:
        """The resolution at which it is drawn when ``dpi`` is asked for."""
        width, height = (max(each, 1.0) / _POINTS_PER_INCH for each in self.size)
        return float(min(dpi, (MOST_RENDERED_PIXELS / (width * height)) ** 0.5))


class PageSource(ABC):
    """An open document."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def page(self, number: int) -> contextlib.AbstractContextManager[Page]:
        """A page, from 1.

        Raises:
            InputError: It is damaged.
        """


def open_pages(path: str, kind: str, *, password: str | None, most_pixels: int) -> PageSource:
    """Open a PDF or a picture.

    Args:
        kind: ``pdf`` or a picture's.
        most_pixels: Of a picture that is decoded.

    Raises:
        InputError: It is damaged, or its password is missing or wrong.
        LimitExceeded: A picture is larger than ``most_pixels``.
    """
    if kind != "pdf":
        return _Pictures(path, most_pixels)
    try:
        return _Pdf(path, password)
    except InputError as error:
        if "password" in error.message:
            raise
        with contextlib.suppress(Exception):
            return _PypdfDocument(path, password)
        raise


# -- PDFium -----------------------------------------------------------------------------------------------------


class _Pdf(PageSource):
    def __init__(self, path: str, password: str | None) -> None:
        import pypdfium2 as pdfium

        try:
            self._document = pdfium.PdfDocument(path, password=password)
        except pdfium.PdfiumError as error:
            raise _open_error(str(error), password) from None
        if len(self._document) < 1:
            raise InputError("the PDF has no pages that can be found")
        if self._document.get_formtype():
            # Without it, what was filled into a form is not drawn.
            with contextlib.suppress(pdfium.PdfiumError):
                self._document.init_forms()

    def __len__(self) -> int:
        return len(self._document)

    @contextlib.contextmanager
    def page(self, number: int) -> Iterator[Page]:
        import pypdfium2 as pdfium

        try:
            page = self._document[number - 1]
        except pdfium.PdfiumError as error:
            raise InputError(f"the page is damaged: {error}") from None
        try:
            yield _PdfPage(page)
        finally:
            page.close()


def _open_error(words: str, password: str | None) -> InputError:
    if "password" in words.lower():
        if password is None:
            return InputError("the PDF is encrypted and needs a password", remedy="give it with --password")
        return InputError("the password of the PDF is wrong", remedy="give the right one with --password")
    if "security" in words.lower():
        return InputError("the PDF is encrypted in a way that is not supported")
    return InputError(
        "the PDF is damaged: no pages can be found in it", remedy="try to repair it: qpdf IN OUT"
    )


class _PdfPage(Page):
    def __init__(self, page: Any) -> None:
        self._page = page
        self.size = page.get_size()

    def text(self) -> str:
        textpage = self._page.get_textpage()
        try:
            return str(textpage.get_text_range())
        finally:
            textpage.close()

    def pictured(self) -> tuple[float, float | None]:
        import pypdfium2.raw as raw

        width, height = self.size
        best, resolution = 0.0, None
        for count, each in enumerate(self._page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=3)):
            if count >= _FEW_OBJECTS:
                break
            left, bottom, right, top = each.get_bounds()
            share = max(0.0, right - left) * max(0.0, top - bottom) / max(width * height, 1.0)
            if share > best:
                best = share
                across, down = each.get_px_size()
                # Turned pages swap the sides; the larger of both readings is the scanner's.
                resolution = _POINTS_PER_INCH * max(across, down) / max(right - left, top - bottom, 1.0)
        return min(best, 1.0), resolution if best >= _SCAN_SHARE else None

    def is_empty(self) -> bool:
        import pypdfium2.raw as raw

        page = self._page.raw
        return bool(raw.FPDFPage_CountObjects(page) == 0 and raw.FPDFPage_GetAnnotCount(page) == 0)

    def draw(self, dpi: float, *, colour: bool) -> Image.Image:
        import pypdfium2 as pdfium

        try:
            bitmap = self._page.render(
                scale=self.drawable_dpi(dpi) / _POINTS_PER_INCH,
                grayscale=not colour,
                rev_byteorder=colour,
                # The picture shares this memory and keeps it; copying it would cost four times what drawing does.
                bitmap_maker=pdfium.PdfBitmap.new_foreign,
            )
        except pdfium.PdfiumError as error:
            raise InputError(f"the page cannot be drawn: {error}") from None
        picture: Image.Image = bitmap.to_pil()
        return picture


# -- pypdf, for what PDFium cannot open ---------------------------------------------------------------------------


class _PypdfDocument(PageSource):
    def __init__(self, path: str, password: str | None) -> None:
        from pypdf import PdfReader

        # An ordinary file can make it log a thousand warnings.
        logging.getLogger("pypdf").setLevel(logging.ERROR)
        self._reader = PdfReader(path, strict=False, password=password)
        if len(self._reader.pages) < 1:
            raise InputError("the PDF has no pages that can be found")

    def __len__(self) -> int:
        return len(self._reader.pages)

    @contextlib.contextmanager
    def page(self, number: int) -> Iterator[Page]:
        yield _PypdfPage(self._reader.pages[number - 1])


class _PypdfPage(Page):
    def __init__(self, page: Any) -> None:
        self._page = page
        box = page.cropbox
        self.size = (float(box.width), float(box.height))

    def text(self) -> str:
        return str(self._page.extract_text())

    def pictured(self) -> tuple[float, float | None]:
        return 0.0, None

    def is_empty(self) -> bool:
        return False

    def draw(self, dpi: float, *, colour: bool) -> Image.Image:  # noqa: ARG002 - it cannot, whatever is asked for
        raise InputError("the page cannot be drawn: PDFium cannot open this PDF", remedy="try: qpdf IN OUT")


# -- pictures -------------------------------------------------------------------------------------------------------


class _Pictures(PageSource):
    """Frames of a TIFF or WebP, or the first picture of any other file.

    Further ones in a JPEG (MPO) are previews and gain maps, those of a PNG an animation: they are no pages.
    """

    def __init__(self, path: str, most_pixels: int) -> None:
        self._most_pixels = most_pixels
        try:
            self._file = open_picture(path)
            self._count = page_count(self._file)
        except UNREADABLE as error:
            raise InputError(f"the picture is damaged: {error}") from None
        self._check(self._file)

    def _check(self, picture: Image.Image) -> None:
        width, height = picture.size
        if width * height > self._most_pixels:
            raise LimitExceeded(
                f"the picture has {width} x {height} pixels; at most {self._most_pixels / 1e6:.0f} million are read",
                limit="pixels",
                remedy="scale it down, or raise plugins.document.max_pixels in pitchey.toml",
            )

    def __len__(self) -> int:
        return self._count

    @contextlib.contextmanager
    def page(self, number: int) -> Iterator[Page]:
        try:
            self._file.seek(number - 1)
            self._check(self._file)
            dpi = _tagged_dpi(self._file)
            self._file.load()
        except UNREADABLE as error:
            raise InputError(f"the picture is damaged: {error}") from None
        yield _Picture(self._file, dpi)


def _tagged_dpi(picture: Image.Image) -> float | None:
    """What the file says, unless that is one of the defaults that programs write without knowing."""
    tagged = picture.info.get("dpi")
    try:
        across = float(tagged[0]) if tagged else 0.0
    except (TypeError, ValueError, IndexError):
        return None
    return across if 90 <= across <= 1200 and round(across) != 96 else None


_NEARLY_ALL: Final = 0.97
"""Of its pixels: scaling by less would only blur it."""
_LYING: Final = 5
"""From this orientation on, the sides are swapped."""
_UPRIGHT: Final = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
"""EXIF orientation to what makes the picture upright."""


class _Picture(Page):
    _ASSUMED_DPI = 150.0
    """Of a picture that does not say: page sizes come out plausible for photographs and screen captures."""

    def __init__(self, picture: Image.Image, dpi: float | None) -> None:
        self._picture = picture
        self._orientation = orientation_of(picture)
        self._dpi = dpi
        self._own_dpi = dpi or self._ASSUMED_DPI
        points = _POINTS_PER_INCH / self._own_dpi
        width, height = picture.size if self._orientation < _LYING else picture.size[::-1]
        self.size = (width * points, height * points)

    def text(self) -> str:
        return ""

    def pictured(self) -> tuple[float, float | None]:
        return 1.0, self._dpi

    def is_empty(self) -> bool:
        return False

    def drawable_dpi(self, dpi: float) -> float:
        return min(dpi, self._own_dpi)

    def draw(self, dpi: float, *, colour: bool) -> Image.Image:
        from PIL import Image

        picture = flat(self._picture, "RGB" if colour else "L")
        share = self.drawable_dpi(dpi) / self._own_dpi
        if share <= _NEARLY_ALL:
            size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
            picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        # Turned last: it has the fewest pixels then.
        if self._orientation in _UPRIGHT:
            return picture.transpose(Image.Transpose[_UPRIGHT[self._orientation]])
        return picture.copy() if picture is self._picture else picture
