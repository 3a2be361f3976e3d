"""Fixtures of the core tests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

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
