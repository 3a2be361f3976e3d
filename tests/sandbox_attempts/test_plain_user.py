"""The same as an ordinary user: without the rights of root other walls have to be built, and others hold."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import plain_user
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULES = ["test_without_walls.py", "test_within_walls.py"]


@pytest.fixture
def own_folder(tmp_path: Path) -> Iterator[Path]:
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else; the other tests ran as a plain user already")
    # Not below pytest's own folder, which is closed to others.
    folder = Path(f"/tmp/pitchey-plain-{os.getpid()}-{tmp_path.name}")
    folder.mkdir()
    os.chown(folder, plain_user.PLAIN_UID, plain_user.PLAIN_UID)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_it_holds_as_a_plain_user(module: str, own_folder: Path) -> None:
    needed = dict.fromkeys(os.path.realpath(each) for each in (sys.base_prefix, sys.prefix, ROOT))
    done = subprocess.run(
        [
            *(sys.executable, plain_user.__file__, str(plain_user.PLAIN_UID), *needed, "--", sys.executable),
            *("-m", "pytest", str(HERE / module), "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("--basetemp", str(own_folder / "base")),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent", "TMPDIR": str(own_folder)},
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
