"""What stands before every program in Python."""

from __future__ import annotations

from typing import Final

__all__ = ["PRELUDE"]

PRELUDE: Final = r'''
import errno, json, os, sys, time
T = json.loads(sys.argv[1])

def say(word, what):
    sys.stdout.write(f"{word} {what}\n")
    sys.stdout.flush()

def why(error):
    return errno.errorcode.get(error.errno, str(error.errno))

def attempt(what, action):
    try:
        got = action()
    except OSError as error:
        say("HELD", f"{what}: {why(error)}")
    else:
        say("BREACH", f"{what} {got!r}"[:300] if got is not None else what)

def libc():
    import ctypes
    found = ctypes.CDLL(None, use_errno=True)
    found.syscall.restype = ctypes.c_long
    return found

def syscall(x86_64, aarch64, *args):
    """Raises OSError; each architecture has its own numbers, None where it lacks the call."""
    import ctypes
    number = aarch64 if os.uname().machine == "aarch64" else x86_64
    if number is None:
        raise OSError(errno.ENOSYS, "not on this machine")
    ready = [arg if isinstance(arg, (bytes, type(None), ctypes.Array, ctypes.Structure)) else ctypes.c_long(arg)
             for arg in args]
    value = libc().syscall(ctypes.c_long(number), *ready)
    if value < 0:
        raise OSError(ctypes.get_errno(), "")
    return value

def reached(what, *args):
    """The call itself is refused, whatever its arguments: else the kernel looked at them."""
    try:
        syscall(*args)
    except OSError as error:
        refused = error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES)
        say("HELD" if refused else "BREACH", f"{what}: {why(error)}")
    else:
        say("BREACH", f"{what}: done")

def name_myself():
    """So that the host can find what is left of this program."""
    libc().prctl(15, T["name"].encode(), 0, 0, 0)
'''
