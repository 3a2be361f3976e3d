"""Hosts on which root is less than elsewhere, as in containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = str(Path(__file__).parents[1] / "support")

CHECK = f"""
import json, os, sys
sys.path.insert(0, {SUPPORT!r})
from sandboxed import POLICY, python
from pitchey_core.isolation import Sandbox
source = b"print(open('/proc/self/uid_map').read().split()[1], open('made', 'w').write('x'), open('main.py').read(5))"
found = []
with Sandbox() as sandbox:
    for warm in (True, False):
        report = sandbox.run(python(warm=warm), POLICY, files={{"main.py": source, "a/b": b"x"}})
        found.append([report.verdict, report.stdout.data.decode(), report.detail, report.isolation])
print(json.dumps(found))
"""

FEW_IDS = """
import os, sys
from pitchey_core.isolation.jail.kernel import CLONE_NEWNS, CLONE_NEWUSER, unshare
ours, theirs = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    os.write(ours[1], b"x")
    os.read(theirs[0], 1)
    os.setresuid(0, 0, 0)
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
os.read(ours[0], 1)
for name in ("uid_map", "gid_map"):
    open(f"/proc/{pid}/{name}", "w").write("0 0 65536")
os.write(theirs[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

NO_ADMINISTRATOR = """
import ctypes, os, struct, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from plain_user import open_up
open_up([Path(each) for each in dict.fromkeys((sys.base_prefix, sys.prefix, sys.argv[2]))])
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(24, 21, 0, 0, 0) == 0  # CAP_SYS_ADMIN goes from the bounding set, and with exec from all others
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take something from root")
@pytest.mark.parametrize("host", [FEW_IDS, NO_ADMINISTRATOR], ids=["few user IDs", "no CAP_SYS_ADMIN"])
def test_root_of_a_container_has_all_walls(host: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", host, CHECK, SUPPORT], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for verdict, stdout, detail, isolation in json.loads(done.stdout):
        assert verdict == "ok", (detail, stdout)
        outside, *rest = stdout.split()
        assert rest == ["1", "print"]
        assert outside != "4294967295"
        assert isolation["privileges"].startswith("user ")
        assert not isolation["privileges"].startswith("user 0,"), "that is root"
        for layer in ("namespaces", "root", "privileges", "seccomp", "landlock", "rlimits"):
            assert not isolation[layer].startswith(("off", "not enforced")), layer
