"""Office files to PDF with the real LibreOffice."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest
from document_office import libreoffice, make_docx, make_pptx, make_xlsx, png, rewritten

from pitchey_core.context import JobContext
from pitchey_core.errors import Cancelled, InputError, LimitExceeded, ToolFailed, ToolMissing, UnknownName
from pitchey_core.process import ProcessLimits
from pitchey_core.registry import Registry
from pitchey_core.testing import make_job
from pitchey_core.tools import ToolTable
from pitchey_document.office import conversion
from pitchey_document.office.conversion import convert_to_pdf
from pitchey_document.office.tool import SOFFICE

needs_libreoffice = pytest.mark.skipif(
    shutil.which("soffice") is None, reason="LibreOffice is not on this host"
)
MAKERS: dict[str, Callable[[Path], Path]] = {"docx": make_docx, "pptx": make_pptx, "xlsx": make_xlsx}
ODF = {"odt": "docx", "odp": "pptx", "ods": "xlsx"}


@pytest.fixture
def job(tmp_path: Path, registry: Registry) -> JobContext:
    return make_job(tmp_path / "job", registry=registry)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("convert")
    files: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in files:
            source = MAKERS.get(kind)
            files[kind] = source(folder / f"a.{kind}") if source else libreoffice(get(ODF[kind]), kind)
        return files[kind]

    return get


def words(path: Path) -> str:
    with pypdfium2.PdfDocument(path) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def pictures(path: Path) -> int:
    with pypdfium2.PdfDocument(path) as document:
        return sum(1 for page in document for each in page.get_objects() if each.type == 3)


def unconfined(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be on a host without Landlock, if such documents were not refused there."""
    monkeypatch.setattr(conversion, "ProcessLimits", lambda folders, **limits: ProcessLimits(**limits))
    monkeypatch.setattr(conversion, "_refuse_references", lambda *_: None)


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return os.fspath(path)


@needs_libreoffice
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [("docx", "Sales rose"), ("pptx", "The plan"), ("xlsx", "Lights"),
     ("odt", "Sales rose"), ("odp", "The plan"), ("ods", "Lights")],
)  # fmt: skip
def test_each_kind(made: Callable[[str], Path], job: JobContext, kind: str, said: str) -> None:
    pdf = convert_to_pdf(job, made(kind), kind)
    assert said in words(pdf)
    # Profile and copy are gone, and the result is all that is left.
    assert [each for each in job.workdir.rglob("*") if each.is_file()] == [pdf]


@needs_libreoffice
def test_the_content_decides_and_not_the_name(
    made: Callable[[str], Path], job: JobContext, tmp_path: Path
) -> None:
    odd = tmp_path / "--help ünd %20.html"
    shutil.copyfile(made("docx"), odd)
    assert "Sales rose" in words(convert_to_pdf(job, odd, "docx"))


@needs_libreoffice
def test_a_page_of_html_is_no_document(job: JobContext, tmp_path: Path) -> None:
    """LibreOffice ends with success when it cannot read the file."""
    page = tmp_path / "page.docx"
    page.write_text("<html><body><img src='http://127.0.0.1:9/x.png'>hello</body></html>")
    with pytest.raises(ToolFailed, match=r"could not convert page\.docx: .+") as caught:
        convert_to_pdf(job, page, "docx")
    assert caught.value.remedy
    assert list(job.workdir.iterdir()) == []


@needs_libreoffice
@pytest.mark.slow
def test_a_linked_file_of_the_host_is_not_drawn(
    made: Callable[[str], Path], job: JobContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(300, 300).getvalue())

    def outside(old: bytes) -> bytes:
        return re.sub(
            rb"<Relationship [^>]*media/image1\.png[^>]*/>",
            lambda found: (
                found[0]
                .replace(b"media/image1.png", secret.as_uri().encode())
                .replace(b"/>", b' TargetMode="External"/>')
            ),
            old,
        )

    path = rewritten(
        made("docx"),
        tmp_path / "linked.docx",
        {
            "word/_rels/document.xml.rels": outside,
            "word/document.xml": lambda old: old.replace(b"r:embed=", b"r:link="),
        },
    )
    assert pictures(convert_to_pdf(job, path, "docx")) == 0
    # LibreOffice as it is by itself does draw it; its settings and its confinement both prevent it.
    settings = conversion._SETTINGS
    monkeypatch.setattr(conversion, "_SETTINGS", {})
    assert pictures(convert_to_pdf(job, path, "docx")) == 0
    unconfined(monkeypatch)
    assert pictures(convert_to_pdf(job, path, "docx")) == 1
    monkeypatch.setattr(conversion, "_SETTINGS", settings)
    assert pictures(convert_to_pdf(job, path, "docx")) == 0


