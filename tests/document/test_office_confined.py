"""Office files that want LibreOffice to show files of the host. All are converted by the real one."""

from __future__ import annotations

import csv
import gzip
import io
import os
import shutil
import zipfile
from pathlib import Path

import pypdfium2
import pytest
from document_office import make_docx, png, rewritten
from PIL import Image

from pitchey_core.context import JobContext
from pitchey_core.errors import ToolFailed
from pitchey_core.process.landlock import landlock_version
from pitchey_core.registry import Registry
from pitchey_core.testing import make_job
from pitchey_document.office import conversion
from pitchey_document.office.conversion import convert_to_pdf
from pitchey_document.office.reading import read_office
from pitchey_document.office.references import leads_outside

needs_libreoffice = pytest.mark.skipif(
    shutil.which("soffice") is None, reason="LibreOffice is not on this host"
)
needs_landlock = pytest.mark.skipif(landlock_version() == 0, reason="the kernel has no Landlock")
_SPACES = " ".join(
    f'xmlns:{prefix}="{address}"'
    for prefix, address in {
        "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
        "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
        "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
        "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
        "style": "urn:oasis:names:tc:opendocument:xmlns:style:1.0",
        "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
        "xlink": "http://www.w3.org/1999/xlink",
    }.items()
)
_MIME = {"odt": "text", "odp": "presentation"}
_FRAME = '<draw:frame svg:width="5cm" svg:height="5cm" svg:x="1cm" svg:y="1cm" text:anchor-type="as-char">'
_PICTURE = f'{_FRAME}<draw:image xlink:href="{{}}" xlink:type="simple" xlink:actuate="onLoad"/></draw:frame>'
_DRAWING = "Pictures/a.svg"


@pytest.fixture
def job(tmp_path: Path, registry: Registry) -> JobContext:
    return make_job(tmp_path / "job", registry=registry)


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret.png"
    Image.new("RGB", (60, 60), "red").save(path)
    return path.as_uri()


def drawing(target: str) -> bytes:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="100" height="100">'
        f'<image xlink:href="{target}" width="100" height="100"/><text x="5" y="20">drawn</text></svg>'
    ).encode()


def odf(path: Path, body: str, *, styles: str = "", parts: dict[str, bytes] | None = None) -> Path:
    """An OpenDocument file by hand; its suffix says of which kind."""
    kind = _MIME[path.suffix[1:]]
    if kind == "text":
        body = f"<office:text><text:p>hello</text:p><text:p>{body}</text:p></office:text>"
    else:
        body = f'<office:presentation><draw:page draw:name="p1">{body}</draw:page></office:presentation>'
    mime = f"application/vnd.oasis.opendocument.{kind}"
    entries = {
        "content.xml": f'<?xml version="1.0"?><office:document-content {_SPACES} office:version="1.2">'
        f"<office:body>{body}</office:body></office:document-content>",
        "styles.xml": f'<?xml version="1.0"?><office:document-styles {_SPACES} office:version="1.2">'
        f"<office:styles>{styles}</office:styles></office:document-styles>",
        **(parts or {}),
    }
    listed = "".join(
        f'<m:file-entry m:full-path="{each}" m:media-type="{kind}"/>'
        for each, kind in (("/", mime), *((name, _media(name)) for name in entries))
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", mime, zipfile.ZIP_STORED)
        for name, data in entries.items():
            archive.writestr(name, data)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">{listed}</m:manifest>',
        )
    return path


def _media(name: str) -> str:
    return "image/svg+xml" if name.endswith(".svg") else "text/xml"


def attack(folder: Path, case: str, target: str) -> Path:
    path = folder / case.replace(" ", ".")
    match case:
        case "background odt":
            background = (
                f'<style:background-image xlink:href="{target}" xlink:type="simple" xlink:actuate="onLoad"/>'
            )
            styles = (
                '<style:style style:name="Standard" style:family="paragraph"><style:paragraph-properties>'
                f"{background}</style:paragraph-properties></style:style>"
            )
            return odf(path, "", styles=styles)
        case "drawing odt" | "drawing odp":
            return odf(path, _PICTURE.format(_DRAWING), parts={_DRAWING: drawing(target)})
        case "packed odt":
            return odf(path, _PICTURE.format(_DRAWING), parts={_DRAWING: gzip.compress(drawing(target))})
        case "object odp":
            return odf(path, f'{_FRAME}<draw:object xlink:href="{target}" xlink:type="simple"/></draw:frame>')
        case _:
            return rewritten(
                make_docx(folder / "plain.docx"),
                path,
                {
                    "word/_rels/document.xml.rels": lambda old: old.replace(
                        b"media/image1.png", b"media/image1.svg"
                    ),
                    "[Content_Types].xml": lambda old: old.replace(
                        b"<Default ", b'<Default Extension="svg" ContentType="image/svg+xml"/><Default ', 1
                    ),
                    "word/media/image1.svg": drawing(target),
                },
            )


CASES = ("background odt", "drawing odt", "drawing odp", "packed odt", "object odp", "drawing docx")


def reds(path: Path) -> int:
    with pypdfium2.PdfDocument(path) as document:
        pixels = [page.render(scale=1).to_pil().convert("RGB").tobytes() for page in document]
    return sum(
        1
        for data in pixels
        for red, green, blue in zip(data[::3], data[1::3], data[2::3], strict=True)
        if red > 200 and green < 60 and blue < 60
    )


