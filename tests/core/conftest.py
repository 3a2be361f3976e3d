"""Fixtures of the core tests."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitchey_core.process import processes_with_tag


@pytest.fixture
def slot_tag(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A tag of this test's own, inherited by all that it starts; afterwards nothing with it may be alive."""
    tag = f"test-{os.urandom(6).hex()}"
    monkeypatch.setenv("PITCHEY_SLOT", tag)
    yield tag
    end = time.monotonic() + 5
    while (left := processes_with_tag(tag)) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == []


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