def test_without_libreoffice_the_error_names_the_package(
    made: Callable[[str], Path], tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    job = make_job(tmp_path / "job", registry=registry)
    with pytest.raises(ToolMissing) as caught:
        convert_to_pdf(job, made("docx"), "docx")
    assert caught.value.remedy
    assert "libreoffice" in caught.value.remedy.lower()


def test_success_without_a_file_is_a_failure(
    made: Callable[[str], Path], tmp_path: Path, registry: Registry
) -> None:
    tools = {"soffice": program(tmp_path / "soffice", "echo 'no export filter found' >&2")}
    job = make_job(tmp_path / "job", registry=registry, tools=tools)
    with pytest.raises(ToolFailed, match=r"could not convert a\.docx: no export filter found"):
        convert_to_pdf(job, made("docx"), "docx")


def test_what_is_no_pdf_is_refused(made: Callable[[str], Path], tmp_path: Path, registry: Registry) -> None:
    tools = {"soffice": program(tmp_path / "soffice", "mkdir -p out; echo junk > out/source.pdf")}
    job = make_job(tmp_path / "job", registry=registry, tools=tools)
    with pytest.raises(ToolFailed, match="no PDF"):
        convert_to_pdf(job, made("docx"), "docx")


def test_a_hanging_office_dies_with_all_its_children(
    made: Callable[[str], Path], tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """soffice is a script that starts oosplash, which starts soffice.bin: killing the first one is not enough."""
    body = "(trap '' TERM; while :; do sleep 0.1; done) & wait"
    tools = {"soffice": program(tmp_path / "soffice", body)}
    monkeypatch.setattr(conversion, "_WALL_SECONDS", 0.5)
    job = make_job(tmp_path / "job", registry=registry, tools=tools)
    started = time.monotonic()
    with pytest.raises(LimitExceeded) as caught:
        convert_to_pdf(job, made("docx"), "docx")
    assert caught.value.limit == "wall"
    assert time.monotonic() - started < 5
    script = os.fsencode(tmp_path / "soffice")
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert script not in each.read_bytes()
    assert list(job.workdir.iterdir()) == []


@needs_libreoffice
def test_cancelled_in_the_middle(made: Callable[[str], Path], tmp_path: Path, registry: Registry) -> None:
    flag = threading.Event()
    job = make_job(tmp_path / "job", registry=registry, cancelled=flag.is_set)
    threading.Timer(0.7, flag.set).start()
    with pytest.raises(Cancelled):
        convert_to_pdf(job, made("pptx"), "pptx")
    assert list(job.workdir.iterdir()) == []


@needs_libreoffice
@pytest.mark.slow
def test_two_at_a_time(made: Callable[[str], Path], tmp_path: Path, registry: Registry) -> None:
    """With one profile the second call would hand its file to the first and end."""
    results: list[str] = []

    def convert(number: int) -> None:
        job = make_job(tmp_path / f"job{number}", registry=registry)
        results.append(words(convert_to_pdf(job, made("docx"), "docx")))

    threads = [threading.Thread(target=convert, args=(number,)) for number in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert ["Sales rose" in each for each in results] == [True, True]


def test_unknown_kind(job: JobContext, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="'doc'"):
        convert_to_pdf(job, tmp_path / "x.doc", "doc")


@needs_libreoffice
def test_an_empty_workbook_has_no_page(job: JobContext, tmp_path: Path) -> None:
    import openpyxl

    path = tmp_path / "empty.xlsx"
    openpyxl.Workbook().save(path)
    # LibreOffice 7.4 prints one empty page; that others print none is an error like any other.
    with contextlib.suppress(InputError, ToolFailed):
        assert words(convert_to_pdf(job, path, "xlsx")) == ""


@needs_libreoffice
def test_the_tools_table_knows_its_version() -> None:
    status = ToolTable({"soffice": SOFFICE}).probe("soffice")
    assert re.fullmatch(r"\d+\.\d+[\d.]*", status.version or "")
