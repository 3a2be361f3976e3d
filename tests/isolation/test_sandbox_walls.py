"""What a program in a sandbox cannot see, reach or do."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from sandboxed import MIB, Run

from pitchey_core.isolation import Layer, Verdict

BOTH = pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])

EPERM, EINVAL, ENOSYS, EAFNOSUPPORT = 1, 22, 38, 97

TRY = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    "0 where it was allowed, else the error's number."
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return 0 if libc.syscall(ctypes.c_long(number), *words) >= 0 else ctypes.get_errno()
"""


@BOTH
def test_it_is_nobody_without_rights(run: Run, warm: bool) -> None:
    report = run("print(open('/proc/self/status').read())", warm=warm)
    status = dict(line.split(":\t", 1) for line in report.stdout.data.decode().splitlines() if ":\t" in line)
    assert set(status["Uid"].split()) == {"65534"}
    assert set(status["Gid"].split()) == {"65534"}
    assert status.get("Groups", "").split() == []
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    # Of this host it is somebody else, even where we are root.
    if os.geteuid() == 0:
        assert "user 0," not in report.isolation["privileges"]


@BOTH
def test_it_has_three_descriptors_and_the_environment_it_was_given(run: Run, warm: bool) -> None:
    report = run(
        """
        import json, os
        found = []
        for number in range(256):
            try:
                os.fstat(number)
            except OSError:
                continue
            found.append(number)
        print(json.dumps([found, dict(os.environ)]))
        """,
        warm=warm,
        env={"GREETING": "hello"},
    )
    descriptors, environment = json.loads(report.stdout.data)
    assert descriptors == [0, 1, 2]
    assert environment == {
        "GREETING": "hello",
        "HOME": "/job/work",
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": "/job/tmp",
    } | ({"LC_CTYPE": environment["LC_CTYPE"]} if "LC_CTYPE" in environment else {})


def test_no_process_beside_its_own_is_to_be_seen_or_reached(run: Run) -> None:
    report = run(
        f"""
        import os
        print(os.getpid(), os.getppid(), [name for name in os.listdir("/proc") if name.isdigit()])
        for pid in (1, {os.getpid()}, -1):
            try:
                os.kill(pid, 9)
            except (ProcessLookupError, PermissionError) as error:
                print(type(error).__name__)
        for name in ("environ", "mem", "maps", "cmdline"):
            try:
                open(f"/proc/1/{{name}}", "rb").read()
            except OSError:
                print("no")
        """
    )
    lines = report.stdout.data.decode().splitlines()
    assert lines[0] == "2 1 ['2']", report
    assert lines[-4:] == ["no"] * 4
    assert report.verdict is Verdict.OK, "init is not to be killed from inside"


def test_the_files_of_the_host_are_not_there(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    wanted = [
        str(secret),
        str(Path(__file__)),
        "/etc/shadow",
        "/root",
        "/home",
        "/var/log",
        "/sys",
        "/dev/kmsg",
        "/dev/shm",
    ]
    report = run(
        """
        import os, sys
        for path in sys.argv[1:]:
            print(path, os.path.exists(path))
        """,
        *wanted,
    )
    found = [line.split()[0] for line in report.stdout.data.decode().splitlines() if line.endswith("True")]
    # Above the interpreter there may be an empty folder of that name.
    assert set(found) <= {"/root", "/home"}, found


@BOTH
def test_what_it_can_read_it_cannot_change(run: Run, warm: bool) -> None:
    report = run(
        """
        import os, sys
        for path in ("/", "/usr", "/etc", "/dev", "/proc/self/comm", os.path.dirname(os.__file__), sys.executable):
            target = path if os.path.isfile(path) else os.path.join(path, "new")
            try:
                open(target, "ab")
            except OSError as error:
                print(error.strerror)
            else:
                print("WRITTEN", target)
        """,
        warm=warm,
    )
    assert report.verdict is Verdict.OK, report
    assert set(report.stdout.data.decode().splitlines()) <= {"Read-only file system", "Permission denied"}


def test_there_are_five_devices_and_they_work(run: Run) -> None:
    report = run(
        """
        import os
        print(sorted(os.listdir("/dev")))
        print(len(open("/dev/urandom", "rb").read(8)), open("/dev/zero", "rb").read(2), open("/dev/null").read())
        open("/dev/null", "w").write("x")
        """,
        layers=frozenset(Layer) - {Layer.LANDLOCK},
    )
    assert report.verdict is Verdict.OK, report
    devices, read = report.stdout.data.decode().splitlines()
    assert devices == "['full', 'null', 'random', 'urandom', 'zero']"
    # Where only a supervisor counts memory, that of /dev/zero is out of its sight.
    zeros = b"" if report.isolation["memory"].startswith("supervised") else bytes(2)
    assert read.split() == ["8", repr(zeros)]


@BOTH
def test_there_is_no_socket_but_a_pair(run: Run, warm: bool) -> None:
    report = run(
        """
        import socket
        for family in (1, 2, 10, 16, 17, 38, 40):
            try:
                socket.socket(family, socket.SOCK_DGRAM)
            except OSError as error:
                print(error.errno)
        a, b = socket.socketpair()
        a.send(b"pair")
        print(b.recv(9))
        """,
        warm=warm,
    )
    assert report.stdout.data.decode().splitlines() == [str(EAFNOSUPPORT)] * 7 + ["b'pair'"], report


def test_without_the_filter_there_is_still_no_network(run: Run) -> None:
    report = run(
        """
        import socket
        for family, address in ((2, ("127.0.0.1", {port})), (2, ("1.1.1.1", 53)), (10, ("2606:4700::1", 53))):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    socket.socket(family, kind).connect(address)
                except OSError as error:
                    print("refused")
                else:
                    print("CONNECTED", address)
        """.replace("{port}", str(_listening().getsockname()[1])),
        layers=frozenset(Layer) - {Layer.SECCOMP},
    )
    assert set(report.stdout.data.decode().splitlines()) == {"refused"}, report


def _listening() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))
    _SERVERS.append(server)
    return server


