"""Limits, cancellation and the death of whole trees, with programs that resist."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pitchey_core.process
from pitchey_core.errors import Cancelled, LimitExceeded, ToolFailed
from pitchey_core.process import ProcessLimits, interpreter, processes_with_tag, read_process, run

MIB = 1024**2


def python(code: str, *arguments: str) -> list[str]:
    return [interpreter(), "-I", "-S", "-c", textwrap.dedent(code), *arguments]


def test_wall_limit(slot_tag: str) -> None:
    started = time.monotonic()
    with pytest.raises(LimitExceeded, match=r"sleep ran longer than 0\.3 s") as caught:
        run(["sleep", "60"], limits=ProcessLimits(wall_seconds=0.3))
    assert caught.value.limit == "wall"
    assert 0.3 <= time.monotonic() - started < 3
    assert processes_with_tag(slot_tag) == []


def test_a_program_that_ignores_sigterm_is_killed(slot_tag: str) -> None:
    started = time.monotonic()
    with pytest.raises(LimitExceeded):
        run(
            ["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 0.1; done"],
            limits=ProcessLimits(wall_seconds=0.2),
        )
    assert time.monotonic() - started < 3
    assert processes_with_tag(slot_tag) == []


def test_a_stopped_program_is_killed(slot_tag: str) -> None:
    with pytest.raises(LimitExceeded):
        run(["sh", "-c", "kill -STOP $$"], limits=ProcessLimits(wall_seconds=0.2))


def test_endless_output_keeps_memory_bounded_and_obeys_the_limit(slot_tag: str) -> None:
    lines = 0

    def count(line: str) -> None:
        nonlocal lines
        lines += 1

    with pytest.raises(LimitExceeded):
        run(["yes"], on_stdout=count, limits=ProcessLimits(wall_seconds=0.5))
    assert lines > 1000


def test_cancel_lets_the_program_end_by_itself(slot_tag: str, tmp_path: Path) -> None:
    note = tmp_path / "note"
    asked = time.monotonic() + 0.5
    code = """
        import signal, sys, time
        def end(*_):
            open(sys.argv[1], "w").write("bye")
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        time.sleep(60)
    """
    with pytest.raises(Cancelled):
        run(python(code, str(note)), cancelled=lambda: time.monotonic() > asked)
    assert note.read_text() == "bye"
    assert time.monotonic() - asked < 1.5


def test_cancelled_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        run(["touch", tmp_path / "file"], cancelled=lambda: True)
    assert not (tmp_path / "file").exists()


def test_cpu_limit(slot_tag: str) -> None:
    with pytest.raises(LimitExceeded) as caught:
        run(python("while True: pass"), limits=ProcessLimits(cpu_seconds=1, wall_seconds=30))
    assert caught.value.limit == "cpu"


def test_cpu_limit_of_a_tree_that_is_busy_in_many_processes(slot_tag: str) -> None:
    code = "import os\nos.fork(); os.fork()\nwhile True: pass"
    with pytest.raises(LimitExceeded) as caught:
        run(python(code), limits=ProcessLimits(cpu_seconds=1, wall_seconds=30))
    assert caught.value.limit == "cpu"
    assert processes_with_tag(slot_tag) == []


def test_memory_limit(slot_tag: str) -> None:
    code = "import time\nhog = []\nwhile True: hog.append(bytearray(8 << 20)); time.sleep(0.01)"
    with pytest.raises(LimitExceeded, match="more than 100 MiB") as caught:
        run(python(code), limits=ProcessLimits(memory_bytes=100 * MIB, wall_seconds=30))
    assert caught.value.limit == "memory"


def test_memory_is_summed_over_the_tree(slot_tag: str) -> None:
    code = """
        import os, time
        for _ in range(3): os.fork()
        hog = bytearray(os.urandom(1 << 20)) * 20
        time.sleep(30)
    """
    with pytest.raises(LimitExceeded) as caught:
        run(python(code), limits=ProcessLimits(memory_bytes=120 * MIB, wall_seconds=20))
    assert caught.value.limit == "memory"
    assert processes_with_tag(slot_tag) == []


def test_shared_pages_are_not_counted_twice() -> None:
    code = """
        import os, time
        shared = bytearray(os.urandom(1 << 20)) * 64
        children = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                time.sleep(0.6)
                os._exit(0)
            children.append(pid)
        for pid in children: os.waitpid(pid, 0)
    """
    done = run(python(code), limits=ProcessLimits(memory_bytes=160 * MIB, wall_seconds=30))
    assert 64 * MIB < done.peak_memory_bytes < 160 * MIB


def test_address_space_limit() -> None:
    with pytest.raises(LimitExceeded) as caught:
        run(python("bytearray(1 << 30)"), limits=ProcessLimits(address_space_bytes=512 * MIB))
    assert caught.value.limit == "memory"


def test_output_file_limit(tmp_path: Path) -> None:
    target = tmp_path / "file"
    for program in (
        ["dd", "if=/dev/zero", f"of={target}", "bs=64k", "count=100"],
        # Python ignores the signal and gets an error instead.
        python(f"open({str(target)!r}, 'wb').write(bytes(8 << 20))"),
    ):
        with pytest.raises(LimitExceeded) as caught:
            run(program, limits=ProcessLimits(file_bytes=MIB))
        assert caught.value.limit == "output"
        assert target.stat().st_size <= MIB


def test_open_files_limit() -> None:
    done = run(["sh", "-c", "ulimit -n"], limits=ProcessLimits(open_files=77))
    assert done.stdout == b"77\n"
    assert done.isolation["open_files"] == "rlimit"


def test_niceness() -> None:
    assert run(["nice"], limits=ProcessLimits(niceness=7)).stdout == b"7\n"


def test_too_many_processes(slot_tag: str) -> None:
    code = """
        import os, time
        for _ in range(500):
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
            time.sleep(0.01)
    """
    with pytest.raises(LimitExceeded) as caught:
        run(python(code), limits=ProcessLimits(processes=20, wall_seconds=20))
    assert caught.value.limit == "processes"
    assert processes_with_tag(slot_tag) == []


DAEMON = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(1, b"daemon\\n")
            time.sleep(60)
        os._exit(0)
    time.sleep(0.1)
"""


