"""Checks of jobs that are run to their end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pitchey_core.errors import OutputExists
from pitchey_core.processor import MAX_FACTS_BYTES, AnyProcessor, Result
from pitchey_core.storage import MANIFEST_NAME, check_name, to_path
from pitchey_core.testing.subject import Subject
from pitchey_core.testing.workbench import Ran, Workbench

__all__ = ["OutcomeChecks", "check_artifacts"]

_RESULT_KEYS = {"job_id", "status", "artifacts", "facts", "usage", "cost_usd", "error"}


class OutcomeChecks(Subject):
    """The result, the facts, the outputs, the usage and the progress of a job that works."""

    def test_completes_in_a_slot(self, finished: Ran) -> None:
        """As in the runner: in a supervised child process."""
        assert finished.result.status == "completed"
        assert finished.left == []

    def test_completes_in_this_process(self, workbench: Workbench, given: Mapping[str, Any]) -> None:
        """As in a debugger: ``isolation="none"``."""
        ran = workbench.run(given, isolation="none")
        assert ran.result.error is None
        assert ran.result.status == "completed"
        check_artifacts(ran.result, ran.output)
        assert ran.left == []

    def test_result_survives_json(self, finished: Ran) -> None:
        """The Result object is what ``--json`` prints and the store keeps."""
        record = finished.result.as_record()
        assert set(record) == _RESULT_KEYS
        assert json.loads(json.dumps(record, allow_nan=False)) == record

    def test_facts_are_valid_and_small(self, subject: AnyProcessor, finished: Ran) -> None:
        """Facts are typed data; what is large is an artifact."""
        facts = finished.result.facts
        assert isinstance(facts, subject.facts_model)
        encoded = facts.model_dump_json()
        assert len(encoded.encode()) <= MAX_FACTS_BYTES
        assert subject.facts_model.model_validate_json(encoded) == facts
        assert facts.partial is False

    def test_artifacts_are_as_described(self, finished: Ran) -> None:
        """Each is there, with the size and digest that the result says, and nothing else is."""
        check_artifacts(finished.result, finished.output)

    def test_usage_is_measured(self, subject: AnyProcessor, given: Mapping[str, Any], finished: Ran) -> None:
        """Usage is what the cost is computed from."""
        usage = finished.result.usage
        assert usage.wall_us > 0
        assert usage.cpu_us > 0
        assert usage.peak_memory_bytes > 0
        assert usage.complete
        assert usage.bytes_out == sum(artifact.bytes for artifact in finished.result.artifacts)
        if self.inputs_of(subject, given):
            assert usage.bytes_in > 0, "inputs are read through job.fetch"
        assert finished.result.cost_nanos > 0

    def test_progress_rises_to_its_end(self, finished: Ran) -> None:
        """A bar that falls, or stops short, is worse than none."""
        fractions = finished.progress.fractions
        assert all(0 <= fraction <= 1 for fraction in fractions)
        assert fractions == sorted(fractions)
        if fractions:
            assert fractions[-1] == 1.0, "report progress(1.0) at the end, or no fractions at all"

    def test_names_are_the_same_each_time_and_outputs_are_safe(
        self, workbench: Workbench, given: Mapping[str, Any]
    ) -> None:
        """The same payload leads to the same names, so that a second run is refused unless it may overwrite."""
        first = workbench.run(given)
        assert first.result.error is None
        before = workbench.files()
        second = workbench.run(given)
        if first.result.artifacts:
            assert isinstance(second.result.error, OutputExists), (
                f"a second run wrote {sorted(set(workbench.files()) - set(before))} beside the first one's outputs; "
                "names must follow from the payload"
            )
            assert workbench.files() == before, "a run that was refused has touched the outputs of the first"
        else:
            assert second.result.error is None
        third = workbench.run(given, overwrite=True)
        assert third.result.error is None
        assert _names(third.result) == _names(first.result)
        check_artifacts(third.result, third.output)
        assert [*first.left, *second.left, *third.left] == []


def _names(result: Result[Any]) -> list[str]:
    return sorted(artifact.name for artifact in result.artifacts)


def check_artifacts(result: Result[Any], output: Path) -> None:
    """Compare a result with what is in its output folder."""
    names = [artifact.name for artifact in result.artifacts]
    assert len({name.casefold() for name in names}) == len(names), "two artifacts differ by case only"
    for artifact in result.artifacts:
        assert check_name(artifact.name) == artifact.name
        assert "/" in artifact.media_type.strip("/"), f"{artifact.media_type!r} is no media type"
        path = to_path(artifact.uri)
        assert path == output.absolute() / artifact.name
        data = path.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (artifact.bytes, artifact.sha256)
    found = {path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir()}
    others = sorted(found - {*names, MANIFEST_NAME})
    assert not others, f"the output folder also holds {', '.join(others)}, which the result does not list"
    assert bool(names) == (MANIFEST_NAME in found)
    if names:
        manifest = json.loads((output / MANIFEST_NAME).read_bytes())
        assert manifest["artifacts"] == [artifact.as_record() for artifact in result.artifacts]
