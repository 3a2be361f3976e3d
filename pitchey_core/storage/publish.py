"""Makes sealed outputs visible: atomically one by one, and as often as it takes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from pitchey_core.errors import OutputExists, TransientError
from pitchey_core.storage.artifacts import MANIFEST_NAME, Artifact
from pitchey_core.storage.faults import write_error
from pitchey_core.storage.folders import fsync_folder, is_our_manifest, make_folder
from pitchey_core.storage.manifest import Manifest, StagedFile
from pitchey_core.storage.remote import open_remote, remote_errors
from pitchey_core.storage.stage import remove_staging
from pitchey_core.storage.urls import display, join, to_path

__all__ = ["publish"]

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1


def publish(manifest: Manifest) -> list[Artifact]:
    """Move the staged files to where they belong, write ``manifest.json``, remove the staging folder.

    A reader sees each file complete or not at all. It may be called again, by another process too, after a
    crash at any point: what is published already is recognised, the rest is done. Only that ``manifest.json``
    is there says that all of them are.

    Raises:
        OutputExists: ``overwrite`` is false and a file of somebody else is in the way.
        InputError: The output folder may not be written.
        OutOfSpace: The disk is full.
        TransientError: A staged file is neither staged nor published, or the storage fails.
    """
    output = to_path(manifest.output_url)
    staging = _local(manifest.staging)
    try:
        with _locked(staging):
            if output is None:
                _publish_remote(manifest)
            elif manifest.files:
                _publish_local(manifest, output)
            remove_staging(staging)
    except OSError as error:
        raise write_error(error, display(manifest.output_url)) from error
    return list(manifest.artifacts)


@contextlib.contextmanager
def _locked(staging: Path) -> Iterator[None]:
    """One call at a time for one staging folder; the next finds everything done."""
    with contextlib.ExitStack() as closing:
        # Without the folder there is nothing left to do; without locks (some network file systems) two
        # calls at once may fail with a transient error, which a further call puts right.
        with contextlib.suppress(OSError):
            fd = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            closing.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield


def _local(url: str) -> Path:
    path = to_path(url)
    if path is None:
        raise ValueError(f"{url!r} is not a file URL")
    return path


def _summary(manifest: Manifest) -> bytes:
    record = {"job_id": manifest.job_id, "artifacts": [each.as_record() for each in manifest.artifacts]}
    return json.dumps(record, indent=2, ensure_ascii=False).encode("utf-8") + b"\n"


def _exists(manifest: Manifest, name: str) -> OutputExists:
    return OutputExists(
        f"{display(join(manifest.output_url, name))} appeared while the job was running and was left alone",
        remedy="use --overwrite to replace it, or choose another output folder",
    )


def _publish_local(manifest: Manifest, output: Path) -> None:
    summary = output / MANIFEST_NAME
    if not manifest.overwrite and not is_our_manifest(summary):
        raise _exists(manifest, MANIFEST_NAME)
    if not manifest.overwrite:
        # Before the first: a part that is published would be in the way of every retry.
        for artifact in manifest.files:
            target = output / artifact.name
            if os.path.lexists(target) and not _is_same(artifact, target):
                raise _exists(manifest, artifact.name)
    folders = {output}
    for artifact in manifest.files:
        target = output / artifact.name
        for made in make_folder(target.parent):
            folders |= {made, made.parent}
        folders.add(target.parent)
        if manifest.overwrite:
            _replace(artifact, target)
        elif not _add(artifact, target):
            raise _exists(manifest, artifact.name)
    for folder in folders:
        fsync_folder(folder)
    staging = _local(manifest.staging)
    if not staging.is_dir():
        # Removed last of all, so an earlier call has finished; the summary may be a later job's by now.
        return
    # Beside the staged files, where no artifact's name can be.
    temporary = staging.with_name(staging.name + ".summary")
    with open(temporary, "wb") as file:
        file.write(_summary(manifest))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(summary)
    fsync_folder(output)


def _replace(artifact: StagedFile, target: Path) -> None:
    try:
        os.replace(_local(artifact.staged), target)  # noqa: PTH105 - as os.link below, which pathlib words otherwise
    except FileNotFoundError:
        # Nobody but an earlier call takes files from a staging folder. What it has put in place may even
        # have been replaced by a later job since, so its content says nothing.
        if not target.is_file():
            raise _lost(artifact) from None


def _add(artifact: StagedFile, target: Path) -> bool:
    staged = _local(artifact.staged)
    try:
        os.link(staged, target, follow_symlinks=False)
    except FileExistsError:
        return _is_same(artifact, target)
    except FileNotFoundError:
        if not target.exists():
            raise _lost(artifact) from None
        return _is_same(artifact, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _move_without_links(artifact, staged, target)
    return True


def _move_without_links(artifact: StagedFile, staged: Path, target: Path) -> bool:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    paths = (os.fsencode(staged), os.fsencode(target))
    if libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EEXIST:
        return _is_same(artifact, target)
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), os.fspath(target))
    # This file system can do neither. What is left has a moment between the question and the act.
    if os.path.lexists(target):
        return _is_same(artifact, target)
    os.replace(staged, target)  # noqa: PTH105 - see above
    return True


def _is_same(artifact: StagedFile, target: Path) -> bool:
    """Whether ``target`` is this artifact, published by an earlier call."""
    try:
        with open(target, "rb") as file:
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) == artifact.inode and status.st_size == artifact.bytes:
                return True
            return status.st_size == artifact.bytes and _digest(file) == artifact.sha256
    except OSError:
        return False


def _digest(file: object) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _lost(artifact: StagedFile) -> TransientError:
    return TransientError(
        f"the output {artifact.name!r} is neither staged nor published: somebody has removed it",
        remedy="run the job again",
    )


def _publish_remote(manifest: Manifest) -> None:
    for artifact in manifest.files:
        url = join(manifest.output_url, artifact.name)
        staged = _local(artifact.staged)
        remote = open_remote(url)
        there = remote.exists() if not manifest.overwrite or not staged.exists() else False
        if there and remote.size() == artifact.bytes and remote.sha256() == artifact.sha256:
            continue
        if there and not manifest.overwrite:
            raise _exists(manifest, artifact.name)
        if not staged.exists():
            raise _lost(artifact)
        with remote_errors(url):
            remote.fs.makedirs(remote.path.rpartition("/")[0], exist_ok=True)
            remote.fs.put_file(os.fspath(staged), remote.path)
    if manifest.files and _local(manifest.staging).is_dir():
        url = join(manifest.output_url, MANIFEST_NAME)
        remote = open_remote(url)
        with remote_errors(url):
            remote.fs.pipe_file(remote.path, _summary(manifest))
