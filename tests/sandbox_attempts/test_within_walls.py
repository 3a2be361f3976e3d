"""Each attempt is stopped by the whole sandbox, and those of one wall by that wall alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attempt_support import attempt_id, deno_path

from pitchey_core.isolation import Layer, Sandbox, probe
from pitchey_core.isolation.attempts import ATTEMPTS, Attempt, Outcome, Targets
from pitchey_core.isolation.attempts.running import run_one


@pytest.fixture(scope="module")
def grounds() -> Iterator[tuple[Sandbox, Targets]]:
    with Targets() as targets, Sandbox() as sandbox:
        yield sandbox, targets


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("attempt", ATTEMPTS, ids=attempt_id)
def test_it_is_stopped(attempt: Attempt, warm: bool, grounds: tuple[Sandbox, Targets]) -> None:
    if attempt.language == "javascript" and (warm or deno_path() is None):
        pytest.skip("Deno starts cold, where it is installed")
    result = run_one(*grounds, attempt, deno=deno_path(), warm=warm)
    assert result.outcome is Outcome.STOPPED, result
    assert result.by
    if attempt.verdicts and not {"signal", "ok", "memory"} & attempt.verdicts:
        assert result.verdict in attempt.verdicts


TASKS = {1, 2, 43}
ALONE = [(attempt, layer) for attempt in ATTEMPTS for layer in attempt.alone]


def test_each_main_layer_is_shown_to_hold_alone() -> None:
    assert {layer for _, layer in ALONE} >= {
        Layer.NAMESPACES,
        Layer.ROOT,
        Layer.SECCOMP,
        Layer.LANDLOCK,
        Layer.CGROUP,
        Layer.RLIMITS,
        Layer.PRIVILEGES,
    }


@pytest.mark.parametrize(
    ("attempt", "layer"), ALONE, ids=[f"{attempt_id(attempt)}-{layer}" for attempt, layer in ALONE]
)
def test_a_layer_alone_stops_what_it_is_there_for(
    attempt: Attempt, layer: Layer, grounds: tuple[Sandbox, Targets]
) -> None:
    if (found := probe()[layer]).startswith("not enforced"):
        pytest.skip(f"this host has no {layer}: {found}")
    if attempt.number in TASKS and layer is Layer.CGROUP and not found.startswith("cgroup"):
        pytest.skip(f"rlimits hold the number of tasks where the layer is: {found}")
    changes = {"layers": frozenset({layer}), "required": frozenset({layer})}
    if layer is not Layer.RLIMITS:
        changes["address_space_bytes"] = None
    # Another user may not be able to start an interpreter that lies in a closed home folder.
    warm = layer is Layer.PRIVILEGES
    result = run_one(*grounds, attempt, deno=deno_path(), warm=warm, changes=changes)
    assert result.outcome is Outcome.STOPPED, result
    assert result.by == (str(layer),), result
