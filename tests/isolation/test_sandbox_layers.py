"""Each wall alone, one wall missing, and a wall that cannot be built."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sandboxed import MIB, POLICY, Run

from pitchey_core.errors import UsageError
from pitchey_core.isolation import ALL_LAYERS, Layer, Sandbox, Verdict, probe

NONE: frozenset[Layer] = frozenset()

LOOK = """
import ctypes, os, resource, socket, sys
def attempt(what):
    try:
        what()
    except BaseException:
        return 0
    return 1
libc = ctypes.CDLL(None)
print("secret", attempt(lambda: open(sys.argv[1]).read()))
print("written", attempt(lambda: open(sys.argv[1], "a")))
print("parent", attempt(lambda: os.kill(int(sys.argv[2]), 0)))
print("socket", attempt(lambda: socket.socket()))
print("connected", attempt(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 2)))
print("keyring", 1 if libc.syscall(250, 0, -1, 0) > 0 else 0)
print("core", resource.getrlimit(resource.RLIMIT_CORE)[1] != 1)
"""


def _look(run: Run, tmp_path: Path, layers: frozenset[Layer]) -> dict[str, str]:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o666)
    for above in (tmp_path, *list(tmp_path.parents)[:2]):
        above.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Sandbox() as sandbox:
            report = run(
                LOOK,
                str(secret),
                str(os.getpid()),
                str(port),
                on=sandbox,
                layers=layers,
                required=layers,
            )
    assert report.verdict is Verdict.OK, report
    for layer in Layer:
        assert (report.isolation[layer] == "off") == (layer not in layers)
    return dict(line.split() for line in report.stdout.data.decode().splitlines())


def test_with_no_walls_everything_is_within_reach(run: Run, tmp_path: Path) -> None:
    found = _look(run, tmp_path, NONE)
    for name in ("secret", "written", "parent", "socket", "connected"):
        assert found[name] == "1", name


@pytest.mark.parametrize(
    ("layer", "stopped"),
    [
        (Layer.NAMESPACES, {"parent", "connected"}),
        (Layer.ROOT, {"secret", "written"}),
        (Layer.SECCOMP, {"socket", "connected", "keyring"}),
        (Layer.LANDLOCK, {"secret", "written", "parent", "connected"}),
        (Layer.RLIMITS, {"core"}),
    ],
)
def test_a_wall_alone_stops_what_it_is_there_for(
    run: Run, tmp_path: Path, layer: Layer, stopped: set[str]
) -> None:
    found = _look(run, tmp_path, frozenset({layer}))
    assert {name for name in stopped if found[name] not in {"0", "False"}} == set()


@pytest.mark.parametrize(
    "layer", [Layer.NAMESPACES, Layer.ROOT, Layer.SECCOMP, Layer.LANDLOCK, Layer.PRIVILEGES]
)
def test_where_one_wall_is_missing_the_others_hold(run: Run, tmp_path: Path, layer: Layer) -> None:
    found = _look(run, tmp_path, ALL_LAYERS - {layer})
    # A file that everybody may read and write is held by two walls, the network by three.
    assert {name for name in ("secret", "written", "connected", "parent") if found[name] == "1"} == set()


def test_without_a_namespace_of_processes_there_is_no_proc(run: Run) -> None:
    source = "import os; print([os.path.exists(f'{each}/self/status') for each in ('/proc', '/.proc')])"
    report = run(source, layers=ALL_LAYERS - {Layer.NAMESPACES})
    assert report.stdout.data == b"[False, False]\n", report


def test_memory_is_counted_by_a_supervisor_where_there_is_no_cgroup(run: Run) -> None:
    with Sandbox(cgroups=False) as sandbox:
        report = run(
            """
            import os, time
            for _ in range(8):
                if os.fork() == 0:
                    hoard = bytearray(40 << 20)
                    time.sleep(60)
            time.sleep(60)
            """,
            on=sandbox,
        )
        assert report.verdict is Verdict.MEMORY, report
        assert report.isolation["cgroup"].startswith("supervised")
        assert report.usage.memory_method == "sampled-pss"
        assert report.usage.peak_memory_bytes > POLICY.memory_bytes
        spin = "import os\nos.fork(); os.fork()\nwhile True: pass"
        assert run(spin, on=sandbox, cpu_seconds=0.5).verdict is Verdict.TIMEOUT_CPU


def test_files_are_memory_also_for_the_supervisor(run: Run) -> None:
    with Sandbox(cgroups=False) as sandbox:
        report = run(
            """
            import time
            for n in range(60):
                with open(f"f{n}", "wb") as file: file.write(bytes(4 << 20))
            time.sleep(60)
            """,
            on=sandbox,
            tmp_bytes=512 * MIB,
        )
    assert report.verdict is Verdict.MEMORY, report


@pytest.mark.parametrize(
    "hidden",
    [
        # Touched and let go of: it stays in memory, and in nobody's resident size.
        "m = mmap.mmap(-1, size); touch(m); m.madvise(mmap.MADV_DONTNEED)",
        "m = mmap.mmap(os.open('/dev/zero', os.O_RDWR), size); touch(m); m.madvise(mmap.MADV_DONTNEED)",
    ],
    ids=["anonymous", "/dev/zero"],
)
def test_no_memory_is_out_of_sight_of_the_supervisor(run: Run, hidden: str) -> None:
    source = f"""
        import mmap, os, time
        size = 32 << 20
        def touch(m):
            for at in range(0, size, 4096): m[at] = 1
        kept = []
        for _ in range(10):
            {hidden}
            kept.append(m)
            time.sleep(0.02)
        print("BREACH")
    """
    with Sandbox(cgroups=False) as sandbox:
        report = run(source, on=sandbox)
    assert b"BREACH" not in report.stdout.data
    assert report.verdict in {Verdict.RUNTIME_ERROR, Verdict.MEMORY}, report


def test_sockets_are_memory_also_for_the_supervisor(run: Run) -> None:
    with Sandbox(cgroups=False) as sandbox:
        report = run(
            """
            import os, socket, time
            for _ in range(8):
                if os.fork() == 0:
                    pairs = [socket.socketpair() for _ in range(100)]
                    for each in pairs[0]:
                        each.setblocking(False)
                    time.sleep(60)
            time.sleep(60)
            """,
            on=sandbox,
        )
    assert report.verdict is Verdict.MEMORY, report


def test_what_this_host_can_do_is_found_by_trying() -> None:
    found = probe()
    assert set(found) == set(Layer)
    for layer in Layer:
        assert found[layer] != "off"
        assert not found[layer].startswith("not enforced"), found[layer]


NO_NAMESPACES = """
import os, sys
from pitchey_core.isolation.jail.kernel import CLONE_NEWUSER, unshare
uid, gid = os.geteuid(), os.getegid()
unshare(CLONE_NEWUSER)
open("/proc/self/setgroups", "w").write("deny")
open("/proc/self/uid_map", "w").write(f"1234 {uid} 1")
open("/proc/self/gid_map", "w").write(f"1234 {gid} 1")
open("/proc/sys/user/max_user_namespaces", "w").write("0")
sys.path.insert(0, sys.argv[1])
from sandboxed import POLICY, python
from pitchey_core.isolation import Layer, Sandbox, probe
with Sandbox() as sandbox:
    report = sandbox.run(python(), POLICY, files={"main.py": b"print('RUN')"})
