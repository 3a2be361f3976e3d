"""What is left after a run, after a sandbox, after its owner: nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sandboxed import POLICY, Run, python

from pitchey_core.isolation import Sandbox, Verdict
from pitchey_core.isolation.cgroups import remove_left_groups
from pitchey_core.process import descendants, kill_tree, scan_processes
from pitchey_core.process.cgroups import remove_leftovers


def _until(what: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return what()


def _mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def _groups(pid: int) -> list[Path]:
    # Others make and remove theirs meanwhile, which os.walk() passes over.
    return [
        Path(above, name)
        for above, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.startswith("pitchey-sandbox-") and f"-{pid}-" in name
    ]


HOSTILE = """
import os, sys, time
for n in range(6):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
for n in range(20):
    open(f"file{n}", "wb").write(bytes(10000))
os.symlink("/etc/passwd", "link")
"""


def test_nothing_is_left_of_many_hostile_runs() -> None:
    me = os.getpid()
    before = len(descendants(me)), _mounts(), len(os.listdir("/proc/self/fd"))
    # Another test's sandbox may be kept in this process, with its groups.
    groups_before = _groups(me)
    with Sandbox() as sandbox:
        for _ in range(3):
            assert sandbox.run(python(), POLICY, files={"main.py": HOSTILE.encode()}).verdict is Verdict.OK
        assert _until(lambda: len(descendants(me)) - before[0] <= 4)
        at_first = len(descendants(me)), len(os.listdir("/proc/self/fd")), len(_groups(me))
        for _ in range(40):
            assert sandbox.run(python(), POLICY, files={"main.py": HOSTILE.encode()}).verdict is Verdict.OK
        assert _until(lambda: len(descendants(me)) <= at_first[0])
        assert len(os.listdir("/proc/self/fd")) <= at_first[1] + 4
        assert len(_groups(me)) <= at_first[2] + 8
    assert (len(descendants(me)), _mounts(), len(os.listdir("/proc/self/fd"))) == before
    assert sorted(_groups(me)) == sorted(groups_before)


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_no_run_sees_anything_of_another(run: Run, warm: bool) -> None:
    source = """
        import builtins, os, random, sys, tempfile
        print(hasattr(builtins, "trace"), os.path.exists("left"), os.listdir("/job/tmp"), hasattr(sys, "trace"))
        builtins.trace = sys.trace = 1
        sys.modules["json"] = None
        os.environ["LEFT"] = "1"
        open("left", "w"), open("/job/tmp/left", "w")
        print(random.random(), file=sys.stderr)
    """
    reports = [run(source, warm=warm) for _ in range(3)]
    assert [each.stdout.data for each in reports] == [b"False False [] False\n"] * 3
    assert len({each.stderr.data for each in reports}) == 3, "each run has random numbers of its own"


def test_nothing_of_the_launcher_is_in_the_way(run: Run) -> None:
    report = run(
        """
        import sys, gc, signal
        print([name for name in sys.modules if "pitchey" in name])
        print(sys.argv, __name__, __file__, sys.path[0], sys.flags.isolated, sys.flags.no_site)
        print([name for name in dir() if not name.startswith("__")])
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, gc.isenabled())
        import helper; print(helper.value)
        """,
        "x",
        files={"helper.py": b"value = 3"},
    )
    assert report.stdout.data.decode().splitlines() == [
        "[]",
        "['main.py', 'x'] __main__ main.py /job/work 1 1",
        "['gc', 'signal', 'sys']",
        "True True",
        "3",
    ], report


def test_threads_that_share_a_sandbox_take_turns(sandbox: Sandbox) -> None:
    def once(number: int) -> bytes:
        return sandbox.run(
            python(str(number)), POLICY, files={"main.py": b"import sys; print(sys.argv[1])"}
        ).stdout.data

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(once, range(12))) == [b"%d\n" % number for number in range(12)]


def test_a_sandbox_serves_different_policies_in_turn(run: Run) -> None:
    for tmp in (8, 16, 8):
        report = run(
            "import os; print(os.statvfs('.').f_blocks * os.statvfs('.').f_frsize >> 20)", tmp_bytes=tmp << 20
        )
        assert report.stdout.data == b"%d\n" % tmp


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.3])
@pytest.mark.parametrize("victim", [0, 1, -1], ids=["outer", "inner", "waiting sandbox"])
def test_a_launcher_that_was_killed_is_started_again(run: Run, victim: int, seconds: float) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with Sandbox() as sandbox:
        for _ in range(2):
            assert run("pass", on=sandbox).verdict is Verdict.OK
        launcher = sandbox.warm_launcher
        assert launcher is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill([launcher, *descendants(launcher)][victim], signal.SIGKILL)
        # The outer one, where it is alive, removes the groups meanwhile.
        time.sleep(seconds)
        for _ in range(2):
            assert run("print(1)", on=sandbox).stdout.data == b"1\n"
    assert len(os.listdir("/proc/self/fd")) == descriptors


OWNER = """
import sys, threading, time, os
sys.path.insert(0, sys.argv[1])
from sandboxed import POLICY, python
from pitchey_core.isolation import Sandbox
sandbox = Sandbox()
source = b"import os, time\\nif os.fork() == 0: os.setsid()\\nprint('up', flush=True)\\ntime.sleep(600)"
threading.Timer(1.5, lambda: print("running", flush=True)).start()
sandbox.run(python(), POLICY, files={"main.py": source})
"""


def test_all_dies_with_an_owner_that_is_killed() -> None:
    support = str(Path(__file__).parents[1] / "support")
    with subprocess.Popen([sys.executable, "-c", OWNER, support], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"running\n"
        below = descendants(owner.pid)
        ticks = {pid: entry.start_ticks for pid, entry in scan_processes().items() if pid in below}
        assert len(below) >= 5, "two of the launcher, its sandbox's first process, and the program twice"
        owner.kill()

    def gone() -> bool:
        now = scan_processes()
        return not [
            pid
            for pid, start in ticks.items()
            if pid in now and now[pid].start_ticks == start and now[pid].alive
        ]

    assert _until(gone)
    assert _until(lambda: _groups(owner.pid) == [])


FORKING_OWNER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from sandboxed import POLICY, python
from pitchey_core.isolation import Sandbox
sandbox = Sandbox()
sandbox.run(python(), POLICY, files={"main.py": b"pass"})
child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
sandbox.run(python(), POLICY, files={"main.py": b"import time; time.sleep(60)"})
"""