def words(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


@needs_libreoffice
@needs_landlock
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_picture_of_the_host_is_not_drawn(tmp_path: Path, job: JobContext, secret: str, case: str) -> None:
    path = attack(tmp_path, case, secret)
    assert reds(convert_to_pdf(job, path, path.suffix[1:])) == 0


@needs_libreoffice
@pytest.mark.slow
@pytest.mark.parametrize("case", ["background odt", "drawing odt", "drawing odp", "drawing docx"])
def test_without_confinement_it_would_be(
    tmp_path: Path, job: JobContext, secret: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the tests above test something: LibreOffice's own settings do not cover these."""
    limits = conversion.ProcessLimits
    monkeypatch.setattr(conversion, "ProcessLimits", lambda folders, **rest: limits(**rest))
    monkeypatch.setattr(conversion, "_refuse_references", lambda *_: None)
    path = attack(tmp_path, case, secret)
    assert reds(convert_to_pdf(job, path, path.suffix[1:])) > 30


@pytest.mark.parametrize("case", CASES)
def test_it_is_found(tmp_path: Path, secret: str, case: str) -> None:
    path = attack(tmp_path, case, secret)
    facts = read_office(os.fspath(path), path.suffix[1:])["security"]
    element = {"b": "background-image", "o": "object"}.get(case[0], "image")
    assert facts["external_templates"] == [f"{element}: {secret}"[:200]]


@pytest.mark.parametrize("case", CASES)
def test_where_the_kernel_cannot_confine_it_is_refused(
    tmp_path: Path, job: JobContext, secret: str, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "landlock_version", lambda: 0)
    monkeypatch.setattr(conversion, "_run", lambda *_: pytest.fail("it was started"))
    path = attack(tmp_path, case, secret)
    with pytest.raises(ToolFailed, match=r"refers to other files \(.*no Landlock") as caught:
        convert_to_pdf(job, path, path.suffix[1:])
    assert caught.value.remedy


@needs_libreoffice
def test_where_the_kernel_cannot_confine_the_others_are_converted(
    tmp_path: Path, job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "landlock_version", lambda: 0)
    limits = conversion.ProcessLimits
    monkeypatch.setattr(conversion, "ProcessLimits", lambda folders, **rest: limits(**rest))
    path = odf(
        tmp_path / "a.odt",
        _PICTURE.format("Pictures/a.png"),
        parts={"Pictures/a.png": png(20, 20).getvalue()},
    )
    assert "hello" in words(convert_to_pdf(job, path, "odt"))


@needs_libreoffice
def test_no_socket_is_left_and_a_second_start_is_survived(
    tmp_path: Path, job: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[Path] = []
    made: list[Path] = []
    sockets = conversion._sockets

    def note(profile: Path) -> list[Path]:
        places.extend(sockets(profile))
        made.extend(each for each in sockets(profile) if each.is_socket())
        return sockets(profile)

    monkeypatch.setattr(conversion, "_sockets", note)
    path = odf(tmp_path / "a.odt", "")
    assert "hello" in words(convert_to_pdf(job, path, "odt"))
    # A build whose number is not found starts itself anew after the first start.
    monkeypatch.setattr(conversion, "_settle", lambda *_: None)
    assert "hello" in words(convert_to_pdf(job, path, "odt"))
    assert len(made) >= 3
    assert not any(each.exists() for each in places)


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ('<html><img src="file:///etc/x.png"><a href="http://a.example/">y</a></html>', "img: file:///etc/x.png"),
        ("<svg><style>a{fill:url(file:///a.svg#b)}</style></svg>", "style: file:///a.svg#b"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><g style="fill:url(#in)" mask="url(/x#y)"/></svg>', "g: /x#y"),
        ('<!DOCTYPE svg [<!ENTITY p "file:///">]><svg><image href="&p;x.png"/></svg>', "image: file:///x.png"),
        ('<svg><image href="&#102;ile:///x.png"/></svg>', "image: file:///x.png"),
        ('<?xml-stylesheet href="file:///x.css"?><svg href="#a"/>', "stylesheet: file:///x.css"),
        ('<svg><image href="file:///x.png"><broken</svg>', "image: file:///x.png"),
        ('<svg><image href="data:image/png;base64,AA=="/><use href="#a"/></svg>', None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_drawings_and_pages_are_searched(
    tmp_path: Path, markup: str, found: str | None, encoding: str
) -> None:
    path = odf(tmp_path / "a.odt", "", parts={_DRAWING: markup.encode(encoding)})
    templates = read_office(os.fspath(path), "odt")["security"]["external_templates"]
    assert (found in templates) if found else templates == []


@pytest.mark.parametrize(
    ("target", "outside"),
    [
        ("Pictures/a.png", False), ("./Object 1", False), ("#a:b", False), ("", False),
        ("data:image/png;base64,A", False),
        ("../a.png", True), ("Pictures/../../a.png", True), ("%2e%2e/a.png", True), ("/etc/x", True),
        (" file:///x", True), ("\\\\host\\share", True), ("C:\\x", True), ("http://a.example/", True),
    ],
)  # fmt: skip
def test_what_leads_outside(target: str, outside: bool) -> None:
    assert leads_outside(target) is outside


@needs_libreoffice
def test_tables_are_printed_as_they_are_written(tmp_path: Path, job: JobContext) -> None:
    path = tmp_path / "a.csv"
    rows = [
        ["code", "sum", "date"],
        ["01234", "=1+1", "1-2"],
        ["two\nlines, and", "0x", "1E5", '="a"', "007"],
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    said = words(convert_to_pdf(job, path, "csv"))
    for each in ("01234", "=1+1", "1-2", "1E5", '="a"', "007"):
        assert each in said


def test_columns_are_counted_over_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["a,b", "c"], ["x\n,y\n", 'q"",', "d\n"], []])
    path.write_text(text.getvalue(), "utf-8", newline="")
    assert conversion._all_text(path) == "1/2/2/2/3/2"
