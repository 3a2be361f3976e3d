"""Sets limits on itself and becomes another program. Run as a script with ``python -I -S``; never imported.

Usage: ``launcher.py SETTINGS [FOLDER …] PROGRAM ARGV0 [ARGUMENT …]`` with SETTINGS as ``name=integer,…``; ``folders``
says how many FOLDERs there are. It writes what it enforced as ``name=words`` lines to the descriptor ``report``, which
closes when PROGRAM starts. A separate
program and not a ``preexec_fn``, because code between fork and exec may deadlock in a caller that has
threads. It imports as little as it can: every millisecond here is paid by every external program.
"""

import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_RLIMITS = {
    "cpu": resource.RLIMIT_CPU,
    "address_space": resource.RLIMIT_AS,
    "file": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
}


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _leave_network(libc) -> str:  # type: ignore[no-untyped-def] # ctypes is imported late
    import ctypes

    uid, gid = os.getuid(), os.getgid()
    # Without a user namespace first: root inside one loses its rights over other users' files.
    if libc.unshare(_CLONE_NEWNET) == 0:
        return "network namespace"
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return "not enforced: " + os.strerror(ctypes.get_errno())
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    return "user and network namespace"


def _set_rlimit(name: str, value: int) -> str:
    which = _RLIMITS[name]
    _, hard = resource.getrlimit(which)
    ceiling = value + 1 if name == "cpu" else value
    if hard != resource.RLIM_INFINITY:
        value, ceiling = min(value, hard), min(ceiling, hard)
    try:
        resource.setrlimit(which, (value, ceiling))
    except (OSError, ValueError) as error:
        return f"not enforced: {error}"
    return "rlimit"


def main() -> None:
    settings = {
        name: int(value) for name, _, value in (each.partition("=") for each in sys.argv[1].split(","))
    }
    begin = 2 + settings.get("folders", 0)
    folders, program, arguments = sys.argv[2:begin], sys.argv[begin], sys.argv[begin + 1 :]
    report = settings["report"]
    os.set_inheritable(report, False)
    # Python ignores these two at its start, and an ignored signal stays ignored across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    import ctypes  # takes 3 ms

    libc = ctypes.CDLL(None, use_errno=True)
    enforced = {}
    if settings.get("network") == 0:
        enforced["network"] = _leave_network(libc)
    if settings.get("niceness"):
        os.nice(settings["niceness"])
    for name in _RLIMITS:
        if name in settings:
            enforced[name] = _set_rlimit(name, settings[name])
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if "folders" in settings:
        # At the end of the path, so that none of our neighbours stands in for a standard module.
        sys.path.append(os.path.dirname(__file__))  # noqa: PTH120
        enforced["folders"] = __import__("landlock").confine(folders, program)
    if "parent" in settings:
        # After unshare: a change of credentials clears it.
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != settings["parent"]:
            os._exit(126)
        enforced["parent_death"] = "signal"
    os.write(
        report, "".join(f"{name}={words}\n" for name, words in enforced.items()).encode("utf-8", "replace")
    )
    try:
        os.execv(program, arguments)  # noqa: S606 - as everywhere here, an argument list and no shell
    except OSError as error:
        os.write(report, f"exec={error.errno}\n".encode("ascii"))
        os._exit(126)


if __name__ == "__main__":
    main()
