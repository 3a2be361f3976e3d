"""Real programs through ``pitchey_core.process.run``: pipes, arguments, environment, errors."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from pitchey_core.errors import InputError, OutOfSpace, ToolFailed, ToolMissing, UsageError
from pitchey_core.process import Completed, ProcessLimits, interpreter, run


def python(code: str, *arguments: str | bytes) -> list[str | bytes]:
    return [interpreter(), "-I", "-S", "-c", textwrap.dedent(code), *arguments]


FLOOD_BOTH = """
    import os, threading
    def flood(fd):
        for _ in range(160):
            data = memoryview(b"x" * 65535 + b"\\n")
            while data:
                data = data[os.write(fd, data):]
    threads = [threading.Thread(target=flood, args=(fd,)) for fd in (1, 2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    os.write(1, b"end of out"); os.write(2, b"end of err")
"""


def test_ten_megabytes_to_both_pipes_at_once() -> None:
    done = run(python(FLOOD_BOTH), tail_bytes=1000, limits=ProcessLimits(wall_seconds=60))
    assert done.stdout.endswith(b"end of out")
    assert done.stderr.endswith(b"end of err")
    assert len(done.stdout) == len(done.stderr) == 1000
    assert done.stdout_truncated
    assert done.stderr_truncated


def test_all_of_stdout_up_to_the_limit() -> None:
    done = run(["sh", "-c", "printf abcdef; printf ghijkl >&2"], limits=ProcessLimits(stdout_bytes=6))
    assert (done.stdout, done.stdout_truncated) == (b"abcdef", False)
    assert (done.stderr, done.stderr_truncated) == (b"ghijkl", False)
    done = run(["sh", "-c", "printf abcdef"], limits=ProcessLimits(stdout_bytes=4))
    assert (done.stdout, done.stdout_truncated) == (b"abcd", True)


def test_stdin_is_empty_unless_given(tmp_path: Path) -> None:
    assert run(["cat"]).stdout == b""
    much = os.urandom(1 << 20)
    done = run(["cat"], stdin=much, limits=ProcessLimits(stdout_bytes=1 << 21))
    assert done.stdout == much
    file = tmp_path / "in"
    file.write_bytes(b"from a file")
    assert run(["cat"], stdin=file).stdout == b"from a file"
    with pytest.raises(InputError, match="cannot be opened"):
        run(["cat"], stdin=tmp_path / "missing")


def test_a_program_that_does_not_read_its_stdin() -> None:
    assert run(["true"], stdin=b"x" * (1 << 20)).returncode == 0


def test_stdout_to_a_file(tmp_path: Path) -> None:
    target = tmp_path / "out"
    done = run(["sh", "-c", "printf data; printf noise >&2"], stdout=target)
    assert target.read_bytes() == b"data"
    assert (done.stdout, done.stderr) == (b"", b"noise")
    with pytest.raises(UsageError):
        run(["true"], stdout=target, on_stdout=print)


def test_lines_arrive_complete_decoded_and_in_the_calling_thread() -> None:
    out: list[str] = []
    err: list[str] = []
    threads = set()

    def on_stdout(line: str) -> None:
        threads.add(threading.get_ident())
        out.append(line)

    code = """
        import os, time
        for part in (b"frame=1\\nfra", b"me=2\\r\\n", "h\\u00e9".encode()[:2], "h\\u00e9".encode()[2:],
        b"\\n\\xff", b"last"):
            os.write(1, part); time.sleep(0.02)
        os.write(2, b"10%\\r20%\\r")
    """
    done = run(python(code), on_stdout=on_stdout, on_stderr=err.append)
    assert out == ["frame=1", "frame=2", "hé", "\ufffdlast"]
    assert err == ["10%", "20%"]
    assert threads == {threading.get_ident()}
    assert done.stdout.startswith(b"frame=1\n")


def test_an_endless_line_is_delivered_in_bounded_pieces() -> None:
    pieces: list[str] = []
    run(["head", "-c", "1000000", "/dev/zero"], on_stdout=pieces.append)
    assert sum(map(len, pieces)) == 1_000_000
    assert max(map(len, pieces)) <= 3 * 65536


def test_an_error_in_a_callback_ends_the_program(slot_tag: str) -> None:
    def explode(line: str) -> None:
        raise ZeroDivisionError(line)

    with pytest.raises(ZeroDivisionError, match="go"):
        run(["sh", "-c", "echo go; sleep 60"], on_stdout=explode)


@pytest.mark.parametrize(
    "argument", ["-n", "--help", "a\nb", "$(id)", "`id`", "; id", "'\"", "", "  ", "ü", b"\xff\xfe", "*"]
)
def test_arguments_arrive_as_they_are(argument: str | bytes) -> None:
    code = "import sys, os; os.write(1, os.fsencode(sys.argv[1]))"
    for limits in (ProcessLimits(), ProcessLimits(cpu_seconds=60)):
        done = run(python(code, argument), env={"PYTHONUTF8": "1"}, limits=limits)
        assert done.stdout == os.fsencode(argument)


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(InputError, match="NUL"):
        run(["echo", "a\0b"])
    with pytest.raises(InputError, match="environment"):
        run(["true"], env={"A": "b\0"})
    with pytest.raises(InputError):
        run([])


@pytest.mark.parametrize("limits", [ProcessLimits(), ProcessLimits(cpu_seconds=60, network=False)])
def test_the_environment_is_clean(monkeypatch: pytest.MonkeyPatch, limits: ProcessLimits) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("LD_PRELOAD", "")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PITCHEY_SLOT", "worker-1/slot-2")
    shown = run(["env"], env={"ASKED": "for"}, limits=limits).stdout.decode()
    variables = dict(line.split("=", 1) for line in shown.splitlines())
    assert "s3cret" not in shown
    assert variables.pop("ASKED") == "for"
    assert variables.pop("PITCHEY_SLOT").startswith("worker-1/slot-2/")
    assert variables.pop("LANG") == variables.pop("LC_ALL") == "C.UTF-8"
    assert variables.pop("TZ") == "UTC"
    assert set(variables) <= {"PATH", "HOME", "TMPDIR"}


def test_no_descriptor_and_no_ignored_signal_is_inherited(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        for limits in (ProcessLimits(), ProcessLimits(wall_seconds=60)):
            code = "import os; print(sorted(os.listdir('/proc/self/fd')))"
            shown = run(python(code), limits=limits).stdout.decode()
            # The fourth is the listing's own.
            assert shown.startswith("['0', '1', '2', '3']")
    status = run(["cat", "/proc/self/status"], limits=ProcessLimits(wall_seconds=60)).stdout.decode()
    assert "SigIgn:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_it_runs_in_its_own_session(tmp_path: Path) -> None:
    done = run(
        python("import os; print(os.getsid(0) == os.getpid() == os.getpgrp(), os.getcwd())"), cwd=tmp_path
    )
    assert done.stdout.decode().split() == ["True", str(tmp_path)]
    with pytest.raises(InputError, match="working folder"):
        run(["true"], cwd=tmp_path / "missing")


def test_a_failure_is_told_in_the_programs_own_words() -> None:
    with pytest.raises(ToolFailed) as caught:
        run(
            ["sh", "-c", "echo 'x: Invalid data found' >&2; echo 'Conversion failed!' >&2; exit 3"],
            tool="ffmpeg",
        )
    assert caught.value.message == "ffmpeg failed with exit status 3: x: Invalid data found"
    assert (caught.value.tool, caught.value.returncode) == ("ffmpeg", 3)
    assert "Conversion failed!" in caught.value.stderr_tail
    done = run(["sh", "-c", "exit 3"], check=False)
    assert isinstance(done, Completed)
    assert done.returncode == 3


def test_of_what_ffmpeg_says_the_cause_is_told() -> None:
    lines = (
        "[libopus @ 0x55] Invalid channel layout 2.1 for specified mapping family -1.",
        "[aost#0:0/libopus @ 0x55] [enc:libopus @ 0x56] Error while opening encoder - maybe incorrect parameters",
        "[af#0:0 @ 0x55] Task finished with error code: -22 (Invalid argument)",
        "[out#0/webm @ 0x55] Nothing was written into output file, because at least one of its streams received …",
    )
    for told, words in ((lines, "Invalid channel layout"), (lines[-1:], "Nothing was written")):
        with pytest.raises(ToolFailed, match=words):
            run([sys.executable, "-c", f"import sys; sys.exit({chr(10).join(told)!r})"], tool="ffmpeg")


def test_a_signal_is_named() -> None:
    with pytest.raises(ToolFailed, match="sh was killed by SIGSEGV"):
        run(["sh", "-c", "kill -SEGV $$"])


def test_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        run(["no-such-program"])
    with pytest.raises(ToolMissing, match="does not exist"):
        run([tmp_path / "missing"])
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    with pytest.raises(ToolMissing, match="not an executable"):
        run([script])
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    for limits in (ProcessLimits(), ProcessLimits(wall_seconds=60)):
        with pytest.raises(ToolMissing, match="cannot be started: No such file"):
            run([script], limits=limits)
    script.write_bytes(b"\x7fELFgarbage")
    for limits in (ProcessLimits(), ProcessLimits(wall_seconds=60)):
        with pytest.raises(ToolMissing, match="Exec format error"):
            run([script], limits=limits)


def test_a_relative_program_is_found_from_its_working_folder(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\necho here\n")
    script.chmod(0o755)
    assert run(["./tool"], cwd=tmp_path).stdout == b"here\n"


def test_too_many_arguments() -> None:
    with pytest.raises(InputError, match="too long"):
        run(["true", *(["x" * 100_000] * 100)])


def test_a_full_disk_is_recognised() -> None:
    with pytest.raises(OutOfSpace):
        run(["dd", "if=/dev/zero", "of=/dev/full", "bs=1k", "count=10"])


def test_usage_is_measured() -> None:
    code = """
        import time
        data = bytearray(64 << 20)
        end = time.process_time() + 0.3
        while time.process_time() < end: pass
    """
    done = run(python(code), limits=ProcessLimits(memory_bytes=1 << 30))
    assert 0.3 <= done.cpu_seconds < 2
    assert done.wall_seconds >= 0.3
    assert (64 - 8) << 20 <= done.peak_memory_bytes < 160 << 20


def test_cpu_time_of_descendants_is_counted() -> None:
    code = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    done = run(["sh", "-c", '"$@"; true', "sh", *python(code)])
    assert done.cpu_seconds >= 0.3


def test_many_threads_run_programs_at_once() -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for limits in (ProcessLimits(), ProcessLimits(wall_seconds=60)):
                assert run(["echo", str(number)], limits=limits).stdout == f"{number}\n".encode()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_interpreter_is_a_program_and_no_shim() -> None:
    with open(interpreter(), "rb") as file:
        assert file.read(4) == b"\x7fELF"


def test_importing_it_brings_no_pydantic() -> None:
    code = "import sys, pitchey_core.process; print('pydantic' in sys.modules, 'ctypes' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert shown.stdout.split() == [b"False", b"False"]
