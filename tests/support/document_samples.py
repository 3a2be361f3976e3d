"""Documents of all kinds, each made when a test first asks for it; nothing is stored in the repository."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import reportlab
from PIL import Image, ImageDraw, ImageFont
from pypdf import PdfReader, PdfWriter
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

__all__ = ["SENTENCES", "Documents", "raw_pdf", "stream"]

SENTENCES = (
    "Morning fog lay over the harbour when the ferry came in.",
    "Nobody had expected the letter, least of all the keeper of the light.",
    "She folded it twice and put it under the lamp.",
    "By noon the whole village knew that the bridge would be closed.",
)
FONT = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """The body of a stream object."""
    return b"<< " + entries + b" /Length %d >>\nstream\n" % len(data) + data + b"\nendstream"


def raw_pdf(*objects: bytes, xref: bool = True) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue. Nothing is checked."""
    data = b"%PDF-1.7\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    if not xref:
        return data + b"trailer << /Root 1 0 R /Size %d >>\n%%%%EOF\n" % (len(objects) + 1)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return data + b"trailer << /Root 1 0 R /Size %d >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


class Documents:
    """Sample documents below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """The file of that name, made on first use."""
        path = self.folder / name
        if not path.exists():
            partial = path.with_name(f"partial-{name}")
            make(partial)
            partial.rename(path)
        return path

    def data(self, name: str, data: bytes) -> Path:
        return self.made(name, lambda path: path.write_bytes(data))

    # -- PDF ------------------------------------------------------------------------------------------------------

    def text_pdf(self, pages: int = 3) -> Path:
        """Pages with a text layer; page n begins with ``Page n``."""

        def make(path: Path) -> None:
            drawing = canvas.Canvas(str(path), pagesize=A4)
            drawing.setTitle("The Keeper of the Light")
            drawing.setAuthor("A. Writer")
            for number in range(1, pages + 1):
                drawing.bookmarkPage(f"p{number}")
                drawing.addOutlineEntry(f"Scene {number}", f"p{number}", 0)
                lines = drawing.beginText(72, 760)
                lines.setFont("Helvetica", 11)
                for line in (f"Page {number}", *SENTENCES):
                    lines.textLine(line)
                drawing.drawText(lines)
                drawing.showPage()
            drawing.save()

        return self.made(f"text-{pages}.pdf", make)

    def mixed_pdf(self) -> Path:
        """A text page, a scan with a page number, a blank page, and a scan."""
        scans = [self.scan(index) for index in (0, 1)]

        def make(path: Path) -> None:
            drawing = canvas.Canvas(str(path), pagesize=A4)
            drawing.drawString(72, 700, "This page has a text layer of its own, long enough to be believed.")
            drawing.showPage()
            drawing.drawImage(str(scans[0]), 0, 0, *A4)
            drawing.drawString(30, 20, "Page 2")
            drawing.showPage()
            drawing.showPage()
            drawing.drawImage(str(scans[1]), 0, 0, *A4)
            drawing.showPage()
            drawing.save()

        return self.made("mixed.pdf", make)

    def scan_pdf(self, pages: int) -> Path:
        """Pages that are pictures of text, and nothing else."""
        scans = [self.scan(index) for index in range(pages)]

        def make(path: Path) -> None:
            drawing = canvas.Canvas(str(path), pagesize=A4)
            for scan in scans:
                drawing.drawImage(str(scan), 0, 0, *A4)
                drawing.showPage()
            drawing.save()

        return self.made(f"scan-{pages}.pdf", make)

    def encrypted_pdf(self, algorithm: str, password: str) -> Path:
        """A text PDF under a user password."""

        def make(path: Path) -> None:
            writer = PdfWriter(clone_from=PdfReader(self.text_pdf()))
            writer.encrypt(password, "owner", algorithm=algorithm)
            writer.write(path)

        return self.made(f"encrypted-{algorithm}.pdf", make)

    def wary_pdf(self) -> Path:
        """Scripts, links, an attachment, a launch action."""

        def make(path: Path) -> None:
            from pypdf.generic import DictionaryObject, NameObject, TextStringObject

            writer = PdfWriter(clone_from=PdfReader(self.text_pdf()))
            script = DictionaryObject(
                {
                    NameObject("/S"): NameObject("/JavaScript"),
                    NameObject("/JS"): TextStringObject("app.alert(1);"),
                }
            )
            writer._root_object[NameObject("/OpenAction")] = script
            writer.add_attachment("secret.txt", b"contents")
            writer.add_uri(0, "https://example.com/track", (72, 72, 200, 90))  # type: ignore[arg-type]
            launch = DictionaryObject(
                {NameObject("/S"): NameObject("/Launch"), NameObject("/F"): TextStringObject("calc.exe")}
            )
            writer.pages[1][NameObject("/AA")] = DictionaryObject({NameObject("/O"): launch})
            writer.write(path)

        return self.made("wary.pdf", make)

    # -- pictures -------------------------------------------------------------------------------------------------

    def page_image(
        self, lines: Sequence[str], *, size: tuple[int, int] = (1240, 1754), height: int = 30
    ) -> Any:
        """Black text on white; A4 at 150 dpi unless told otherwise."""
        picture = Image.new("L", size, 255)
        drawing = ImageDraw.Draw(picture)
        font = ImageFont.truetype(str(FONT), height)
        for place, line in enumerate(lines):
            drawing.text((size[0] // 12, size[1] // 12 + place * height * 2), line, fill=0, font=font)
        return picture

    def scan(self, index: int = 0) -> Path:
        """A page with ``Sheet n`` and the sentences, as JPEG."""

        def make(path: Path) -> None:
            picture = self.page_image((f"Sheet number {index + 1}", *SENTENCES))
            picture.save(path, format="JPEG", quality=80, dpi=(150, 150))

        return self.made(f"scan-{index}.jpg", make)

    def picture(self, suffix: str, format_name: str, **options: Any) -> Path:
        """The first scan in another file format."""

        def make(path: Path) -> None:
            with Image.open(self.scan()) as picture:
                picture.copy().save(path, format=format_name, dpi=(150, 150), **options)

        return self.made(f"picture.{suffix}", make)

    def frames(self, count: int = 3) -> Path:
        """A TIFF of several pages."""

        def make(path: Path) -> None:
            pages = [self.page_image((f"Sheet number {number + 1}", *SENTENCES)) for number in range(count)]
            pages[0].save(
                path,
                format="TIFF",
                save_all=True,
                append_images=pages[1:],
                dpi=(150, 150),
                compression="tiff_lzw",
            )

        return self.made(f"frames-{count}.tiff", make)

    # -- bad ones -------------------------------------------------------------------------------------------------

    def huge_page(self) -> Path:
        """One page of 35,000 x 35,000 points, with text."""
        content = stream(b"BT /F1 900 Tf 1000 20000 Td (A very large page) Tj ET")
        return self.data(
            "huge-page.pdf",
            raw_pdf(
                b"<< /Type /Catalog /Pages 2 0 R >>",
                b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 35000 35000] /Contents 4 0 R"
                b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
                content,
            ),
        )

    def one_page(
        self, name: str, content: bytes, resources: bytes = b"", *, after: Sequence[bytes] = ()
    ) -> Path:
        """A page with this content stream object, and a good page behind it."""
        font = b"/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
        return self.data(
            name,
            raw_pdf(
                b"<< /Type /Catalog /Pages 2 0 R >>",
                b"<< /Type /Pages /Kids [3 0 R 5 0 R] /Count 2 >>",
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R"
                b" /Resources << " + font + b" " + resources + b" >> >>",
                content,
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 6 0 R /Resources << "
                + font
                + b" >> >>",
                stream(b"BT /F1 20 Tf 50 700 Td (The good page) Tj ET"),
                *after,
            ),
        )

    def flate_bomb(self) -> Path:
        """A content stream that four Flate filters inflate from a few hundred bytes to 4 GiB."""

        def make(path: Path) -> None:
            squeezer = zlib.compressobj(9)
            piece = b" " * 2**24
            data = b"".join(squeezer.compress(piece) for _ in range(256)) + squeezer.flush()
            for _ in range(3):
                data = zlib.compress(data, 9)
            body = stream(data, b"/Filter [/FlateDecode /FlateDecode /FlateDecode /FlateDecode]")
            built = self.one_page("flate-bomb-inner.pdf", body)
            path.write_bytes(built.read_bytes())

        return self.made("flate-bomb.pdf", make)

    def circular(self) -> Path:
        """A page tree whose node is its own child."""
        return self.data(
            "circular.pdf",
            raw_pdf(
                b"<< /Type /Catalog /Pages 2 0 R >>",
                b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 /Parent 2 0 R >>",
            ),
        )

    def slow_page(self) -> Path:
        """A first page that takes minutes to draw, and a good one behind it."""
        return self.one_page("slow.pdf", stream(b"0 0 600 800 re f\n" * 100_000))

    def deep(self) -> Path:
        """Arrays nested a hundred thousand deep in a page's content."""
        return self.one_page("deep.pdf", stream(b"[" * 100_000 + b"]" * 100_000 + b" TJ"))

    def endless_inline(self) -> Path:
        """An inline image without an end."""
        return self.one_page("inline.pdf", stream(b"BI /W 100 /H 100 /BPC 8 /CS /G /F /Fl ID " + b"x" * 1000))

    def wide_picture(self) -> Path:
        """A PNG of 35,000 x 35,000 pixels: 150 KB that would be 1.2 GB."""

        def make(path: Path) -> None:
            side = 35_000
            squeezer = zlib.compressobj(9)
            row = b"\0" + b"\xff" * side
            data = b"".join(squeezer.compress(row) for _ in range(side)) + squeezer.flush()
            with path.open("wb") as file:
                file.write(b"\x89PNG\r\n\x1a\n")
                for kind, body in (
                    (b"IHDR", side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"),
                    (b"IDAT", data),
                    (b"IEND", b""),
                ):
                    checksum = zlib.crc32(kind + body).to_bytes(4, "big")
                    file.write(len(body).to_bytes(4, "big") + kind + body + checksum)

        return self.made("wide.png", make)

    def wide_scan(self) -> Path:
        """A PDF page with a bilevel picture of 35,000 x 35,000 pixels, and a good page behind it."""

        def make(path: Path) -> None:
            squeezer = zlib.compressobj(9)
            row = b"\xff" * (35_000 // 8)
            data = b"".join(squeezer.compress(row) for _ in range(35_000)) + squeezer.flush()
            image = stream(
                data,
                b"/Type /XObject /Subtype /Image /Width 35000 /Height 35000 /BitsPerComponent 1 /ColorSpace /DeviceGray"
                b" /Filter /FlateDecode",
            )
            built = self.one_page(
                "wide-scan-inner.pdf",
                stream(b"q 600 0 0 800 0 0 cm /X Do Q"),
                b"/XObject << /X 7 0 R >>",
                after=[image],
            )
            path.write_bytes(built.read_bytes())

        return self.made("wide-scan.pdf", make)

    def broken_xref(self) -> Path:
        """A good PDF whose table of objects points nowhere."""
        data = self.text_pdf().read_bytes()
        at = data.rindex(b"startxref")
        return self.data("broken-xref.pdf", data[:at] + b"startxref\n99999999\n%%EOF\n")

    def truncated(self, path: Path, share: float = 0.5) -> Path:
        """The first part of a file."""
        data = path.read_bytes()
        return self.data(f"truncated-{path.name}", data[: int(len(data) * share)])

    def as_bytes(self, picture: Any, format_name: str) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, format=format_name)
        return buffer.getvalue()
