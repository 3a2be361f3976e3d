"""The same as an ordinary user: without the rights of root other walls have to be built, and others hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import plain_user
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TESTS = [
    "test_without_walls.py",
    "test_within_walls.py",
    "test_nothing_survives.py::test_nothing_survives[30]",
]
MANY = "test_nothing_survives.py::test_nothing_survives[1000]"


@pytest.fixture
def own_folder() -> Iterator[Path]:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else; the other tests ran as a plain user already")
    # Not below pytest's own folder, which is closed to others.
    # A short name: the path of a socket below it has to fit 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="plain-", dir="/tmp"))
    os.chown(folder, plain_user.PLAIN_UID, plain_user.PLAIN_UID)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tests", "seconds"),
    [
        *(pytest.param(each, 170, id=each.partition("[")[0]) for each in TESTS),
        pytest.param(MANY, 900, id="a thousand runs", marks=pytest.mark.timeout(920)),
    ],
)
def test_it_holds_as_a_plain_user(tests: str, seconds: float, own_folder: Path) -> None:
    needed = dict.fromkeys(os.path.realpath(each) for each in (sys.base_prefix, sys.prefix, ROOT))
    done = subprocess.run(
        [
            *(sys.executable, plain_user.__file__, str(plain_user.PLAIN_UID), *needed, "--", sys.executable),
            *("-m", "pytest", str(HERE / tests), "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("--basetemp", str(own_folder / "base")),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent", "TMPDIR": str(own_folder)},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
