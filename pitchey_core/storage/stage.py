"""Where a job writes its outputs until they are complete."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

from pitchey_core.errors import InputError, OutputExists, ProcessorError
from pitchey_core.storage.artifacts import MANIFEST_NAME, STAGING_NAME, check_name
from pitchey_core.storage.faults import write_error
from pitchey_core.storage.folders import fsync_folder, is_our_manifest, make_folder, remove_if_empty
from pitchey_core.storage.manifest import Manifest, StagedFile
from pitchey_core.storage.remote import open_remote
from pitchey_core.storage.urls import display, join, scheme_of, to_path, to_url

__all__ = ["Stage", "discard_stale"]

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class Stage:
    """The outputs of one attempt, invisible to others until :func:`~pitchey_core.storage.publish`.

    A local output is staged in ``OUTPUT/.pitchey-staging/KEY/``, on the file system where it will be, so that
    publishing is a rename. A remote one is staged in ``WORKDIR/staging/KEY/``. Nothing is created before the
    first :meth:`path`.

    Args:
        output_url: The folder of the outputs, an absolute URL.
        key: ``JOB_ID.CLAIM_SEQ``: unique to the attempt.
        overwrite: Whether existing files may be replaced.
        workdir: A folder of the attempt's own.
    """

    def __init__(self, output_url: str, key: str, *, overwrite: bool, workdir: Path) -> None:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is not a staging key")
        if scheme_of(output_url) in ("http", "https"):
            raise InputError(f"{display(output_url)}: outputs cannot be written over HTTP")
        self._output_url = output_url
        self._output = to_path(output_url)
        self._key = key
        self._overwrite = overwrite
        self._staging = (workdir / "staging" if self._output is None else self._output / STAGING_NAME) / key
        self._media_types: dict[str, str] = {}
        self._made: list[Path] = []

    @property
    def folder(self) -> Path:
        """The staging folder; it may not exist yet."""
        return self._staging

    def path(self, name: str, media_type: str) -> Path:
        """Reserve an output and return where to write it. Its folder exists, the file does not.

        Raises:
            InputError: The name is bad, or taken by or in conflict with another output of this job.
            OutputExists: Something is there already, and ``overwrite`` is false.
            OutOfSpace: The disk is full.
        """
        check_name(name)
        self._check_conflicts(name)
        if self._output is not None:
            self._check_local_target(self._output, name)
        elif not self._overwrite and open_remote(join(self._output_url, name)).exists():
            raise self._exists(name)
        staged = self._staging / name
        try:
            # A folder that another job's clean-up has just removed is simply made again.
            self._made += make_folder(staged.parent)
        except OSError as error:
            raise write_error(error, display(self._output_url)) from error
        self._media_types[name] = media_type
        return staged

    def drop(self, name: str) -> None:
        """Give up an output, written or not."""
        self._media_types.pop(name, None)
        (self._staging / name).unlink(missing_ok=True)

    def _check_conflicts(self, name: str) -> None:
        folded = name.casefold()
        for other in self._media_types:
            taken = other.casefold()
            if folded == taken:
                raise InputError(
                    f"two outputs of one job are called {name!r} (upper and lower case count as equal)"
                )
            if folded.startswith(taken + "/") or taken.startswith(folded + "/"):
                raise InputError(
                    f"{name!r} and {other!r} cannot both exist: one would be a folder and a file"
                )

    def _check_local_target(self, output: Path, name: str) -> None:
        target = output / name
        try:
            mode = target.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            mode = None
        except OSError as error:
            raise write_error(error, display(self._output_url)) from error
        if mode is not None and stat.S_ISDIR(mode):
            raise InputError(
                f"{target} is a folder, so no file can be written there", remedy="remove or rename it"
            )
        if mode is not None and not self._overwrite:
            raise self._exists(name)
        if not self._overwrite and not is_our_manifest(output / MANIFEST_NAME):
            raise self._exists(MANIFEST_NAME)

    def _exists(self, name: str) -> OutputExists:
        return OutputExists(
            f"{display(join(self._output_url, name))} already exists",
            remedy="use --overwrite to replace it, or choose another output folder",
        )

    def seal(self) -> Manifest:
        """Make the outputs durable and describe them. Nothing may write to them afterwards.

        Raises:
            ProcessorError: An output was reserved but not written, or is no regular file.
            OutOfSpace: The disk is full.
        """
        try:
            files = tuple(self._seal(name, media_type) for name, media_type in self._media_types.items())
            for folder in sorted({(self._staging / name).parent for name in self._media_types}):
                fsync_folder(folder)
        except OSError as error:
            raise write_error(error, display(self._output_url)) from error
        job_id = self._key.rpartition(".")[0] or self._key
        return Manifest(job_id, self._output_url, to_url(self._staging, Path("/")), self._overwrite, files)

    def _seal(self, name: str, media_type: str) -> StagedFile:
        staged = self._staging / name
        try:
            fd = os.open(staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ProcessorError(
                f"the output {name!r} was reserved but not written: {error.strerror}"
            ) from error
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise ProcessorError(f"the output {name!r} is not a regular file")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(fd)
        inode = (status.st_dev, status.st_ino)
        return StagedFile(name, media_type, status.st_size, digest, to_url(staged, Path("/")), inode)

    def discard(self) -> None:
        """Remove the staging folder, and folders that this stage made and nobody uses; harmless to repeat."""
        self._media_types.clear()
        remove_staging(self._staging)
        while self._made:
            remove_if_empty(self._made.pop())


def remove_staging(staging: Path) -> None:
    """Remove a staging folder with its content, and the folder of staging folders if it was the last.

    Raises nothing: what cannot be removed stays, out of everybody's way.
    """
    shutil.rmtree(staging, ignore_errors=True)
    remove_if_empty(staging.parent)


def discard_stale(output_url: str, key: str, *, own: bool = False) -> list[Path]:
    """Remove what the claims of a job up to ``key`` have left staged in a local output; raises nothing.

    A later claim's staging is never touched: whoever asks may have lost the job to it without knowing.

    Args:
        output_url: The job's output; of a remote one nothing is staged there.
        key: Staging key of the claim that asks, ``JOB_ID.CLAIM_SEQ``.
        own: Remove that one's, too.

    Returns:
        The folders removed.
    """
    output = to_path(output_url)
    if output is None:
        return []
    wanted, _, newest = key.rpartition(".")
    removed = []
    with contextlib.suppress(OSError):
        for folder in sorted((output / STAGING_NAME).iterdir()):
            job, _, claim = folder.name.rpartition(".")
            if job != wanted or not claim.isdecimal() or int(claim) > int(newest):
                continue
            if own or folder.name != key:
                remove_staging(folder)
                removed.append(folder)
    return removed
