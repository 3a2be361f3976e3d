"""All that the other tests of this folder show, once more as a user without rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plain_user import PLAIN_UID

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
OF_ROOT = {"test_sandbox_hosts.py", Path(__file__).name}
MODULES = sorted(each.name for each in HERE.glob("test_*.py") if each.name not in OF_ROOT)


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests run as a plain user already")
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", MODULES)
def test_it_holds_for_a_plain_user(module: str) -> None:
    folder = Path("/tmp") / f"pitchey-plain-{os.getpid()}-{module}"
    folder.mkdir(mode=0o755)
    os.chown(folder, PLAIN_UID, PLAIN_UID)
    command = [sys.executable, str(HERE.parent / "support" / "plain_user.py"), str(PLAIN_UID)]
    command += [str(each) for each in dict.fromkeys((sys.base_prefix, sys.prefix, str(ROOT)))]
    command += [
        "--",
        sys.executable,
        "-B",
        "-m",
        "pytest",
        str(HERE / module),
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-p", "no:xdist", f"--basetemp={folder / 'base'}", f"--rootdir={ROOT}"]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if done.returncode != 0 and "unshare: Operation not permitted" in done.stderr:
        pytest.skip("no mount namespace, so no plain user can reach this interpreter")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
