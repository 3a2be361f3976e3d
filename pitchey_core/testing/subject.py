"""What an author tells the suite about a processor, and the fixtures that the checks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pitchey_core.payload import input_fields
from pitchey_core.processor import AnyProcessor
from pitchey_core.registry import Registry
from pitchey_core.testing.workbench import Ran, Workbench

__all__ = ["Subject"]


class Subject:
    """Base of the groups of checks; see :class:`~pitchey_core.testing.ProcessorSuite` for the attributes."""

    processor: ClassVar[str]
    payload: ClassVar[Any]
    slow_payload: ClassVar[Any] = None
    bad_payloads: ClassVar[Any] = ()
    interrupt_after: ClassVar[float] = 0.3
    stops_when_asked: ClassVar[bool] = True

    _finished: ClassVar[Ran | None] = None

    def load_registry(self) -> Registry:
        """The registry that the checks use: that of the installed plugins."""
        return Registry.load()

    @pytest.fixture
    def workbench(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
        """Where the jobs of a check run."""
        name = getattr(self, "processor", None)
        assert name, f"{type(self).__name__} must say which processor it tests: processor = 'NAME'"
        folder = tmp_path / "workbench"
        folder.mkdir()
        return Workbench(folder, name, self.load_registry(), monkeypatch)

    @pytest.fixture
    def subject(self, workbench: Workbench) -> AnyProcessor:
        """The processor."""
        return workbench.registry.processor(workbench.processor)

    @pytest.fixture
    def given(self, request: pytest.FixtureRequest) -> Mapping[str, Any]:
        """The payload, given as an attribute or as a fixture."""
        found: Mapping[str, Any] = self._lookup(request, "payload")
        assert isinstance(found, Mapping), f"payload must be a mapping, not {type(found).__name__}"
        return found

    @pytest.fixture
    def given_slow(self, request: pytest.FixtureRequest) -> Mapping[str, Any] | None:
        """The payload of a job that takes long enough to be interrupted; ``None``: there is none."""
        found: Mapping[str, Any] | None = self._lookup(request, "slow_payload")
        return found

    @pytest.fixture
    def given_bad(self, request: pytest.FixtureRequest) -> Sequence[Mapping[str, Any]]:
        """Payloads that must be refused."""
        found: Sequence[Mapping[str, Any]] = self._lookup(request, "bad_payloads")
        return found

    def _lookup(self, request: pytest.FixtureRequest, name: str) -> Any:
        value = getattr(type(self), name, ...)
        if value is None or isinstance(value, Mapping | list | tuple):
            return value
        return request.getfixturevalue(name)

    @pytest.fixture
    def finished(
        self, workbench: Workbench, given: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory
    ) -> Ran:
        """One run to completion, shared by the checks that only look at its outcome."""
        cls = type(self)
        if "_finished" not in vars(cls):
            ran = workbench.run(given, output=tmp_path_factory.mktemp("finished") / "output")
            assert ran.result.error is None, f"the job failed: {ran.result.error}"
            cls._finished = ran
        kept = cls._finished
        assert kept is not None
        return kept

    @staticmethod
    def inputs_of(processor: AnyProcessor, payload: Mapping[str, Any]) -> list[str]:
        """Fields of a payload that name an input."""
        return [name for name in input_fields(processor.payload_model) if payload.get(name)]
