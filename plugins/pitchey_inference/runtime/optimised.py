"""Copies of graphs as the runtime has optimised them: half the time to load. One per file, runtime and processor.

They lie in the user's cache folder, which nobody else can write, and are made of files that were checked. A copy that
does not load is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Final

from pitchey_core.errors import InputError
from pitchey_inference.runtime.library import onnx_runtime
from pitchey_inference.runtime.sessions import Session, open_session

__all__ = ["CACHE_VARIABLE", "OptimisedCopies", "cache_folder"]

CACHE_VARIABLE: Final = "PITCHEY_MODEL_CACHE"
"""The folder of pulled models and optimised copies; empty: optimise anew each time. Default: the user's cache."""

_MIN_BYTES: Final = 1024**2
"""Smaller models load in milliseconds."""
_MOST_COPIES: Final = 16


def cache_folder() -> Path | None:
    """The folder for what can be made or fetched again; ``None`` where there shall be none."""
    given = os.environ.get(CACHE_VARIABLE)
    if given is not None:
        return Path(given) if given else None
    import platformdirs

    return Path(platformdirs.user_cache_dir("pitchey")) / "models"


class OptimisedCopies:
    """The copies in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_user(cls) -> OptimisedCopies | None:
        """Those of this user; ``None`` without a folder that is theirs alone."""
        cache = cache_folder()
        if cache is None:
            return None
        folder = cache / "optimised"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            status = folder.stat()
        except OSError:
            return None
        private = status.st_uid == os.geteuid() and not status.st_mode & 0o022
        return cls(folder) if private else None

    def open(self, sha256: str, key: str, data: bytes, *, threads: int, size: int) -> Session:
        """Load a model from its copy; where there is none, from its content, and leave a copy behind."""
        if len(data) < _MIN_BYTES:
            return open_session(key, data, threads=threads, size=size)
        path = self.folder / f"{_build()}-{sha256}.onnx"
        if path.is_file():
            with contextlib.suppress(InputError):
                session = open_session(key, str(path), threads=threads, size=size, optimised=True)
                with contextlib.suppress(OSError):
                    os.utime(path)
                return session
        return self._write(path, key, data, threads=threads, size=size)

    def _write(self, path: Path, key: str, data: bytes, *, threads: int, size: int) -> Session:
        try:
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".tmp", delete=False) as file:
                temporary = Path(file.name)
        except OSError:
            return open_session(key, data, threads=threads, size=size)
        try:
            session = open_session(key, data, threads=threads, size=size, write_optimised=str(temporary))
            temporary.replace(path)
            self._trim()
            return session
        except (InputError, OSError):
            # Some graphs cannot be written, and disks are full; the model itself may still be fine.
            return open_session(key, data, threads=threads, size=size)
        finally:
            temporary.unlink(missing_ok=True)

    def _trim(self) -> None:
        copies = sorted(self.folder.glob("*.onnx"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in copies[_MOST_COPIES:]:
            path.unlink(missing_ok=True)


@lru_cache(maxsize=1)
def _build() -> str:
    """Names the runtime and the processor: a copy holds layouts for the one that it was made on."""
    import platform

    onnxruntime = onnx_runtime()

    flags = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    parts = (onnxruntime.__version__, platform.machine(), flags)
    return f"ort{onnxruntime.__version__}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"