print(report.verdict, report.stdout.total)
print(report.detail)
print(probe()[Layer.NAMESPACES])
"""


def test_where_a_wall_cannot_be_built_nothing_runs(tmp_path: Path) -> None:
    """As a user who may not make namespaces, on a host that forbids it."""
    support = str(Path(__file__).parents[1] / "support")
    done = subprocess.run(
        [sys.executable, "-c", NO_NAMESPACES, support],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip("no user namespaces here to try it in")
    lines = done.stdout.splitlines()
    assert lines[0] == "sandbox-error 0", done
    assert lines[1].startswith("the program was not run: namespaces: ")
    assert "sysctl -w user.max_user_namespaces" in lines[2]
    assert lines[3].startswith("not enforced: ")


def test_a_limit_too_small_for_python_is_noticed(run: Run) -> None:
    report = run("import time; time.sleep(5)", memory_bytes=64 * 1024)
    assert report.verdict in {Verdict.SANDBOX_ERROR, Verdict.MEMORY}, report


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wall_seconds", 0),
        ("wall_seconds", float("nan")),
        ("cpu_seconds", float("inf")),
        ("memory_bytes", -1),
        ("memory_bytes", 2**70),
        ("processes", 0),
        ("vcpus", -1.0),
        ("tmp_bytes", 0),
        ("tmp_inodes", 0),
        ("file_bytes", -1),
        ("stdout_bytes", -1),
    ],
)
def test_a_limit_that_would_be_none_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        replace(POLICY, **{name: value})
