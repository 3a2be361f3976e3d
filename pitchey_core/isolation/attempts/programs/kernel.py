"""Programs that talk to the kernel past what a language runtime needs."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt
from pitchey_core.isolation.policy import Layer
from pitchey_core.isolation.report import Verdict

__all__ = ["ATTEMPTS"]

_IO_URING: Final = """
import ctypes
def ring():
    os.close(syscall(425, 425, 4, ctypes.create_string_buffer(120)))
attempt("io_uring", ring)
"""
_OTHER_PROCESSES: Final = """
import ctypes, signal
child = os.fork()
if child == 0:
    time.sleep(30)
    os._exit(0)
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
def read_memory(pid, address, length):
    own = ctypes.create_string_buffer(length)
    here = (Piece * 1)(Piece(ctypes.addressof(own), length))
    there = (Piece * 1)(Piece(address, length))
    syscall(310, 270, pid, here, 1, there, 1, 0)
    return own.raw
def take_descriptor():
    pidfd = os.pidfd_open(child)
    os.close(syscall(438, 438, pidfd, 0, 0))
mine = ctypes.create_string_buffer(b"something")
attempt("ptrace of a child", lambda: syscall(101, 117, 16, child, 0, 0) and None)
attempt("memory of a child", lambda: read_memory(child, ctypes.addressof(mine), 9))
attempt("memory of the owner", lambda: read_memory(T["owner"], T["address"], T["secret_bytes"]))
attempt("descriptor of a child", take_descriptor)
os.kill(child, signal.SIGKILL)
"""
_PRIVILEGES: Final = """
with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file if ":" in line)
if status["NoNewPrivs"].strip() == "1":
    say("HELD", "no_new_privs is set")
else:
    say("BREACH", "setuid programs keep their power")
for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
    kept = int(status[name], 16)
    say("BREACH" if kept else "HELD", f"{name} {kept:x}")
attempt("become root", lambda: os.setresuid(0, 0, 0))
"""
_NAMESPACES: Final = """
import signal
def in_a_child(action):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
            os.write(writing, b"0")
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        os._exit(0)
    os.close(writing)
    number = int(os.read(reading, 16) or b"38")
    os.close(reading)
    os.waitpid(child, 0)
    if number:
        raise OSError(number, "")