def test_a_fork_of_the_owner_keeps_nothing_alive() -> None:
    support = str(Path(__file__).parents[1] / "support")
    with subprocess.Popen([sys.executable, "-c", FORKING_OWNER, support], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        try:
            assert _until(lambda: len(descendants(owner.pid)) >= 5)
            below = set(descendants(owner.pid)) - {child}
            owner.kill()
            owner.wait()
            assert _until(
                lambda: not any(each in below and now.alive for each, now in scan_processes().items())
            )
            assert _until(lambda: _groups(owner.pid) == [])
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_fork_of_the_owner_takes_nothing_away(run: Run) -> None:
    script = """
import os, sys
sys.path.insert(0, sys.argv[1])
from sandboxed import POLICY, python
from pitchey_core.isolation import Sandbox
with Sandbox() as sandbox:
    def show(word):
        print(word, sandbox.run(python(), POLICY, files={"main.py": b"print(1)"}).stdout.data, flush=True)
    show("before")
    child = os.fork()
    if child == 0:
        sandbox.close()
        show("child")
        sandbox.close()
        os._exit(0)
    os.waitpid(child, 0)
    show("after")
"""
    support = str(Path(__file__).parents[1] / "support")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, support],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["before b'1\\n'", "child b'1\\n'", "after b'1\\n'"]


