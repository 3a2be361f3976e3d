"""Hostile models in a slot: stopped by its limits, and nobody else is hurt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from inference_models import endless_model, model_of, save, tensor
from onnx import TensorProto, helper
from pitchey_cli import Cli

import pitchey_core
from pitchey_core.errors import LimitExceeded
from pitchey_core.resources import MIB


def hungry_model() -> onnx.ModelProto:
    """Makes a tensor as large as its input says."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Exp", ["zeros"], ["ones"]),
        helper.make_node("ReduceSum", ["ones", "axis"], ["y"], keepdims=1),
    ]
    shape = tensor("shape", TensorProto.INT64, [2])
    return model_of(nodes, [shape], [tensor("y", shape=("a", "b"))], {"axis": np.array([0, 1])})


def run(model: Path, **fields: Any) -> Any:
    return pitchey_core.run("inference", model=str(model), check=False, **fields)


def test_a_loop_that_never_ends_is_killed_and_says_wall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pitchey.toml").write_text("[processors.inference]\nwall_limit = 1.0\n")
    path = save(endless_model(), tmp_path / "endless.onnx")
    result = run(path, input_data={"tensors": {"x": [[1, 2, 3]]}})
    assert isinstance(result.error, LimitExceeded)
    assert result.error.limit == "wall"
    assert result.usage.wall_us < 6e6


def test_a_model_that_takes_all_memory_is_killed_and_says_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size comes from the input, so no check before could have seen it."""
    monkeypatch.chdir(tmp_path)
    small = f"[instance_types.small]\nvcpus = 1\nmemory_bytes = {300 * MIB}\n"
    (tmp_path / "pitchey.toml").write_text(f'{small}[processors.inference]\ninstance_type = "small"\n')
    path = save(hungry_model(), tmp_path / "hungry.onnx")
    result = run(path, input_data={"tensors": {"shape": [200_000, 5_000]}})
    assert isinstance(result.error, LimitExceeded), result.error
    assert result.error.limit == "memory"


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["wall", "memory"])
def test_neighbours_of_a_killed_model_are_done(tmp_path: Path, limit: str) -> None:
    """In one batch with it, and in the next."""
    cli = Cli(tmp_path)
    (tmp_path / "pitchey.toml").write_text(
        f"[instance_types.small]\nvcpus = 1\nmemory_bytes = {700 * MIB}\n"
        '[processors.inference]\ninstance_type = "small"\nwall_limit = 10\n'
    )
    save(endless_model() if limit == "wall" else hungry_model(), tmp_path / "bad.onnx")
    tensors: dict[str, Any] = {"x": [[1, 2, 3]]} if limit == "wall" else {"shape": [400_000, 5_000]}
    good = [
        {"type": "inference", "payload": {"model": "sentiment-v1", "text": f"a wonderful film {number}"}}
        for number in range(6)
    ]
    bad = {
        "type": "inference",
        "payload": {"model": "./bad.onnx", "input_data": {"tensors": tensors}},
    }
    # JSON is YAML.
    (tmp_path / "batch.yaml").write_text(json.dumps({"jobs": [good[0], bad, *good[1:]]}))
    ran = cli("batch", "batch.yaml", "--json", timeout=100)
    cli.close()
    errors = [line["error"] for line in ran.lines if line.get("error")]
    assert ran.code == 1, ran.err
    assert [(each["class"], each["limit"]) for each in errors] == [("LimitExceeded", limit)], ran.out
    assert sum(line.get("status") == "completed" for line in ran.lines) == 6, ran.out


def test_a_model_that_takes_too_long_leaves_its_batch_alive(ask: Any, tmp_path: Path) -> None:
    path = save(endless_model(), tmp_path / "endless.onnx")
    # Loading it is not what is limited here, and takes its time on a busy host.
    ask("sentiment-v1", {"text": "a wonderful film"})
    ask.bench.limits = ask.bench.limits.with_(wall_seconds=3.0)
    endless = ask.payload(path, {"tensors": {"x": [[1, 2, 3]]}})
    good = ask.payload("sentiment-v1", {"text": "a wonderful film"})
    found = ask.together([endless, good])
    assert isinstance(found[0], LimitExceeded)
    assert found[0].limit == "wall"
    assert found[1].label == "positive"
