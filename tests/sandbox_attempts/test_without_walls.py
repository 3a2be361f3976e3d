"""Each attempt succeeds where nothing stops it; else it would show nothing that it fails in a sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from attempt_support import attempt_id, deno_path, is_possible_here
from naive_judge import judge

from pitchey_core.isolation.attempts import ATTEMPTS, Attempt, Targets


@pytest.fixture
def targets() -> Iterator[Targets]:
    with Targets() as made:
        yield made


def test_there_are_forty_and_a_few_more() -> None:
    numbers = {attempt.number for attempt in ATTEMPTS}
    assert set(range(1, 41)) <= numbers
    titles = [attempt.title for attempt in ATTEMPTS]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=attempt_id)
def test_it_succeeds_without_walls(attempt: Attempt, targets: Targets) -> None:
    if (reason := is_possible_here(attempt)) is not None:
        pytest.skip(reason)
    seen = judge(attempt, targets, deno=deno_path())
    crashed = seen.detail if seen.detail and "crashed" in seen.detail else None
    assert attempt.breach(seen) or crashed, (attempt.evidence(seen), seen, os.getuid())
