"""What runs a language: the interpreter, its flags, and what it reads of the host."""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pitchey_code.checking import (
    JAVASCRIPT_CHECKER,
    JAVASCRIPT_CHECKER_FILE,
    PYTHON_CHECKER,
    PYTHON_CHECKER_FILE,
    TYPESCRIPT_CHECKER,
    TYPESCRIPT_CHECKER_FILE,
    from_checker,
    from_deno,
    from_node,
)
from pitchey_core.errors import ToolMissing
from pitchey_core.isolation import Program
from pitchey_core.isolation.interpreter import python_program
from pitchey_core.isolation.jail.root import TEMPORARY

if TYPE_CHECKING:
    from pitchey_code.facts import Finding
    from pitchey_core.context import JobContext
    from pitchey_core.isolation import SandboxReport

__all__ = ["Runtime", "runtime_for"]

_MIB: Final = 1024**2
_SPARE: Final = 512 * _MIB


class Runtime(ABC):
    """Runs sources of one language.

    Attributes:
        name: What the facts call it.
        suffix: Of a source that comes without a name.
        parser_files: What the parsers need in the working folder beside the source.
    """

    name: str
    suffix: str
    parser_files: Mapping[str, bytes] = MappingProxyType({})

    @abstractmethod
    def program(self, file: str, args: Sequence[str], memory_bytes: int) -> Program:
        """How to run a source file of the working folder."""

    @abstractmethod
    def parsers(self, file: str) -> Sequence[Program]:
        """How to parse it, and do nothing more; each forgives what the next does not."""

    @abstractmethod
    def findings(self, report: SandboxReport) -> list[Finding]:
        """What the parser said.

        Raises:
            ValueError, KeyError: It cannot be understood.
        """

    def address_space(self, memory_bytes: int) -> int | None:  # noqa: ARG002
        """A backstop above the counted limit; JavaScript engines reserve far more than they use."""
        return None


class _Python(Runtime):
    """The version of Python that runs this process, without its site packages."""

    name = f"cpython {platform.python_version()}"
    suffix = ".py"
    parser_files = MappingProxyType({PYTHON_CHECKER_FILE: PYTHON_CHECKER.encode()})

    def __init__(self, *, warm: bool) -> None:
        self.warm = warm

    def program(self, file: str, args: Sequence[str], memory_bytes: int) -> Program:  # noqa: ARG002
        return python_program(file, args, warm=self.warm)

    def parsers(self, file: str) -> Sequence[Program]:
        return [python_program(PYTHON_CHECKER_FILE, [file], warm=self.warm)]

    def findings(self, report: SandboxReport) -> list[Finding]:
        return from_checker(report.stdout.data)

    def address_space(self, memory_bytes: int) -> int | None:
        return 2 * memory_bytes + _SPARE


class _Deno(Runtime):
    """Deno, with no permission but for its own folder. The walls hold without that, too."""

    name = "deno"

    def __init__(self, binary: Path, suffix: str, *, isolated: bool) -> None:
        self.binary = binary
        self.suffix = suffix
        self.checker, source = JAVASCRIPT_CHECKER_FILE, JAVASCRIPT_CHECKER
        if suffix == ".ts":
            self.checker, source = TYPESCRIPT_CHECKER_FILE, TYPESCRIPT_CHECKER
        self.parser_files = {self.checker: source.encode()}
        self.env = {"DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
        if isolated:
            # Not among the program's own files, where it would be collected.
            self.env["DENO_DIR"] = f"{TEMPORARY}/deno"

    def program(self, file: str, args: Sequence[str], memory_bytes: int) -> Program:
        flags = [
            *("--no-remote", "--no-npm", "--no-config", "--no-lock", "--no-check", "--no-prompt", "--quiet"),
            *("--allow-read=.", "--allow-write=."),
            # The counted limit is what ends a program: below it, V8 would end it with a signal.
            f"--v8-flags=--max-old-space-size={memory_bytes // _MIB}",
        ]
        return self._started("run", *flags, file, *args)

    def parsers(self, file: str) -> Sequence[Program]:
        # Not "check", which is for types.
        first = self._started("lint", "--no-config", "--json", file)
        flags = (
            "--no-remote",
            "--no-npm",
            "--no-config",
            "--no-lock",
            "--no-prompt",
            "--quiet",
            "--allow-read=.",
        )
        return [first, self._started("run", *flags, self.checker, file)]

    def _started(self, *args: str) -> Program:
        return Program((str(self.binary), *args), self.env, (self.binary,))

    def findings(self, report: SandboxReport) -> list[Finding]:
        answer = report.stdout.data
        return from_checker(answer) if answer.startswith(b"[") else from_deno(answer)


class _Node(Runtime):
    """Node, for JavaScript where there is no Deno."""

    name = "node"
    suffix = ".mjs"

    def __init__(self, binary: Path) -> None:
        self.binary = binary

    def program(self, file: str, args: Sequence[str], memory_bytes: int) -> Program:
        return self._started(f"--max-old-space-size={memory_bytes // _MIB}", file, *args)

    def parsers(self, file: str) -> Sequence[Program]:
        return [self._started("--check", file)]

    def _started(self, *args: str) -> Program:
        return Program((str(self.binary), *args), {"NO_COLOR": "1"}, (self.binary,))

    def findings(self, report: SandboxReport) -> list[Finding]:
        return from_node(report.exit_status, report.stderr.data)


def runtime_for(language: str, job: JobContext, *, isolated: bool) -> Runtime:
    """What runs a language on this host.

    Args:
        isolated: Whether there will be walls around it.

    Raises:
        ToolMissing: Nothing does.
    """
    if language == "python":
        return _Python(warm=isolated)
    try:
        suffix = ".ts" if language == "typescript" else ".js"
        return _Deno(Path(os.path.realpath(job.tool("deno"))), suffix, isolated=isolated)
    except ToolMissing as missing:
        if language == "typescript":
            raise
        try:
            return _Node(Path(os.path.realpath(job.tool("node"))))
        except ToolMissing:
            raise missing from None