NEWUSER, NEWNS = 0x10000000, 0x00020000
attempt("unshare(NEWUSER)", lambda: in_a_child(lambda: syscall(272, 97, NEWUSER)))
attempt("unshare(NEWUSER|NEWNS)", lambda: in_a_child(lambda: syscall(272, 97, NEWUSER | NEWNS)))
def cloned():
    made = syscall(56, 220, NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    if made == 0:
        os._exit(0)
    os.waitpid(made, 0)
attempt("clone(NEWUSER)", cloned)
reached("clone3", 435, 435, None, 0)
reached("setns", 308, 268, -1, 0)
"""
_MOUNTS: Final = """
reached("mount", 165, 40, b"none", b"/nowhere", b"tmpfs", 0, None)
reached("umount2", 166, 39, b"/nowhere", 0)
reached("pivot_root", 155, 41, b"/nowhere", b"/nowhere")
reached("move_mount", 429, 429, -1, b"/nowhere", -1, b"/nowhere", 0)
reached("open_tree", 428, 428, -100, b".", 0)
reached("fsopen", 430, 430, b"tmpfs", 0)
reached("mount_setattr", 442, 442, -1, b"/nowhere", 0, None, 0)
attempt("chroot", lambda: os.chroot("."))
reached("name_to_handle_at", 303, 264, -100, b"/nowhere", None, None, 0)
reached("open_by_handle_at", 304, 265, -1, None, 0)
"""
_KEYS: Final = """
attempt("add_key", lambda: syscall(248, 217, b"user", b"pitchey-attempt", b"x" * 16, 16, -2))
attempt("keyctl", lambda: syscall(250, 219, 0, -2, 1))
attempt("request_key", lambda: syscall(249, 218, b"user", b"pitchey-attempt", None, -2))
"""
# With arguments that change nothing where the call is allowed.
_DANGEROUS: Final = """
reached("bpf", 321, 280, 0, None, 0)
reached("perf_event_open", 298, 241, None, 0, -1, -1, 0)
reached("userfaultfd", 323, 282, 1)
reached("kexec_load", 246, 104, 0, 0, None, 0xFFFF)
reached("init_module", 175, 105, None, 0, b"")
reached("finit_module", 313, 273, -1, b"", 0)
reached("delete_module", 176, 106, b"pitchey_no_such_module", 0o4000)
reached("quotactl", 179, 60, 0, b"/nowhere", 0, None)
reached("reboot", 169, 142, 0, 0, 0, None)
reached("settimeofday", 164, 170, None, None)
reached("swapon", 167, 224, b"/nowhere", 0)
reached("acct", 163, 89, b"/nowhere")
reached("personality", 135, 92, 0x0040000)
if os.uname().machine == "x86_64":
    reached("iopl", 172, None, 0)
    reached("modify_ldt", 154, None, 0, None, 0)
    reached("x32 getpid", 0x40000000 + 39, None)
"""
_PROC: Final = """
def readable(name):
    with open(name, "rb") as file:
        return len(file.read(16))
def writable(name):
    os.close(os.open(name, os.O_WRONLY))
for name in ("/proc/kcore", "/proc/kmsg", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/1/mem"):
    attempt(f"read {name}", lambda: readable(name))
for name in ("sysrq-trigger", "sys/kernel/core_pattern", "sys/kernel/hostname", "sys/vm/drop_caches"):
    attempt(f"write /proc/{name}", lambda: writable("/proc/" + name))
def kernel_addresses():
    with open("/proc/kallsyms") as file:
        if set(file.readline().split()[0]) == {"0"}:
            raise OSError(errno.EACCES, "")
attempt("addresses of the kernel", kernel_addresses)
attempt("list /sys", lambda: os.listdir("/sys")[:3] or os.listdir("/nowhere"))
attempt("list control groups", lambda: os.listdir("/sys/fs/cgroup")[:3] or os.listdir("/nowhere"))
def spared():
    with open("/proc/self/oom_score_adj") as file:
        now = int(file.read())
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(now - 1))
attempt("be spared when memory is short", spared)
"""
_SIGSYS: Final = frozenset({Verdict.SIGNAL})
ATTEMPTS: Final = (
    Attempt(31, "io_uring", (Layer.SECCOMP,), _IO_URING, "ENOSYS or EPERM", _SIGSYS, alone=(Layer.SECCOMP,)),
    Attempt(
        32,
        "look into other processes",
        (Layer.SECCOMP, Layer.NAMESPACES),
        _OTHER_PROCESSES,
        "EPERM or ESRCH",
        _SIGSYS,
        alone=(Layer.SECCOMP,),
    ),
    Attempt(
        34,
        "setuid programs, capabilities",
        (Layer.PRIVILEGES,),
        _PRIVILEGES,
        "no_new_privs, nothing to gain",
        _SIGSYS,
        alone=(Layer.PRIVILEGES,),
    ),
    Attempt(
        35,
        "new user namespaces",
        (Layer.SECCOMP,),
        _NAMESPACES,
        "EPERM, clone3 ENOSYS",
        _SIGSYS,
        alone=(Layer.SECCOMP,),
    ),
    Attempt(
        36,
        "mounts, chroot, file handles",
        (Layer.SECCOMP, Layer.PRIVILEGES),
        _MOUNTS,
        "EPERM or ENOSYS",
        _SIGSYS,
        alone=(Layer.SECCOMP,),
    ),
    Attempt(37, "kernel keys", (Layer.SECCOMP,), _KEYS, "EPERM or ENOSYS", _SIGSYS, alone=(Layer.SECCOMP,)),
    Attempt(
        38,
        "bpf, modules, reboot, other calling conventions",
        (Layer.SECCOMP, Layer.PRIVILEGES),
        _DANGEROUS,
        "EPERM, ENOSYS or SIGSYS",
        _SIGSYS,
        alone=(Layer.SECCOMP,),
    ),
    Attempt(
        39,
        "/proc and /sys",
        (Layer.ROOT, Layer.LANDLOCK, Layer.PRIVILEGES),
        _PROC,
        "ENOENT, EACCES or EROFS",
        alone=(Layer.ROOT,),
    ),
)
