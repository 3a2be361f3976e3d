"""One exception tree. The class says who can help, and whether trying again can.

::

    PitcheyError                  exit 1
    ├── UsageError                exit 2   the call itself is wrong
    │   └── UnknownName                    ... and here is what was probably meant
    ├── ConfigError               exit 2   pitchey.toml, environment or price book; names the key path
    ├── RegistryError             exit 2   two plugins claim one name
    ├── InputError                         this input can never work; not retried
    │   └── OutputExists                   refused without ``overwrite``
    ├── LimitExceeded                      wall, cpu, memory, output, pixels, …; not retried
    ├── DependencyMissing         exit 3
    │   ├── ToolMissing                    an external program is not on this host
    │   └── ExtraMissing                   a pip extra is not installed
    ├── ToolFailed                         an external program ended with an error
    ├── PartialFailure                     some outputs are good and published, others are not
    ├── ProcessorError            retried  a processor raised something of its own
    ├── TransientError            retried  the same job may succeed later
    │   ├── OutOfSpace                     the disk is full
    │   └── SlotCrashed                    the child process of the job died
    ├── Cancelled                          somebody asked for the job to stop
    ├── BudgetExceeded                     a budget is used up and refuses new jobs
    ├── LeaseLost                          another worker owns the job now; publish nothing
    └── StoreError                         the job store cannot be used
        └── StoreAway         retried  its server is away, and may come back
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar, Final

__all__ = [
    "BudgetExceeded",
    "Cancelled",
    "ConfigError",
    "DependencyMissing",
    "ExtraMissing",
    "InputError",
    "LeaseLost",
    "LimitExceeded",
    "OutOfSpace",
    "OutputExists",
    "PartialFailure",
    "PitcheyError",
    "ProcessorError",
    "RegistryError",
    "SlotCrashed",
    "StoreAway",
    "StoreError",
    "ToolFailed",
    "ToolMissing",
    "TransientError",
    "UnknownName",
    "UsageError",
    "error_from_record",
]


_RECORDED_TAIL: Final = 2000
"""Characters of a tool's stderr that go into a record; the attempt's log has them all."""


class PitcheyError(Exception):
    """Base of every error that Pitchey raises on purpose.

    Args:
        message: What was wrong with which input, in one sentence.
        remedy: What the user can do about it, preferably a command to copy.
    """

    exit_code: ClassVar[int] = 1
    retryable: bool = False

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        # Many raise with another exception for the message; what goes through JSON has to be text.
        self.message = str(message)
        self.remedy = None if remedy is None else str(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message

    def as_record(self) -> dict[str, Any]:
        """The error as JSON data: ``class``, ``message``, ``remedy``, ``retryable``."""
        return {
            "class": type(self).__name__,
            "message": self.message,
            "remedy": self.remedy,
            "retryable": self.retryable,
        }


class UsageError(PitcheyError):
    """The call is wrong: a missing argument, an option value that does not exist."""

    exit_code = 2


class UnknownName(UsageError):
    """A processor, preset, tool or option value that does not exist.

    Args:
        kind: What was asked for, for example ``"processor"``.
        name: What the user wrote.
        known: The names that exist; the nearest are suggested.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, remedy: str | None = None) -> None:
        names = sorted(set(known))
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        if remedy is None:
            if close:
                remedy = "did you mean " + " or ".join(repr(match) for match in close) + "?"
            elif names:
                remedy = "known: " + ", ".join(names)
        super().__init__(f"unknown {kind} {name!r}", remedy=remedy)
        self.kind = kind
        self.name = name
        self.suggestions = close


class ConfigError(PitcheyError):
    """A setting is wrong. The message starts with its key path, such as ``queues.video.retries``."""

    exit_code = 2


class RegistryError(PitcheyError):
    """Two plugins claim one name; the message names both and their distributions."""

    exit_code = 2


class InputError(PitcheyError):
    """The input is missing, unreadable, corrupt or unsupported. The same input will fail again."""


class OutputExists(InputError):
    """An output is already there and ``overwrite`` was not given."""


