"""The one function through which Office files are read; it is called in a process of its own."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pitchey_core.errors import InputError, LimitExceeded, PitcheyError
from pitchey_document.office.content import Content, ContentLimits
from pitchey_document.office.encryption import refuse_encrypted, refuse_encrypted_odf
from pitchey_document.office.package import PackageLimits, checked_package

__all__ = ["OfficeKind", "read_office"]

OfficeKind = Literal["docx", "pptx", "xlsx", "odt", "odp", "ods"]

_OPEN_DOCUMENT: Final = frozenset({"odt", "odp", "ods"})
# Each reader brings its own libraries, and a job needs one of them.
_READERS: Final[dict[str, str]] = {
    "docx": "pitchey_document.office.docx:read_docx",
    "pptx": "pitchey_document.office.pptx:read_pptx",
    "xlsx": "pitchey_document.office.xlsx:read_xlsx",
    "odt": "pitchey_document.office.odf:read_odt",
    "odp": "pitchey_document.office.odf:read_odp",
    "ods": "pitchey_document.office.ods:read_ods",
}


def read_office(path: str, kind: str, limits: dict[str, Any] | None = None) -> dict[str, Any]:
    """Check an Office file, and read all of it that the limits allow.

    Args:
        path: The file. Its name only serves for messages.
        kind: One of :data:`OfficeKind`; templates and files with macros come under the plain kind.
        limits: Fields of :class:`PackageLimits` and :class:`ContentLimits` that differ from their defaults.

    Returns:
        JSON data: ``structure`` (:meth:`Structure.as_record`), ``security`` (:class:`SecurityFacts`), ``warnings``
        (what is missing), ``pages`` (pages or slides as the application counted them, or ``None``).

    Raises:
        InputError: It is damaged, encrypted, of another kind, or holds what no honest file holds.
        LimitExceeded: It is a bomb, or larger than the limits.
        ExtraMissing: The packages of ``pitchey[document]`` are not installed.
    """
    if kind not in get_args(OfficeKind):
        raise ValueError(f"{kind!r} is no kind of Office file: {', '.join(get_args(OfficeKind))}")
    refuse_encrypted(path)
    package, most = _split(limits or {})
    content = Content(most)
    try:
        with checked_package(path, package) as archive:
            if kind in _OPEN_DOCUMENT:
                refuse_encrypted_odf(path, archive)
            _reader(kind)(path, archive, content)
            return _answer(archive, kind, content)
    except PitcheyError:
        raise
    except RecursionError as error:
        raise LimitExceeded(
            f"{Path(path).name} nests its parts too deeply", limit="depth", remedy="do not trust this file"
        ) from error
    except MemoryError as error:
        raise LimitExceeded(f"{Path(path).name} needs too much memory", limit="memory") from error
    except Exception as error:
        # The libraries raise whatever a damaged file leads them to: KeyError, ValueError, their own.
        raise InputError(
            f"{Path(path).name} cannot be read as {kind.upper()}: {type(error).__name__}: {error}",
            remedy="open it in an office application and save it once more",
        ) from error


def _answer(archive: zipfile.ZipFile, kind: str, content: Content) -> dict[str, Any]:
    from pitchey_document.office.findings import odf_findings, opc_findings
    from pitchey_document.office.properties import odf_properties, opc_properties

    if kind in _OPEN_DOCUMENT:
        content.structure.metadata, pages = odf_properties(archive)
        security = odf_findings(archive, content.structure)
    else:
        content.structure.metadata, pages = opc_properties(archive, kind)
        security = opc_findings(archive, content.structure)
    if kind in {"pptx", "odp"} and not content.full:
        pages = len(content.structure.sections)
    return {
        "structure": content.structure.as_record(),
        "security": security.as_record(),
        "warnings": content.warnings,
        "pages": pages,
    }


def _reader(kind: str) -> Callable[[str, zipfile.ZipFile, Content], None]:
    from pitchey_core.errors import ExtraMissing
    from pitchey_core.hooks import load_target

    try:
        found: Callable[[str, zipfile.ZipFile, Content], None] = load_target(_READERS[kind])
    except ImportError as error:
        raise ExtraMissing(
            f"reading {kind.upper()} files needs a package that is not installed: {error.name}",
            remedy="pip install 'pitchey[document]'",
        ) from error
    return found


def _split(limits: dict[str, Any]) -> tuple[PackageLimits, ContentLimits]:
    package, content = ({each.name for each in fields(cls)} for cls in (PackageLimits, ContentLimits))
    if unknown := set(limits) - package - content:
        raise ValueError(f"no limits of Office files: {', '.join(sorted(unknown))}")
    return (
        PackageLimits(**{name: value for name, value in limits.items() if name in package}),
        ContentLimits(**{name: value for name, value in limits.items() if name in content}),
    )
