"""Checks of jobs that cannot work: bad payloads, bad inputs, an output that cannot be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pitchey_core.errors import InputError, PitcheyError, UsageError
from pitchey_core.processor import AnyProcessor
from pitchey_core.storage import display
from pitchey_core.testing.subject import Subject
from pitchey_core.testing.workbench import Ran, Workbench

__all__ = ["RefusalChecks"]


class RefusalChecks(Subject):
    """A user's mistake is the user's error: named, not retried, and nothing is left of the job."""

    def test_bad_payloads_are_refused(
        self, workbench: Workbench, given: Mapping[str, Any], given_bad: Sequence[Mapping[str, Any]]
    ) -> None:
        """``UsageError`` or ``InputError``; a ``ProcessorError`` would be retried and never work."""
        for payload in [{**given, "no_such_field": 1}, *given_bad]:
            error = _refusal(workbench, payload)
            assert isinstance(error, UsageError | InputError), f"{payload!r} ended with {error!r}"
            assert error.message.strip()
            assert not error.retryable
            assert workbench.files() == {}
            assert workbench.left_behind() == []

    def test_missing_input(
        self, workbench: Workbench, subject: AnyProcessor, given: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """A file that is not there."""
        self._check_input(workbench, subject, given, tmp_path / "missing-input.bin")

    def test_empty_input(
        self, workbench: Workbench, subject: AnyProcessor, given: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """A file without content."""
        empty = tmp_path / "empty-input.bin"
        empty.touch()
        self._check_input(workbench, subject, given, empty)

    def test_folder_as_input(
        self, workbench: Workbench, subject: AnyProcessor, given: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """A folder where a file should be."""
        folder = tmp_path / "folder-input"
        folder.mkdir()
        self._check_input(workbench, subject, given, folder)

    def _check_input(
        self, workbench: Workbench, subject: AnyProcessor, given: Mapping[str, Any], path: Path
    ) -> None:
        for field in self.inputs_of(subject, given):
            value = [str(path)] if isinstance(given[field], list | tuple) else str(path)
            error = _refusal(workbench, {**given, field: value})
            assert isinstance(error, InputError), f"{field}={path.name} ended with {error!r}"
            assert path.name in display(error.message), (
                f"the message does not name the input: {error.message}"
            )
            assert workbench.files() == {}
            assert workbench.left_behind() == []

    def test_output_that_cannot_be_written(
        self, workbench: Workbench, given: Mapping[str, Any], finished: Ran
    ) -> None:
        """An output folder below a regular file, which not even root can make."""
        in_the_way = workbench.folder / "a-file"
        in_the_way.write_bytes(b"something of the user's")
        ran = workbench.run(given, output=in_the_way / "output")
        if finished.result.artifacts:
            assert isinstance(ran.result.error, InputError), f"it ended with {ran.result.error!r}"
        assert in_the_way.read_bytes() == b"something of the user's"
        assert ran.left == []


def _refusal(workbench: Workbench, payload: Mapping[str, Any]) -> PitcheyError | None:
    try:
        return workbench.run(payload).result.error
    except PitcheyError as error:
        return error
