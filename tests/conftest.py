"""Fixtures that more than one part of the tests uses."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from media_samples import Samples
from pitchey_cli import Cli
from workplace import Workplace

from pitchey_core.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.load()


@pytest.fixture
def workplace(tmp_path: Path, registry: Registry) -> Iterator[Workplace]:
    """A store, a data folder and supervisors with short times."""
    place = Workplace(tmp_path, registry, {"beat": 0.5, "lease": 5.0, "cancel_poll": 0.05, "kill_grace": 0.5})
    yield place
    place.close()


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Media files of all kinds, each made when a test first asks for it."""
    return Samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", os.fspath(folder)], capture_output=True, text=True
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", os.fspath(folder)], check=True)


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    found = Cli(tmp_path)
    yield found
    found.close()


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Polls until a function returns something true, and returns that."""

    def poll(what: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.05)
        return found

    return poll