@pytest.mark.parametrize("victim", [0, 1], ids=["outer", "inner"])
def test_a_program_that_dies_with_the_launcher_is_run_again(run: Run, victim: int) -> None:
    with Sandbox() as sandbox:
        assert run("pass", on=sandbox).verdict is Verdict.OK
        launcher = sandbox.warm_launcher
        assert launcher is not None

        def kill() -> None:
            time.sleep(0.3)
            os.kill([launcher, *descendants(launcher)][victim], signal.SIGKILL)

        with ThreadPoolExecutor(1) as pool:
            killing = pool.submit(kill)
            report = run("import time; print(1, flush=True); time.sleep(1)", on=sandbox)
            killing.result()
        assert (report.verdict, report.stdout.data) == (Verdict.OK, b"1\n"), report
        assert run("print(2)", on=sandbox).stdout.data == b"2\n"


def test_groups_that_somebody_removed_are_made_again(run: Run) -> None:
    # Another test's sandbox may be kept in this process, with its groups.
    of_others = _groups(os.getpid())
    descriptors = len(os.listdir("/proc/self/fd"))
    with Sandbox() as sandbox:
        run("pass", on=sandbox)
        for each in {*_groups(os.getpid())} - {*of_others}:
            for inner in (*each.iterdir(), each):
                with contextlib.suppress(OSError):
                    inner.rmdir()
        assert run("print(1)", on=sandbox).stdout.data == b"1\n"
        assert run("print(2)", on=sandbox).stdout.data == b"2\n"
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_sandbox_left_open_does_not_keep_its_process(tmp_path: Path) -> None:
    script = (
        "from pitchey_core.isolation.shared import shared_sandbox\n"
        "from pitchey_core.isolation import Program, SandboxPolicy\n"
        "print(shared_sandbox().run(Program(('/usr/bin/env',)), SandboxPolicy()).verdict)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == (b"ok\n", b"")


def test_groups_of_a_sandbox_that_lives_are_nobodys_leftovers(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: bytes([0x12]) * size)
    with Sandbox() as sandbox:
        assert run("pass", on=sandbox).verdict is Verdict.OK
        mine = [each for each in _groups(os.getpid()) if each.name.endswith("-121212")]
        inner = sorted(each for folder in mine for each in folder.iterdir() if each.is_dir())
        assert len(inner) == 2 * len(mine), "of the finished run, and of the sandbox that waits"
        remove_leftovers()
        remove_left_groups()
        assert sorted(each for folder in mine for each in folder.iterdir() if each.is_dir()) == inner
        assert run("print(1)", on=sandbox).stdout.data == b"1\n"


def test_groups_of_an_owner_that_was_killed_with_its_launcher_are_removed() -> None:
    support = str(Path(__file__).parents[1] / "support")
    with subprocess.Popen([sys.executable, "-c", OWNER, support], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"running\n"
        kill_tree(owner.pid)
    remove_left_groups()
    assert _groups(owner.pid) == []


@pytest.mark.parametrize(
    "host",
    [
        "for each in (0, 1, 2): os.close(each)",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))",
        "folder = sys.argv[2] + '/gone'; os.mkdir(folder); os.chdir(folder); os.rmdir(folder)",
    ],
    ids=["closed streams", "few descriptors", "no working folder"],
)
def test_an_owner_in_odd_circumstances_is_served(tmp_path: Path, host: str) -> None:
    script = f"""
import os, sys
sys.path.insert(0, sys.argv[1])
from sandboxed import POLICY, python
from pitchey_core.isolation import Sandbox
answer = os.open(sys.argv[2] + "/answer", os.O_WRONLY | os.O_CREAT)
{host}
with Sandbox() as sandbox:
    for warm in (True, False):
        os.write(answer, sandbox.run(python(warm=warm), POLICY, files={{"main.py": b"print(1)"}}).stdout.data)
"""
    support = str(Path(__file__).parents[1] / "support")
    subprocess.run([sys.executable, "-c", script, support, str(tmp_path)], timeout=60, check=True)
    assert (tmp_path / "answer").read_bytes() == b"1\n1\n"