class LimitExceeded(PitcheyError):
    """A job needed more than it may use.

    Attributes:
        limit: Which one: ``wall``, ``cpu``, ``memory``, ``output``, ``pixels``, ``duration``, …
    """

    def __init__(self, message: str, *, limit: str, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.limit = limit

    def as_record(self) -> dict[str, Any]:
        return {**super().as_record(), "limit": self.limit}


class DependencyMissing(PitcheyError):
    """Something that the host must provide is not installed; ``remedy`` is the command that installs it."""

    exit_code = 3


class ToolMissing(DependencyMissing):
    """An external program was found neither in the settings, on ``PATH`` nor in a bundled wheel."""


class ExtraMissing(DependencyMissing):
    """A plugin needs packages of a pip extra that is not installed."""


class ToolFailed(PitcheyError):
    """An external program ended with an error.

    Attributes:
        tool: Its name in the tools table.
        returncode: Its exit status; negative for a signal.
        stderr_tail: The end of what it wrote to stderr.
    """

    def __init__(
        self,
        message: str,
        *,
        tool: str,
        returncode: int | None = None,
        stderr_tail: str = "",
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.tool = tool
        self.returncode = returncode
        self.stderr_tail = stderr_tail

    def as_record(self) -> dict[str, Any]:
        return {
            **super().as_record(),
            "tool": self.tool,
            "returncode": self.returncode,
            "stderr_tail": self.stderr_tail[-_RECORDED_TAIL:],
        }


class PartialFailure(PitcheyError):
    """Some outputs of the job are good and will be published; the job itself counts as failed.

    Args:
        facts: The processor's facts as JSON data; ``partial`` is set to true in them.
    """

    def __init__(self, message: str, *, facts: dict[str, Any], remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.facts = {**facts, "partial": True}


class ProcessorError(PitcheyError):
    """A processor raised an exception that is not one of ours: a defect, so a retry may or may not help."""

    retryable = True


class TransientError(PitcheyError):
    """The same job may succeed later: a network fault, a busy device, a full disk."""

    retryable = True


class OutOfSpace(TransientError):
    """The disk that holds the work or the outputs is full."""


class SlotCrashed(TransientError):
    """The child process that ran the job died: a segmentation fault, an ``os._exit``, a kill from outside.

    Attributes:
        returncode: Its exit status; negative for a signal; ``None``: not known.
    """

    def __init__(self, message: str, *, returncode: int | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.returncode = returncode

    def as_record(self) -> dict[str, Any]:
        return {**super().as_record(), "returncode": self.returncode}


class Cancelled(PitcheyError):
    """The job was cancelled."""


class BudgetExceeded(PitcheyError):
    """A budget is used up, and takes no new jobs until its next period or until it is raised."""


class LeaseLost(PitcheyError):
    """The claim on the job is no longer ours; whatever was produced under it must not be published."""


class StoreError(PitcheyError):
    """The job store cannot be opened, read or written."""


class StoreAway(StoreError):
    """The server of the job store cannot be reached now: it is down, starts, or is cut off from this host."""

    retryable = True


class RemoteError(PitcheyError):
    """An error from another process whose class is not known here; the record's own words are kept."""

    def __init__(self, record: dict[str, Any]) -> None:
        super().__init__(str(record.get("message", "unknown error")), remedy=record.get("remedy"))
        self.retryable = bool(record.get("retryable", False))
        self._record = record

    def as_record(self) -> dict[str, Any]:
        return dict(self._record)


def _tree(cls: type[PitcheyError]) -> dict[str, type[PitcheyError]]:
    found = {cls.__name__: cls}
    for sub in cls.__subclasses__():
        found.update(_tree(sub))
    return found


def error_from_record(record: dict[str, Any]) -> PitcheyError:
    """Rebuild an error from :meth:`PitcheyError.as_record`.

    The class is kept where it is known here, so ``except LimitExceeded`` works for a caller of
    :func:`pitchey_core.run` although the limit was hit in another process.
    """
    cls = _tree(PitcheyError).get(str(record.get("class")))
    if cls is None or cls is RemoteError:
        return RemoteError(record)
    error = cls.__new__(cls)
    PitcheyError.__init__(error, str(record.get("message", "")), remedy=record.get("remedy"))
    error.retryable = bool(record.get("retryable", cls.retryable))
    for key, value in _REBUILT_DEFAULTS.get(cls.__name__, {}).items():
        setattr(error, key, record.get(key, value))
    return error


# Attributes beyond message and remedy that the classes promise, for errors that arrive as records.
_REBUILT_DEFAULTS: dict[str, dict[str, Any]] = {
    "LimitExceeded": {"limit": "unknown"},
    "ToolFailed": {"tool": "unknown", "returncode": None, "stderr_tail": ""},
    "SlotCrashed": {"returncode": None},
    "PartialFailure": {"facts": {}},
    "UnknownName": {"kind": "name", "name": "", "suggestions": []},
}