@pytest.mark.parametrize("limits", [ProcessLimits(), ProcessLimits(cpu_seconds=30, network=False)])
def test_a_daemon_that_holds_the_pipe_is_dead_on_return(slot_tag: str, limits: ProcessLimits) -> None:
    started = time.monotonic()
    done = run(python(DAEMON), limits=limits)
    assert time.monotonic() - started < 5
    assert done.returncode == 0
    assert done.stdout == b"daemon\n"
    assert processes_with_tag(slot_tag) == []


def test_a_daemon_without_environment_that_was_seen_is_dead_on_return(slot_tag: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"""
        import os, time
        if os.fork() == 0:
            os.setsid()
            open({str(note)!r}, "w").write(str(os.getpid()))
            os.execve("/bin/sleep", ["sleep", "60"], {{}})
        time.sleep(0.6)
    """
    run(python(code))
    # A zombie until its new parent looks after it.
    entry = read_process(int(note.read_text()))
    assert entry is None or not entry.alive


def test_a_stranger_who_holds_the_pipe_does_not_block(tmp_path: Path) -> None:
    """Somebody outside the tree opened our pipe through /proc and keeps writing to it."""
    ready = tmp_path / "ready"
    with subprocess.Popen(
        [
            "sh",
            "-c",
            f'while [ ! -s "{ready}" ]; do sleep 0.01; done; exec yes > /proc/$(cat "{ready}")/fd/1',
        ],
        stderr=subprocess.DEVNULL,
    ) as stranger:
        try:
            started = time.monotonic()
            run(["sh", "-c", f'echo $$ > "{ready}.new"; mv "{ready}.new" "{ready}"; sleep 0.5'])
            assert time.monotonic() - started < 5
        finally:
            stranger.kill()


def listening() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(5)
    return server


CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2)"


