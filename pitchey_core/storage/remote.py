"""Remote storage through fsspec: which driver a URL needs, and what that driver promises."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pitchey_core.errors import ExtraMissing, InputError, PitcheyError, TransientError
from pitchey_core.storage.urls import display, scheme_of

__all__ = ["Remote", "open_remote", "remote_errors"]

_REQUIREMENTS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
}
# A whole-object put is seen by readers at once and complete, or not at all.
_ATOMIC = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"}
_CHUNK = 1024**2


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote location.

    Attributes:
        url: As given.
        fs: The fsspec file system.
        path: The location within it.
        atomic_publish: Whether a file that is put there appears complete or not at all.
    """

    url: str
    fs: Any
    path: str
    atomic_publish: bool

    def exists(self) -> bool:
        with remote_errors(self.url):
            # Some drivers list once and remember, also what somebody else has put there since.
            self.fs.invalidate_cache()
            return bool(self.fs.exists(self.path))

    def size(self) -> int | None:
        """Size in bytes, if the driver knows it."""
        with remote_errors(self.url):
            size = self.fs.info(self.path).get("size")
        return None if size is None else int(size)

    def sha256(self) -> str:
        """Hex digest of the content; reads all of it."""
        digest = hashlib.sha256()
        with remote_errors(self.url), self.fs.open(self.path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()


def open_remote(url: str) -> Remote:
    """Find the driver of a URL. Credentials come from the driver's own environment and files.

    Raises:
        ExtraMissing: The driver's package is not installed.
        InputError: There is no driver for the scheme, or the URL is malformed.
    """
    import fsspec.core

    scheme = scheme_of(url) or ""
    try:
        with remote_errors(url):
            fs, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        requirement = _REQUIREMENTS.get(scheme)
        raise ExtraMissing(
            f"{display(url)} needs a driver for {scheme}:// that is not installed",
            remedy=f"pip install {requirement}" if requirement else str(error),
        ) from error
    return Remote(url, fs, path, scheme in _ATOMIC)


@contextmanager
def remote_errors(url: str) -> Iterator[None]:
    """Turn what a driver raises into our errors; ``ImportError`` and our own pass."""
    try:
        yield
    except (PitcheyError, ImportError):
        raise
    except FileNotFoundError as error:
        raise InputError(f"{display(url)} does not exist", remedy="check the URL") from error
    except (IsADirectoryError, ValueError) as error:
        raise InputError(f"{display(url)} cannot be used: {error}") from error
    except PermissionError as error:
        raise InputError(f"{display(url)}: access denied: {error}", remedy=_CREDENTIALS) from error
    except Exception as error:
        # Each driver brings its own exception classes; to name them here would import the driver.
        words = f"{display(url)}: {type(error).__name__}: {error}"
        if any(
            word in type(error).__name__.lower() for word in ("credential", "forbidden", "denied", "auth")
        ):
            raise InputError(words, remedy=_CREDENTIALS) from error
        raise TransientError(words) from error


_CREDENTIALS = "give this process credentials in the way the driver's documentation describes"
