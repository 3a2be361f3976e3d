"""Programs that multiply, hide or attack other processes."""

from __future__ import annotations

from typing import Final

from pitchey_core.isolation.attempts.attempt import Attempt, Seen
from pitchey_core.isolation.policy import Layer
from pitchey_core.isolation.report import Verdict

__all__ = ["ATTEMPTS"]

# Bounded: a host without any wall has this many processes more, for a moment.
_FORK_BOMB: Final = """
name_myself()
made, wanted = 0, 3 * T["processes"]
try:
    while made < wanted:
        if os.fork() == 0:
            time.sleep(8)
            os._exit(0)
        made += 1
except OSError as error:
    say("HELD", f"fork: {why(error)}")
else:
    say("BREACH", f"{made} processes")
"""
_THREAD_BOMB: Final = """
import threading
name_myself()
threading.stack_size(64 * 1024)
made, wanted = 0, 3 * T["processes"]
try:
    while made < wanted:
        threading.Thread(target=time.sleep, args=(8,), daemon=True).start()
        made += 1
except (OSError, RuntimeError) as error:
    say("HELD", f"thread: {error}")
else:
    say("BREACH", f"{made} threads")
os._exit(0)
"""
_DEAF: Final = """
import signal
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
end = time.monotonic() + 4
while time.monotonic() < end:
    time.sleep(0.1)
say("BREACH", "ran on for 4 s")
"""
_DAEMON: Final = """
name_myself()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        time.sleep(8)
    os._exit(0)
time.sleep(0.2)
say("HELD", "the daemon was started")
"""
_HOLDS_PIPE: Final = """
name_myself()
if os.fork() == 0:
    os.setsid()
    time.sleep(5)
    os._exit(0)
say("HELD", "a process with the pipe was started")
"""
_KILLS: Final = """
import signal
def may_signal(pid):
    os.kill(pid, 0)
    try:
        if os.readlink("/proc/self/ns/pid") != T["pid_namespace"]:
            raise ProcessLookupError(errno.ESRCH, "the same number, another process")
    except FileNotFoundError:
        pass
attempt("kill the owner", lambda: may_signal(T["owner"]))
def tgkill():
    may_signal(T["owner"])
    syscall(234, 131, T["owner"], T["owner"], 0)
attempt("tgkill the owner", tgkill)
def everybody():
    child = os.fork()
    if child == 0:
        time.sleep(1)
        os._exit(0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.kill(-1, 0)
    for entry in os.listdir("/proc"):
        if entry == str(T["owner"]):
            return "the owner is among those that kill(-1) reaches"
    raise ProcessLookupError(errno.ESRCH, "only its own processes")
attempt("kill(-1)", everybody)
"""
_ZOMBIES: Final = """
made, wanted = 0, 3 * T["processes"]
try:
    while made < wanted:
        if os.fork() == 0:
            os._exit(0)
        made += 1
except OSError as error:
    say("HELD", f"fork: {why(error)}")
else:
    say("BREACH", f"{made} zombies")
"""


def _late(seen: Seen) -> str | None:
    return f"the caller waited {seen.seconds:.1f} s" if seen.seconds > 4 else None


_PIDS: Final = (Layer.CGROUP, Layer.RLIMITS)
ATTEMPTS: Final = (
    Attempt(
        1,
        "fork bomb",
        _PIDS,
        _FORK_BOMB,
        "fork fails at the limit; no process is left",
        alone=(Layer.CGROUP,),
    ),
    Attempt(
        2,
        "thread bomb",
        _PIDS,
        _THREAD_BOMB,
        "threads count as processes; none is left",
        alone=(Layer.CGROUP,),
    ),
    Attempt(
        10,
        "ignore every signal",
        (),
        _DEAF,
        "killed at the wall limit",
        frozenset({Verdict.TIMEOUT_WALL}),
        limits={"wall_seconds": 0.5},
        observe=_late,
    ),
    Attempt(
        11,
        "daemon: double fork and a session of its own",
        (Layer.NAMESPACES,),
        _DAEMON,
        "no process is left when the answer is there",
        alone=(Layer.NAMESPACES,),
    ),
    Attempt(
        12,
        "daemon that keeps the output pipe open",
        (Layer.NAMESPACES,),
        _HOLDS_PIPE,
        "the answer does not wait for it",
        observe=_late,
        alone=(Layer.NAMESPACES,),
    ),
    Attempt(
        33,
        "signals to the owner and to everybody",
        (Layer.NAMESPACES, Layer.LANDLOCK, Layer.PRIVILEGES),
        _KILLS,
        "no process outside can be named",
        alone=(Layer.NAMESPACES,),
    ),
    Attempt(43, "flood of zombies", _PIDS, _ZOMBIES, "zombies count as processes", alone=(Layer.CGROUP,)),
)
