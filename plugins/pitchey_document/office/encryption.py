"""Password-protected Office files: recognised, opened with the password, or refused with a word on what to do."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Final, Literal

from pitchey_core.errors import InputError
from pitchey_document.office.markup import read_part

__all__ = ["decrypt", "ole_content", "refuse_encrypted", "refuse_encrypted_odf"]

OleContent = Literal["encrypted", "word", "excel", "powerpoint", "other"]

_OLE_MAGIC: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_LEGACY: Final = {
    "word": ("Word 97-2003 document", "soffice --headless --convert-to docx"),
    "excel": ("Excel 97-2003 workbook", "soffice --headless --convert-to xlsx"),
    "powerpoint": ("PowerPoint 97-2003 presentation", "soffice --headless --convert-to pptx"),
}
_STREAMS: Final[dict[str, OleContent]] = {
    "EncryptedPackage": "encrypted",
    "WordDocument": "word",
    "Workbook": "excel",
    "Book": "excel",
    "PowerPoint Document": "powerpoint",
}
# The specification lets a file ask for ten million rounds of hashing: half a minute of CPU time.
_MOST_ROUNDS: Final = 10_000_000


def ole_content(path: Path | str) -> OleContent | None:
    """What an OLE2 file is: a protected OOXML file or one of the old formats; ``None``: it is no OLE2 file."""
    path = Path(path)
    with path.open("rb") as file:
        if file.read(len(_OLE_MAGIC)) != _OLE_MAGIC:
            return None
    import olefile  # type: ignore[import-untyped,unused-ignore]

    try:
        with olefile.OleFileIO(path) as ole:
            return next((kind for name, kind in _STREAMS.items() if ole.exists(name)), "other")
    except Exception as error:
        # olefile raises its own, struct.error, IndexError and others for damaged files.
        raise InputError(
            f"{path.name} is a damaged Office file (OLE2): {error}", remedy="fetch the file again"
        ) from error


def refuse_encrypted(path: Path | str) -> None:
    """Raise unless the file can be read as it is.

    Raises:
        InputError: It needs a password, or is of an old binary format.
    """
    path = Path(path)
    content = ole_content(path)
    if content == "encrypted":
        raise InputError(f"{path.name} is protected by a password", remedy="give it: --password '…'")
    if content is not None:
        raise _legacy(path, content)


def refuse_encrypted_odf(path: Path | str, archive: zipfile.ZipFile) -> None:
    """The same for an OpenDocument file, whose manifest says what is encrypted in it.

    Raises:
        InputError: Something is.
    """
    path = Path(path)
    root = read_part(archive, "META-INF/manifest.xml")
    if root is not None and next(root.iter("{*}encryption-data"), None) is not None:
        raise InputError(
            f"{path.name} is an OpenDocument file with a password, which is not supported",
            remedy="open it and save it without a password",
        )


def decrypt(path: Path | str, password: str | None, target: Path | str) -> str:
    """Write a password-protected OOXML file without its protection.

    It takes JSON data too, so that it can run in a process of its own.

    Args:
        target: The decrypted file; the caller removes it.

    Returns:
        The kind of encryption, for example ``AES-256 (agile)``.

    Raises:
        InputError: No or a wrong password; no such file; damaged.
    """
    path = Path(path)
    content = ole_content(path)
    if content != "encrypted":
        raise _legacy(path, content or "other")
    if not password:
        raise InputError(f"{path.name} is protected by a password", remedy="give it: --password '…'")
    import msoffcrypto
    from msoffcrypto.exceptions import InvalidKeyError

    try:
        with path.open("rb") as source, Path(target).open("wb") as decrypted:
            office: Any = msoffcrypto.OfficeFile(source)
            method = _method(office)
            office.load_key(password=password, verify_password=True)
            office.decrypt(decrypted)
    except InvalidKeyError:
        raise _wrong(path) from None
    except InputError:
        raise
    except Exception as error:
        # msoffcrypto raises KeyError, ValueError, ExpatError and others for damaged files.
        raise InputError(
            f"{path.name} cannot be decrypted: {type(error).__name__}: {error}", remedy="fetch the file again"
        ) from error
    return method


def _method(office: Any) -> str:
    info = getattr(office, "info", None) or {}
    bits = info.get("passwordKeyBits") or info.get("header", {}).get("keySize")
    if int(info.get("spinValue") or 0) > _MOST_ROUNDS:
        raise InputError("the protection asks for more rounds of hashing than the format allows")
    kind = getattr(office, "type", "unknown")
    return f"AES-{bits} ({kind})" if bits else f"AES ({kind})"


def _wrong(path: Path) -> InputError:
    return InputError(
        f"the password of {path.name} is another one", remedy="give the right one: --password '…'"
    )


def _legacy(path: Path, content: OleContent) -> InputError:
    if content in _LEGACY:
        words, command = _LEGACY[content]
        return InputError(
            f"{path.name} is a {words}, which is not supported", remedy=f"{command} {path.name!r}"
        )
    return InputError(
        f"{path.name} holds no Office document that can be read", remedy="save it as DOCX, PPTX or XLSX"
    )
