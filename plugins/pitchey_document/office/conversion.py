"""Office files to PDF with headless LibreOffice: a fresh profile for every call, no macros, no links, no network."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_core.errors import InputError, ToolFailed, UnknownName
from pitchey_core.process import ProcessLimits

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["convert_to_pdf", "count_pages"]

# How to read and how to write each kind. Left to guess, LibreOffice goes by the name and opens anything as anything.
_FILTERS: Final = {
    "docx": ("MS Word 2007 XML", "writer_pdf_Export"),
    "odt": ("writer8", "writer_pdf_Export"),
    "pptx": ("Impress MS PowerPoint 2007 XML", "impress_pdf_Export"),
    "odp": ("impress8", "impress_pdf_Export"),
    "xlsx": ("Calc MS Excel 2007 XML", "calc_pdf_Export"),
    "ods": ("calc8", "calc_pdf_Export"),
    "txt": ("Text (encoded):UTF8,LF", "writer_pdf_Export"),
    # Commas, double quotes, UTF-8: what the csv module writes.
    "csv": ("Text - txt - csv (StarCalc):44,34,76", "calc_pdf_Export"),
}
# The first start in a fresh profile takes 1.5 to 4 s; then some 50 pages a second.
_WALL_SECONDS: Final = 120.0
_OPTIONS: Final = (
    "--headless", "--invisible", "--nologo", "--nodefault", "--nolockcheck", "--norestore", "--nofirststartwizard",
)  # fmt: skip
# No macro runs and none is asked about; nothing outside the file is read: neither linked pictures and sections (a file
# of the host would end up in the PDF) nor the sources of sheets and fields.
_SETTINGS: Final = {
    "org.openoffice.Office.Common/Security/Scripting": {
        "MacroSecurityLevel": "3",
        "DisableMacrosExecution": "true",
        "BlockUntrustedRefererLinks": "true",
        "DisableActiveContent": "true",
        "DisablePythonRuntime": "true",
    },
    "org.openoffice.Office.Writer/Content/Update": {"Link": "2", "Field": "false", "Chart": "false"},
    "org.openoffice.Office.Calc/Content/Update": {"Link": "1"},
    "org.openoffice.Office.Common/Save/Document": {"WarnAlienFormat": "false"},
    "org.openoffice.Office.Java/VirtualMachine": {"Enable": "false"},
}


def convert_to_pdf(job: JobContext, source: Path, kind: str) -> Path:
    """Convert, and make sure that there are pages in the result.

    Args:
        source: A file that :func:`~pitchey_document.office.package.check_package` found harmless.
        kind: ``docx``, ``pptx``, ``xlsx``, ``odt``, ``odp``, ``ods``, ``txt`` (UTF-8) or ``csv`` (UTF-8, commas).

    Returns:
        The PDF, in the job's work folder.

    Raises:
        ToolMissing: LibreOffice is not on this host.
        ToolFailed: It failed or wrote nothing, which it reports with success.
        LimitExceeded: It took more than two minutes, or too much memory.
        InputError: The document has no page to print, for example an empty workbook.
    """
    if kind not in _FILTERS:
        raise UnknownName("kind of Office file", kind, _FILTERS)
    program = job.tool("soffice")
    reading, writing = _FILTERS[kind]
    folder = Path(tempfile.mkdtemp(prefix="office-", dir=job.workdir))
    try:
        # Under a name of ours: LibreOffice writes SOURCE.pdf, and some names confuse its command line.
        work = folder / f"source.{kind}"
        shutil.copyfile(source, work)
        profile = _profile(folder / "profile")
        done = job.run(
            "soffice",
            [
                f"-env:UserInstallation={profile.as_uri()}",
                *_OPTIONS,
                f"--infilter={reading}",
                "--convert-to",
                f"pdf:{writing}",
                "--outdir",
                folder / "out",
                work,
            ],
            cwd=folder,
            env={"HOME": os.fspath(folder), "TMPDIR": os.fspath(folder), "SAL_USE_VCLPLUGIN": "svp"},
            limits=ProcessLimits(wall_seconds=_WALL_SECONDS, network=False),
        )
        written = folder / "out" / "source.pdf"
        if not written.is_file() or not written.stat().st_size:
            raise _no_output(source, program, done.stderr + done.stdout)
        pages = job.isolate(count_pages, os.fspath(written), source.name)
        job.log.info("%s converted to %d pages in %.1f s", source.name, pages, done.wall_seconds)
        target = Path(tempfile.mkdtemp(prefix="pdf-", dir=job.workdir)) / "converted.pdf"
        written.rename(target)
        return target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def count_pages(path: str, name: str) -> int:
    """Pages of a PDF that was just written; called in a process of its own.

    Raises:
        InputError: There are none.
        ToolFailed: It is no PDF.
    """
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(path) as document:
            pages = len(document)
    except pypdfium2.PdfiumError as error:
        raise ToolFailed(
            f"LibreOffice made a file of {name} that is no PDF ({error})",
            tool="soffice",
            remedy="try another version of LibreOffice",
        ) from error
    if not pages:
        raise InputError(f"{name} has no page to print", remedy="check that there is something in it")
    return pages


def _no_output(source: Path, program: Path, said: bytes) -> ToolFailed:
    words = said.decode("utf-8", "replace").strip()
    # Printed whenever there is no Java, which conversion does not need.
    lines = [line for line in words.splitlines() if "javaldx" not in line]
    last = f": {lines[-1][:300]}" if lines else ""
    return ToolFailed(
        f"LibreOffice ({program}) could not convert {source.name}{last}",
        tool="soffice",
        returncode=0,
        stderr_tail=words[-2000:],
        remedy="open the document and save it once more; see that LibreOffice has the part for this kind",
    )


def _profile(folder: Path) -> Path:
    """A user profile with our settings and nothing else."""
    (folder / "user").mkdir(parents=True)
    items = "".join(
        f'<item oor:path="/{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>\n'
        for path, values in _SETTINGS.items()
        for name, value in values.items()
    )
    (folder / "user" / "registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<oor:items xmlns:oor="http://openoffice.org/2001/registry" '
        f'xmlns:xs="http://www.w3.org/2001/XMLSchema">\n{items}</oor:items>\n',
        "utf-8",
    )
    return folder