_SERVERS: list[socket.socket] = []


@pytest.fixture(autouse=True)
def close_servers() -> object:
    yield None
    while _SERVERS:
        _SERVERS.pop().close()


FORBIDDEN = {
    "ptrace": (101, EPERM, (0, 0, 0, 0)),
    "process_vm_readv": (310, EPERM, (1, 0, 0, 0, 0, 0)),
    "pidfd_getfd": (438, EPERM, (0, 0, 0)),
    "keyctl": (250, EPERM, (0, -1, 0)),
    "add_key": (248, EPERM, (0, 0, 0, 0, 0)),
    "bpf": (321, EPERM, (0, 0, 0)),
    "perf_event_open": (298, EPERM, (0, 0, 0, 0, 0)),
    "userfaultfd": (323, EPERM, (0,)),
    "io_uring_setup": (425, ENOSYS, (1, 0)),
    "io_uring_enter": (426, ENOSYS, (1, 0, 0, 0, 0, 0)),
    "mount": (165, EPERM, (0, 0, 0, 0, 0)),
    "umount2": (166, EPERM, (0, 0)),
    "pivot_root": (155, EPERM, (0, 0)),
    "move_mount": (429, EPERM, (0, 0, 0, 0, 0)),
    "open_tree": (428, EPERM, (0, 0, 0)),
    "fsopen": (430, EPERM, (0, 0)),
    "chroot": (161, EPERM, (0,)),
    "unshare": (272, EPERM, (0x10000000,)),
    "setns": (308, EPERM, (0, 0)),
    "clone of a user namespace": (56, EPERM, (0x10000011, 0, 0, 0, 0)),
    "clone3": (435, ENOSYS, (0, 0)),
    "name_to_handle_at": (303, EPERM, (0, 0, 0, 0, 0)),
    "open_by_handle_at": (304, EPERM, (0, 0, 0)),
    "init_module": (175, EPERM, (0, 0, 0)),
    "kexec_load": (246, EPERM, (0, 0, 0, 0)),
    "reboot": (169, EPERM, (0, 0, 0, 0)),
    "quotactl": (179, EPERM, (0, 0, 0, 0)),
    "settimeofday": (164, EPERM, (0, 0)),
    "syslog": (103, EPERM, (3, 0, 0)),
    "iopl": (172, EPERM, (3,)),
    "modify_ldt": (154, EPERM, (0, 0, 0)),
    "personality": (135, EPERM, (0x0040000,)),
    "prctl set_mm": (157, EPERM, (35, 0, 0, 0, 0)),
    "prctl set_dumpable": (157, EPERM, (4, 1, 0, 0, 0)),
    "prlimit of init": (302, EPERM, (1, 7, 0, 0)),
    "TIOCSTI": (16, EPERM, (0, 0x5412, 0)),
    "TIOCLINUX": (16, EPERM, (0, 0x541C, 0)),
    "TIOCSTI with high bits": (16, EPERM, (0, (1 << 32) | 0x5412, 0)),
    "seccomp": (317, EPERM, (1, 0, 0)),
    "memfd_create": (319, EPERM, (0, 0)),
    "shmget": (29, EPERM, (0, 4096, 0o1600)),
    "setresuid": (117, EPERM, (0, 0, 0)),
    "mknod of a device": (133, EPERM, (0, 0o020644, 0x0103)),
    "a bigger pipe": (72, EPERM, (1, 1031, 1 << 20)),
    "flush the disks of the host": (306, EPERM, (0,)),
    "hide memory in the swap": (28, EINVAL, (0, 0, 21)),
    "a bigger socket": (54, EPERM, (0, 1, 7, 0, 0)),
    "unknown": (4000, ENOSYS, ()),
}


