"""Office files to PDF with headless LibreOffice: a fresh profile for every call, no macros, no links, no network.

Its settings do not stop all that refers to other files (backgrounds in styles, drawings inside drawings), so it cannot
open any but the copy of the document in a folder of its own: Landlock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_core.errors import ToolFailed, UnknownName
from pitchey_core.process import Completed, ProcessLimits
from pitchey_core.process.landlock import landlock_version
from pitchey_document.isolated import pages_of_conversion
from pitchey_document.office.findings import loaded_from_outside

if TYPE_CHECKING:
    from pitchey_core.context import JobContext

__all__ = ["convert_to_pdf"]

# How to read and how to write each kind. Left to guess, LibreOffice goes by the name and opens anything as anything.
_FILTERS: Final = {
    "docx": ("MS Word 2007 XML", "writer_pdf_Export"),
    "odt": ("writer8", "writer_pdf_Export"),
    "pptx": ("Impress MS PowerPoint 2007 XML", "impress_pdf_Export"),
    "odp": ("impress8", "impress_pdf_Export"),
    "xlsx": ("Calc MS Excel 2007 XML", "calc_pdf_Export"),
    "ods": ("calc8", "calc_pdf_Export"),
    "txt": ("Text (encoded):UTF8,LF", "writer_pdf_Export"),
    # Commas, double quotes, UTF-8, from line 1: what the csv module writes. The formats of the columns follow.
    "csv": ("Text - txt - csv (StarCalc):44,34,76,1,", "calc_pdf_Export"),
}
# Of a sheet in LibreOffice 7.4 and later.
_MOST_COLUMNS: Final = 16_384
_TEXT_COLUMN: Final = 2
_BUILD: Final = "user/extensions/buildid"
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
        ToolFailed: It failed or wrote nothing, which it reports with success; or the document refers to other files,
            and this host cannot keep LibreOffice from reading them.
        LimitExceeded: It took more than two minutes, or too much memory.
        InputError: The document has no page to print, for example an empty workbook.
    """
    if kind not in _FILTERS:
        raise UnknownName("kind of Office file", kind, _FILTERS)
    program = job.tool("soffice")
    reading, writing = _FILTERS[kind]
    if kind == "csv":
        reading += _all_text(source)
    if not landlock_version():
        _refuse_references(job, source, kind, "the kernel has no Landlock")
    folder = Path(tempfile.mkdtemp(prefix="office-", dir=job.workdir)).resolve()
    try:
        # Under a name of ours: LibreOffice writes SOURCE.pdf, and some names confuse its command line.
        work = folder / f"source.{kind}"
        shutil.copyfile(source, work)
        profile = _profile(folder / "profile")
        _settle(profile, program)
        build = _build(profile)
        words: list[str | Path] = [
            f"-env:UserInstallation={profile.as_uri()}",
            # Of all users; where a distribution put it elsewhere, it cannot be read.
            f"-env:UNO_SHARED_PACKAGES_CACHE={(folder / 'packages').as_uri()}",
            *_OPTIONS, f"--infilter={reading}", "--convert-to", f"pdf:{writing}", "--outdir", folder / "out", work,
        ]  # fmt: skip
        try:
            done = _run(job, folder, words)
        except ToolFailed:
            if _build(profile) == build:
                raise
            # It wanted to start anew with its new profile, and did not get past the socket of its first start.
            done = _run(job, folder, words)
        if (why := done.isolation.get("folders", "")) != "landlock":
            _refuse_references(job, source, kind, why)
        written = folder / "out" / "source.pdf"
        if not written.is_file() or not written.stat().st_size:
            raise _no_output(source, program, done.stderr + done.stdout)
        pages = job.isolate(pages_of_conversion, os.fspath(written), source.name)
        job.log.info("%s converted to %d pages in %.1f s", source.name, pages, done.wall_seconds)
        target = Path(tempfile.mkdtemp(prefix="pdf-", dir=job.workdir)) / "converted.pdf"
        written.rename(target)
        return target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(job: JobContext, folder: Path, words: Sequence[str | Path]) -> Completed:
    try:
        return job.run(
            "soffice",
            words,
            cwd=folder,
            env={"HOME": os.fspath(folder), "TMPDIR": os.fspath(folder), "SAL_USE_VCLPLUGIN": "svp"},
            limits=ProcessLimits(wall_seconds=_WALL_SECONDS, network=False, folders=[folder]),
        )
    finally:
        for each in _sockets(folder / "profile"):
            with contextlib.suppress(OSError):
                each.unlink()


def _sockets(profile: Path) -> list[Path]:
    """Where it may have made its socket, which it cannot remove. It is named after the profile."""
    digest = hashlib.md5(profile.as_uri().encode("utf-16-le"), usedforsecurity=False).digest()
    # Byte by byte without leading zeros, and whatever TMPDIR says.
    name = f"OSL_PIPE_{os.getuid()}_SingleOfficeIPC_{''.join(f'{each:x}' for each in digest)}"
    return [Path("/tmp", name), Path("/var/tmp", name)]  # noqa: S108


def _refuse_references(job: JobContext, source: Path, kind: str, why: str) -> None:
    if kind in {"txt", "csv"}:
        # Read as text, so they refer to nothing.
        return
    if found := job.isolate(loaded_from_outside, os.fspath(source), kind):
        raise ToolFailed(
            f"{source.name} is not converted, for it refers to other files ({found[0][:80]}) and this host cannot keep "
            f"LibreOffice from reading them: {why}",
            tool="soffice",
            remedy="run it on Linux 5.13 or later with Landlock, or save the document with its pictures embedded",
        )


def _all_text(source: Path) -> str:
    """The format of each column: text, so that 01234 keeps its zero and no formula is computed."""
    with source.open(encoding="utf-8", errors="replace", newline="") as file:
        columns = commas = quotes = 0
        for line in file:
            # Every second piece between quotes is inside them; a row ends with the line unless a quote is open.
            commas += sum(each.count(",") for each in line.split('"')[quotes % 2 :: 2])
            quotes += line.count('"')
            columns = max(columns, commas + 1)
            if quotes % 2 == 0:
                commas = 0
    return "/".join(f"{each}/{_TEXT_COLUMN}" for each in range(1, min(columns, _MOST_COLUMNS) + 1))


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


def _settle(profile: Path, program: Path) -> None:
    """Mark a profile as known to this build, without which LibreOffice starts twice."""
    with contextlib.suppress(OSError):
        about = (program.resolve().parent / "versionrc").read_text("utf-8", "replace")
        if found := re.search(r"^buildid=(.+)$", about, re.MULTILINE):
            (profile / _BUILD).parent.mkdir()
            (profile / _BUILD).write_text(found[1].strip(), "utf-8")


def _build(profile: Path) -> bytes:
    return (profile / _BUILD).read_bytes() if (profile / _BUILD).is_file() else b""


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
