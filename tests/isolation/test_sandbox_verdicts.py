"""Why a program ended is decided by what the kernel saw, not by what the program says."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from sandboxed import Run

from pitchey_core.errors import Cancelled, InputError
from pitchey_core.isolation import Program, Sandbox, SandboxPolicy, Verdict

MIB = 1024**2
BOTH = pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])


@BOTH
def test_a_program_that_ends_well(run: Run, warm: bool) -> None:
    report = run(
        "import sys; print('hello', *sys.argv[1:]); print('aside', file=sys.stderr)", "a", "b c", warm=warm
    )
    assert (report.verdict, report.exit_status, report.signal) == (Verdict.OK, 0, None), report
    assert report.stdout.data == b"hello a b c\n"
    assert report.stderr.data == b"aside\n"
    assert report.usage.wall_us > 0
    assert report.usage.cpu_us > 0
    assert report.usage.peak_memory_bytes > 0


@BOTH
def test_an_exception_is_shown_as_the_interpreter_shows_it(run: Run, warm: bool) -> None:
    report = run("def broken():\n    raise ValueError('no')\nbroken()\n", warm=warm)
    assert (report.verdict, report.exit_status) == (Verdict.RUNTIME_ERROR, 1)
    lines = report.stderr.data.decode().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert 'main.py", line 3, in <module>' in lines[1]
    assert lines[-1] == "ValueError: no"


@BOTH
def test_a_syntax_error_is_shown_as_the_interpreter_shows_it(run: Run, warm: bool) -> None:
    report = run("def (:\n", warm=warm)
    assert (report.verdict, report.exit_status) == (Verdict.RUNTIME_ERROR, 1)
    assert report.stderr.data.rstrip().endswith(b"SyntaxError: invalid syntax")


@BOTH
@pytest.mark.parametrize(
    ("ending", "status"), [("sys.exit(3)", 3), ("sys.exit('why')", 1), ("os._exit(7)", 7)]
)
def test_an_exit_status_is_kept(run: Run, warm: bool, ending: str, status: int) -> None:
    report = run(f"import os, sys; {ending}", warm=warm)
    assert (report.verdict, report.exit_status) == (Verdict.RUNTIME_ERROR, status)


@BOTH
def test_what_the_interpreter_does_at_its_end_is_done(run: Run, warm: bool) -> None:
    report = run(
        """
        import atexit, threading, time
        atexit.register(print, "at exit")
        threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
        print("main")
        """,
        warm=warm,
    )
    assert report.stdout.data == b"main\nthread\nat exit\n"


@pytest.mark.parametrize("status", [124, 137, 139, 152])
def test_an_exit_status_that_looks_like_a_kill_fools_nobody(run: Run, status: int) -> None:
    report = run(f"import os; os._exit({status})")
    assert (report.verdict, report.exit_status, report.signal) == (Verdict.RUNTIME_ERROR, status, None)


@BOTH
@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGXCPU, signal.SIGXFSZ]
)
def test_a_signal_of_its_own_is_a_signal(run: Run, warm: bool, number: int) -> None:
    report = run(
        f"import os, signal; signal.signal({number}, 0) if {number} != 9 else 0; os.kill(os.getpid(), {number})",
        warm=warm,
    )
    assert (report.verdict, report.signal, report.exit_status) == (Verdict.SIGNAL, number, None)


def test_abort_is_a_signal(run: Run) -> None:
    assert run("import os; os.abort()").signal == signal.SIGABRT


def test_who_sleeps_for_ever_is_stopped_by_the_clock(run: Run) -> None:
    report = run("import time; print('begun', flush=True); time.sleep(1000)", wall_seconds=0.4)
    assert report.verdict is Verdict.TIMEOUT_WALL
    assert report.stdout.data == b"begun\n"
    assert report.usage.wall_us >= 400_000


def test_who_ignores_every_signal_is_stopped_all_the_same(run: Run) -> None:
    report = run(
        """
        import signal, time
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            time.sleep(1)
        """,
        wall_seconds=0.4,
    )
    assert report.verdict is Verdict.TIMEOUT_WALL


def test_cpu_time_is_summed_over_all_processes(run: Run) -> None:
    report = run(
        """
        import os
        for _ in range(3):
            if os.fork() == 0:
                break
        while True:
            pass
        """,
        cpu_seconds=0.5,
    )
    assert report.verdict is Verdict.TIMEOUT_CPU
    assert report.usage.cpu_us >= 500_000


def test_cpu_time_of_children_that_nobody_waits_for_is_paid(run: Run) -> None:
    report = run(
        """
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for _ in range(4):
            if os.fork() == 0:
                while time.process_time() < 0.3:
                    pass
                os._exit(0)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            pass
        """
    )
    assert report.verdict is Verdict.OK, report
    if report.isolation["cpu"].startswith("cgroup"):
        assert report.usage.cpu_us >= 1_000_000


def test_cpu_time_of_dead_children_counts(run: Run) -> None:
    report = run(
        """
        import os, time
        while True:
            pid = os.fork()
            if pid == 0:
                end = time.process_time() + 0.05
                while time.process_time() < end:
                    pass
                os._exit(0)
            os.waitpid(pid, 0)
        """,
        cpu_seconds=0.4,
    )
    assert report.verdict is Verdict.TIMEOUT_CPU


@BOTH
def test_too_much_memory_in_one_process(run: Run, warm: bool) -> None:
    report = run("hoard = []\nwhile True: hoard.append(bytearray(4 << 20))", warm=warm)
    assert report.verdict is Verdict.MEMORY, report
    assert "192 MiB" in (report.detail or "")


def test_too_much_memory_across_children(run: Run) -> None:
    report = run(
        """
        import os, time
        for _ in range(10):
            if os.fork() == 0:
                hoard = bytearray(40 << 20)
                time.sleep(60)
        time.sleep(60)
        """
    )
    assert report.verdict is Verdict.MEMORY, report


def test_memory_that_a_program_dares_to_catch_is_still_the_verdict(run: Run) -> None:
    report = run(
        """
        import os
        pid = os.fork()
        if pid == 0:
            hoard = []
            while True: hoard.append(bytearray(4 << 20))
        os.waitpid(pid, 0)
        os._exit(0)
        """
    )
    assert report.verdict is Verdict.MEMORY, report


def test_files_are_memory_too(run: Run) -> None:
    report = run(
        """
        for n in range(1000):
            with open(f"f{n}", "wb") as file:
                file.write(bytes(1 << 20))
        """,
        tmp_bytes=1024 * MIB,
    )
    assert report.verdict is Verdict.MEMORY, report


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_too_much_output_ends_it(run: Run, stream: str) -> None:
    report = run(
        f"import sys\nwhile True: sys.{stream}.write('x' * 100000)", stdout_bytes=5000, stderr_bytes=5000
    )
    assert report.verdict is Verdict.OUTPUT_LIMIT
    captured = getattr(report, stream)
    assert captured.data == b"x" * 5000
    assert captured.truncated
    assert captured.total > 5000


def test_a_little_too_much_at_the_very_end_counts_as_well(run: Run) -> None:
    report = run("print('x' * 5000)", stdout_bytes=5000)
    assert (report.verdict, report.stdout.total) == (Verdict.OUTPUT_LIMIT, 5001)
    assert run("print('x' * 4999)", stdout_bytes=5000).verdict is Verdict.OK


def test_output_can_be_thrown_away_and_counted(run: Run) -> None:
    report = run(
        """
        import os
        block = bytes(1 << 16)
        for _ in range(512):
            for stream in (1, 2):
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(stream, rest):]
        """,
        stdout_bytes=1000,
        stderr_bytes=10,
        discard_output=True,
    )
    assert report.verdict is Verdict.OK
    assert [(len(each.data), each.total) for each in (report.stdout, report.stderr)] == [
        (1000, 32 * MIB),
        (10, 32 * MIB),
    ]


def test_bytes_come_as_they_were_written(run: Run) -> None:
    report = run("import sys; sys.stdout.buffer.write(bytes(range(256)) * 3)")
    assert report.stdout.data == bytes(range(256)) * 3
    assert not report.stdout.truncated


def test_a_daemon_with_the_pipes_in_its_hands_delays_nobody(run: Run) -> None:
    report = run(
        """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)
        print("gone")
        """
    )
    assert (report.verdict, report.stdout.data) == (Verdict.OK, b"gone\n")


@BOTH
def test_standard_input_of_any_size_is_read(run: Run, warm: bool) -> None:
    data = bytes(range(256)) * 4096
    source = "import sys, hashlib; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    import hashlib

    report = run(source, warm=warm, options={"stdin": data})
    assert report.stdout.data.decode().strip() == hashlib.sha256(data).hexdigest()


def test_input_that_nobody_reads_harms_nobody(run: Run) -> None:
    assert run("print(1)", options={"stdin": b"x" * (4 * MIB)}).verdict is Verdict.OK
    assert run("import sys; print(repr(sys.stdin.read()))").stdout.data == b"''\n"


def test_a_job_that_is_cancelled_is_killed(run: Run) -> None:
    asked = threading.Event()

    def cancelled() -> bool:
        asked.set()
        return True

    with pytest.raises(Cancelled):
        run("import time; time.sleep(600)", options={"cancelled": cancelled})
    assert asked.is_set()
    assert run("print('next')").stdout.data == b"next\n"


def test_a_program_that_cannot_start_is_no_verdict_on_the_program(sandbox: Sandbox, tmp_path: Path) -> None:
    for program in (
        Program(("/usr/bin/no-such-program",)),
        Program(("/usr/bin/env",), read_only=(tmp_path / "missing",)),
    ):
        report = sandbox.run(program, SandboxPolicy())
        assert report.verdict is Verdict.SANDBOX_ERROR
        assert "No such file" in (report.detail or "")
        assert "→" in (report.detail or "")
    assert sandbox.run(Program(("/usr/bin/env",)), SandboxPolicy()).verdict is Verdict.OK


def test_arguments_are_long_and_not_all_text(run: Run) -> None:
    report = run(
        "import os, sys; print([os.fsencode(each)[:3] for each in sys.argv[1:]])",
        "x" * 100_000,
        "\udcff",
        "ü",
    )
    assert report.stdout.data == b"[b'xxx', b'\\xff', b'\\xc3\\xbc']\n"


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../b", "a//b", "", ".", "nul\0", "\ud800"])
def test_a_file_cannot_be_put_elsewhere(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name"):
        sandbox.run(Program(("/usr/bin/env",)), SandboxPolicy(), files={name: b""})


def test_what_does_not_fit_is_refused_before_it_starts(sandbox: Sandbox) -> None:
    with pytest.raises(InputError, match="more than its"):
        sandbox.run(Program(("/usr/bin/env",)), SandboxPolicy(tmp_bytes=MIB), files={"a": bytes(2 * MIB)})
    with pytest.raises(InputError, match="too long together"):
        sandbox.run(Program(("/usr/bin/env", "x" * 200_000)), SandboxPolicy())
    with pytest.raises(InputError, match="NUL"):
        sandbox.run(Program(("/usr/bin/env", "\0")), SandboxPolicy())
    with pytest.raises(InputError, match="surrogate"):
        sandbox.run(Program(("/usr/bin/env", "\ud800")), SandboxPolicy())
    with pytest.raises(InputError, match="cannot be put"):
        sandbox.run(
            Program(("/usr/bin/env",)), SandboxPolicy(tmp_inodes=16), files={f"f{n}": b"" for n in range(40)}
        )