@BOTH
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
def test_no_call_that_could_break_a_wall_reaches_the_kernel(run: Run, warm: bool) -> None:
    calls = {name: (number, arguments) for name, (number, _, arguments) in FORBIDDEN.items()}
    source = TRY + f"print(json.dumps({{n: call(k, *a) for n, (k, a) in {calls!r}.items()}}))"
    report = run(source, warm=warm)
    assert json.loads(report.stdout.data) == {name: error for name, (_, error, _) in FORBIDDEN.items()}, (
        report
    )


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="another interface of calls to the same kernel")
def test_calls_of_other_interfaces_end_the_program(run: Run) -> None:
    report = run(TRY + "call(0x40000000 + 39)")
    assert (report.verdict, report.signal) == (Verdict.SIGNAL, 31), report
    thirty_two_bit = """
        import ctypes, mmap
        page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
        page.write(b"\\x53\\xb8\\x14\\0\\0\\0\\xcd\\x80\\x5b\\xc3")  # getpid through int 0x80
        function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        print("returned", function())
    """
    report = run(thirty_two_bit)
    assert report.verdict is Verdict.SIGNAL, report


def test_files_are_limited_in_size_number_and_sum(run: Run) -> None:
    report = run(
        """
        def attempt(what):
            try:
                what()
            except OSError as error:
                print(error.strerror)
        def one_large_file():
            with open("large", "wb") as file:
                for _ in range(64): file.write(bytes(1 << 20))
        def many():
            for n in range(10000): open(f"small{n}", "w").close()
        def much():
            for n in range(64):
                with open(f"part{n}", "wb") as file: file.write(bytes(1 << 20))
        import os
        attempt(one_large_file)
        os.remove("large")
        attempt(much)
        attempt(many)
        attempt(lambda: os.truncate(os.open("sparse", os.O_CREAT | os.O_WRONLY), 1 << 62))
        """,
        file_bytes=8 * MIB,
        tmp_bytes=16 * MIB,
        tmp_inodes=512,
    )
    lines = report.stdout.data.decode().splitlines()
    assert lines[:3] == ["File too large", "No space left on device", "No space left on device"], report


@pytest.mark.parametrize("kind", ["fork", "thread"])
def test_a_bomb_of_tasks_is_held(run: Run, kind: str) -> None:
    bomb = {
        "fork": "pid = os.fork()\n    if pid == 0: time.sleep(600)",
        "thread": "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    }[kind]
    report = run(
        "import os, threading, time\n"
        "threading.stack_size(65536)\n"
        "count = 0\n"
        "try:\n"
        "  for _ in range(1000):\n"
        f"    {bomb}\n"
        "    count += 1\n"
        "except (OSError, RuntimeError):\n"
        "    pass\n"
        "print(count)\n"
        "import sys; sys.stdout.flush(); os._exit(0)\n",
        processes=24,
    )
    assert report.verdict is Verdict.OK, report
    assert 10 <= int(report.stdout.data) <= 24


def test_no_core_no_raised_limit_no_locked_memory(run: Run) -> None:
    report = run(
        """
        import resource
        limits = (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_SIGPENDING)
        print([resource.getrlimit(each) for each in limits])
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        except ValueError as error:
            print("not raised")
        """
    )
    assert report.stdout.data.decode().splitlines() == ["[(1, 1), (0, 0), (256, 256)]", "not raised"]


def test_setuid_programs_gain_nothing(run: Run) -> None:
    report = run(
        """
        import os, subprocess
        for path in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd", "/usr/bin/id"):
            if os.path.exists(path):
                done = subprocess.run([path, "--version"], capture_output=True, text=True)
        print(subprocess.run(["/usr/bin/id", "-u"], capture_output=True, text=True).stdout)
        print(bool(os.statvfs("/usr").f_flag & os.ST_NOSUID))
        """
    )
    assert report.stdout.data.decode().split() == ["65534", "True"], report
