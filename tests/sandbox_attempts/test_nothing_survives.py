"""After many hostile runs this host is as it was: no process, mount, cgroup or file is left."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

import pytest

from pitchey_core.isolation import Sandbox, SandboxPolicy
from pitchey_core.isolation.attempts import ATTEMPTS, Targets
from pitchey_core.isolation.attempts.attempt import LIMITS
from pitchey_core.isolation.attempts.running import FILES, full_source
from pitchey_core.isolation.interpreter import python_program
from pitchey_core.process import descendants

# Those that try to leave something behind, or to break whoever cleans up; each takes some milliseconds.
HOSTILE = [attempt for attempt in ATTEMPTS if attempt.number in {1, 2, 12, 16, 18, 19, 20, 21, 37, 41, 43}]


def _cgroups() -> set[str]:
    """Control groups that sandboxes of this process made."""
    # Others make and remove theirs meanwhile, which os.walk() passes over.
    return {
        os.path.join(above, name)
        for above, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if "pitchey-sandbox-" in name and f"-{os.getpid()}-" in name
    }


def _mounts() -> list[str]:
    return sorted(
        line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if "pitchey" in line
    )


def _state(folder: Path) -> tuple[list[int], list[str], set[str], list[str], list[str]]:
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    descriptors = sorted(os.listdir("/proc/self/fd"))
    return sorted(descendants(os.getpid())), _mounts(), _cgroups(), files, descriptors


@pytest.mark.parametrize("runs", [30, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_nothing_survives(runs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Targets() as targets:
        before = _state(tmp_path)
        with Sandbox() as sandbox:
            for number in range(runs):
                attempt = HOSTILE[number % len(HOSTILE)]
                policy = SandboxPolicy(**{**LIMITS, "wall_seconds": 5.0, **attempt.limits})
                collect = tmp_path / "collected"
                collect.mkdir()
                sandbox.run(
                    python_program("attempt.py", [targets.as_argument(policy.processes)]),
                    policy,
                    files={FILES["python"]: full_source(attempt).encode()},
                    outputs=attempt.outputs,
                    collect=collect,
                )
                for each in sorted(collect.rglob("*"), reverse=True):
                    each.rmdir() if each.is_dir() else each.unlink()
                collect.rmdir()
                assert targets.survivors() == [], attempt.title
        assert _state(tmp_path) == before


def test_targets_that_cannot_be_made_leave_nothing_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    before = threading.active_count()
    with pytest.raises(OSError, match="too long"), Targets():
        pass
    assert list(deep.iterdir()) == []
    assert threading.active_count() == before
