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


# A plain user in a namespace of users that allows no other one, by its limit or, as containers do it, by a filter of
# system calls. argv[3] names a folder to stand in for /proc/sys/kernel.
NO_NAMESPACES = """
import os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from pitchey_core.isolation.jail.kernel import MS_BIND, mount
from pitchey_core.isolation.jail.privileges import enter_user_namespace
from plain_user import PLAIN_UID, open_up
open_up([Path(each) for each in dict.fromkeys((sys.base_prefix, sys.prefix, sys.argv[2]))])
if sys.argv[3]:
    mount(sys.argv[3], "/proc/sys/kernel", None, MS_BIND)
os.setgroups([])
os.setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID)
os.setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID)
enter_user_namespace(os.open("/proc", os.O_RDONLY), 1000)
if sys.argv[4] == "filter":
    from pitchey_core.isolation.jail.kernel import MACHINE, PR_SET_NO_NEW_PRIVS, Filter, prctl
    from pitchey_core.isolation.jail.seccomp import assemble
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    Filter(assemble(MACHINE)).install()
else:
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
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


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can take namespaces from a user and show other settings"
)
@pytest.mark.parametrize(
    ("setting", "by", "says"),
    [
        ("", "limit", ["sudo sysctl -w user.max_user_namespaces=10000"]),
        ("unprivileged_userns_clone=0", "limit", ["sudo sysctl -w kernel.unprivileged_userns_clone=1"]),
        (
            "apparmor_restrict_unprivileged_userns=1",
            "filter",
            ["AppArmor", "  userns,", "sudo apparmor_parser -r /etc/apparmor.d/pitchey"],
        ),
        ("", "filter", ["CAP_SYS_ADMIN", "container"]),
    ],
    ids=["limit", "Debian", "AppArmor", "container"],
)
def test_where_namespaces_are_forbidden_it_says_what_allows_them(
    setting: str, by: str, says: list[str], tmp_path: Path
) -> None:
    shown = ""
    if setting:
        name, _, value = setting.partition("=")
        folder = tmp_path / "settings"
        folder.mkdir(mode=0o755)
        (folder / name).write_text(value + "\n")
        shown = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", NO_NAMESPACES, CHECK, SUPPORT, shown, by],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for verdict, _, detail, isolation in json.loads(done.stdout):
        assert verdict == "sandbox-error"
        assert isolation["namespaces"].startswith("not enforced")
        for words in says:
            assert words in detail
