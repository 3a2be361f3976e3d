"""Programs that can use some folders only."""

from __future__ import annotations

import errno
import os
import textwrap
from pathlib import Path

import pytest

from pitchey_core.errors import InputError
from pitchey_core.process import ProcessLimits, interpreter, landlock, run
from pitchey_core.process.landlock import landlock_version

needs_landlock = pytest.mark.skipif(landlock_version() == 0, reason="the kernel has no Landlock")


@needs_landlock
def test_only_the_given_folders_can_be_used(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "file").write_text(f"{folder.name}\n")
    # Also by another way, and by a program that it starts.
    (inside / "link").symlink_to(outside / "file")
    script = f"""
        cat file; echo new > made; mkdir sub; mv made sub/made; cat sub/made; rm file; echo x > /dev/null
        for path in {outside}/file link /proc/self/root{outside}/file /proc/1/environ /etc/shadow; do
            cat "$path" && echo READ "$path"
        done
        ls {outside} / /root /tmp && echo LISTED
        echo x > {outside}/made; echo x >> {outside}/file; rm -f {outside}/file; ln {outside}/file hard
        mknod disk b 8 0
    """
    done = run(
        ["sh", "-c", textwrap.dedent(script)],
        cwd=inside,
        env={"HOME": str(inside), "TMPDIR": str(inside)},
        limits=ProcessLimits(folders=[inside]),
        check=False,
    )
    assert done.isolation["folders"] == "landlock"
    assert done.stdout == b"inside\nnew\n", done.stderr
    assert sorted(each.name for each in inside.iterdir()) == ["link", "sub"]
    assert [each.read_text() for each in outside.iterdir()] == ["outside\n"]


@needs_landlock
def test_no_folder_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = run(
        ["cat", tmp_path / "file"], stdin=tmp_path / "file", limits=ProcessLimits(folders=()), check=False
    )
    assert b"Permission denied" in done.stderr
    # What is open already stays open.
    assert run(["cat"], stdin=tmp_path / "file", limits=ProcessLimits(folders=())).stdout == b"x"


@needs_landlock
def test_a_confined_interpreter_finds_its_library(tmp_path: Path) -> None:
    code = "import json, pathlib, tempfile; print(tempfile.mkdtemp())"
    done = run(
        [interpreter(), "-I", "-c", code],
        env={"TMPDIR": str(tmp_path)},
        limits=ProcessLimits(folders=[tmp_path]),
    )
    assert done.stdout.startswith(os.fsencode(tmp_path))


def test_a_folder_to_be_confined_to_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone"):
        run(["true"], limits=ProcessLimits(folders=[tmp_path / "gone"]))


def test_a_kernel_without_landlock_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(landlock, "_syscall", missing)
    assert landlock.landlock_version() == 0
    assert landlock.confine([], "/bin/true") == "not enforced: Function not implemented"
