"""Runs a Python file as ``python -I -S -B FILE`` would, in a fork of an interpreter that has started already."""

from __future__ import annotations

import gc
import os
import signal
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

__all__ = ["PRELOADED", "preload", "run_as_main"]

PRELOADED: Final = (
    "bisect", "collections", "copy", "datetime", "functools", "heapq", "itertools", "json", "math", "operator", "re",
    "string",
)  # fmt: skip
"""Modules that many programs import; loaded once, before the first fork.

Not ``random`` and ``threading``: each does something after every fork, in every sandbox, which takes as long as it does
to load it where it is wanted.
"""


def preload() -> None:
    """Load what programs will want."""
    for name in PRELOADED:
        __import__(name)


def forget_launcher() -> None:
    """Look like an interpreter that has just started, from now on and in all forks. Nothing of ours can be imported
    after that."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pitchey_core"]:
        del sys.modules[name]
    sys.path_importer_cache.clear()
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=__builtins__, __cached__=None)
    sys.modules["__main__"] = main
    # What the collector touches in a fork has to be copied.
    gc.collect()
    gc.freeze()


def run_as_main(argv: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Run ``argv[0]`` as the main module and exit; returns to nobody."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.path.insert(0, os.getcwd())
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = list(argv)
        sys.orig_argv = [sys.executable, "-I", "-S", "-B", *argv]
        sys.modules["__main__"].__file__ = argv[0]
        status = _run(argv[0])
    except BaseException:  # noqa: BLE001 - code that replaced what ends it
        status = 1
    finally:
        os._exit(status)


def _run(path: str) -> int:
    try:
        with open(path, "rb") as file:
            source = file.read()
        code = compile(source, path, "exec", dont_inherit=True)
        exec(code, sys.modules["__main__"].__dict__)  # noqa: S102 - what the sandbox is for
        status = 0
    except SystemExit as error:
        status = _exit_status(error.code)
    except BaseException as error:  # noqa: BLE001 - whatever it raised is shown, as by the interpreter itself
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        status = 1
    return _finish(status)


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does with such an exit code
    return 1


def _finish(status: int) -> int:
    """What the interpreter does at its end, in its order: threads, exit functions, streams."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()  # noqa: SLF001 - it has no public name
    import atexit

    atexit._run_exitfuncs()  # noqa: SLF001 - the same
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            status = status or 120
    return status