def test_no_network_means_none() -> None:
    with listening() as server:
        port = str(server.getsockname()[1])
        probe = [interpreter(), "-c", CONNECT, port]
        assert run(probe).returncode == 0
        done = run(probe, check=False, limits=ProcessLimits(network=False))
    if done.isolation["network"].startswith("not enforced"):
        pytest.skip("this host lets nobody make a network namespace: " + done.isolation["network"])
    assert "namespace" in done.isolation["network"]
    assert done.returncode != 0
    assert b"unreachable" in done.stderr


@pytest.fixture
def public_copy() -> Iterator[Path]:
    """A folder with the core in it that every user may read, as a checkout in a private folder is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        core = Path(pitchey_core.process.__file__).parents[1]
        shutil.copytree(core, folder / core.name, ignore=shutil.ignore_patterns("__pycache__"))
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_no_network_as_an_ordinary_user(public_copy: Path) -> None:
    code = f"""
        import sys
        sys.path.insert(0, {str(public_copy)!r})
        from pitchey_core.process import run, ProcessLimits
        done = run(["sh", "-c", "id -u; cat /proc/net/dev"], limits=ProcessLimits(network=False))
        print(done.isolation["network"], done.stdout.decode())
    """
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    # A version manager's interpreter may be in a home that others may not enter.
    for python_program in (interpreter(), "/usr/bin/python3"):
        version = [*nobody, python_program, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if subprocess.run(version, stderr=subprocess.DEVNULL).returncode == 0:
            break
    else:
        pytest.skip("no interpreter here that an ordinary user may start")
    command = [*nobody, python_program, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    if "not enforced" in done.stdout:
        pytest.skip("this host lets ordinary users make no user namespace")
    assert done.stdout.startswith("user and network namespace 65534")
    assert "eth" not in done.stdout


def test_what_was_enforced_is_reported() -> None:
    limits = ProcessLimits(
        wall_seconds=30, cpu_seconds=30, memory_bytes=MIB * 500, file_bytes=MIB, processes=5, network=False
    )
    isolation = run(["true"], limits=limits).isolation
    assert isolation["wall"] == "watched"
    assert isolation["cpu"] == isolation["file"] == "rlimit"
    assert isolation["memory"] == isolation["processes"] == "sampled every 50 ms"
    assert isolation["parent_death"] == "signal"
    assert run(["true"]).isolation == {}


def test_a_limited_program_dies_with_its_starter(slot_tag: str) -> None:
    code = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from pitchey_core.process import run, ProcessLimits
        run(["sleep", "60"], limits=ProcessLimits(wall_seconds=50))
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)]) as starter:
        end = time.monotonic() + 20
        # The starter, and the program under its own tag below.
        while len(processes_with_tag(slot_tag)) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.3)
        starter.kill()
    end = time.monotonic() + 5
    while processes_with_tag(slot_tag) and time.monotonic() < end:
        time.sleep(0.02)
    assert processes_with_tag(slot_tag) == []


def test_a_thread_may_end_while_its_program_was_started_elsewhere() -> None:
    """The death signal follows the thread that forked, so a program of a pool's thread must not get it."""
    results: list[dict[str, str]] = []
    thread = threading.Thread(
        target=lambda: results.append(dict(run(["true"], limits=ProcessLimits(wall_seconds=9)).isolation))
    )
    thread.start()
    thread.join()
    assert results == [{"wall": "watched"}]


def test_an_interrupt_leaves_nothing(slot_tag: str) -> None:
    timer = threading.Timer(
        0.3, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    )
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "trap '' TERM INT; sleep 60"])
    timer.join()
    assert processes_with_tag(slot_tag) == []


def test_a_kill_from_outside_is_not_called_a_limit() -> None:
    with pytest.raises(ToolFailed, match="killed by SIGKILL") as caught:
        run(["sh", "-c", "kill -KILL $$"], limits=ProcessLimits(cpu_seconds=60))
    assert caught.value.remedy is not None
