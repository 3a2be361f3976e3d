"""A model is looked through before it is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from inference_models import (
    add_model,
    endless_model,
    external_model,
    model_of,
    nested_model,
    save,
    tensor,
    write_manifest,
)
from onnx import TensorProto, helper

from pitchey_core.errors import ConfigError, InputError, LimitExceeded
from pitchey_inference.checks import ModelLimits, check_model, survey

X = {"tensors": {"x": [[1, 2, 3]]}}


def check(model: onnx.ModelProto, **limits: Any) -> Any:
    return check_model(model.SerializeToString(), "m.onnx", ModelLimits(**limits))


def test_what_is_counted_is_what_the_onnx_package_counts() -> None:
    model = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        [tensor("x")],
        [tensor("y", shape=("n", 5))],
        {"w": np.zeros((3, 5), np.float32), "unused": np.zeros(7, np.int64)},
    )
    found = survey(model.SerializeToString())
    assert (found.nodes, found.loops, found.depth) == (2, 0, 1)
    assert found.operators == {"MatMul": 1, "Relu": 1}
    assert (found.largest_tensor, found.tensor_bytes) == (60, 60 + 56)


def test_loops_and_graphs_within_graphs_are_counted() -> None:
    assert survey(endless_model().SerializeToString()).loops == 1
    assert survey(nested_model(3).SerializeToString()).depth == 4


@pytest.mark.parametrize(
    ("model", "limits", "words"),
    [
        (add_model(), {"max_nodes": 0 + 1}, None),
        (nested_model(3), {"max_nodes": 5}, "operators"),
        (endless_model(), {"max_loops": 0}, "Loop and Scan"),
        (nested_model(8), {"max_depth": 4}, "graphs within one another"),
        (add_model(), {"max_bytes": 10}, "bytes"),
    ],
)
def test_limits(model: onnx.ModelProto, limits: dict[str, int], words: str | None) -> None:
    if words is None:
        check(model, **limits)
        return
    with pytest.raises(LimitExceeded, match=words) as caught:
        check(model, **limits)
    assert "plugins.inference." in str(caught.value.remedy)


def test_a_small_file_that_declares_a_large_tensor_is_refused() -> None:
    model = add_model()
    model.graph.initializer.append(
        TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20])
    )
    with pytest.raises(LimitExceeded, match="bytes in one tensor"):
        check(model)


def test_a_small_file_that_makes_a_large_tensor_is_refused() -> None:
    node = helper.make_node("ConstantOfShape", ["shape"], ["y"])
    model = model_of([node], [], [tensor("y", shape=("a", "b"))], {"shape": np.array([1 << 20, 1 << 14])})
    with pytest.raises(LimitExceeded, match="bytes in one tensor"):
        check(model)


def test_operators_of_a_library_are_refused_by_name() -> None:
    node = helper.make_node("Evil", ["x"], ["y"], domain="evil.ops")
    with pytest.raises(InputError, match=r"evil\.ops::Evil"):
        check(model_of([node], [tensor("x")], [tensor("y")], domains=["evil.ops"]))


def test_operators_that_the_file_defines_itself_are_allowed() -> None:
    body = helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    node = helper.make_node("Twice", ["x"], ["y"], domain="mine")
    check(model_of([node], [tensor("x")], [tensor("y")], domains=["mine"], functions=[body]))


@pytest.mark.parametrize("location", ["/etc/passwd", "../w.bin", "a/../../w.bin", "sub/w.bin", "~/w.bin", ""])
def test_tensors_in_files_elsewhere_are_refused(location: str) -> None:
    with pytest.raises(InputError, match="not a file beside the model"):
        check(external_model(location))


def test_tensors_in_a_file_beside_the_model_are_read(ask: Any, tmp_path: Path) -> None:
    weights = np.array([10, 20, 30], np.float32)
    (tmp_path / "m.onnx.data").write_bytes(weights.tobytes())
    path = save(external_model("m.onnx.data", weights), tmp_path / "m.onnx")
    facts = ask(path, X)
    assert facts.result.outputs["y"].data == [[11, 22, 33]]


def test_a_link_out_of_the_folder_is_refused(ask: Any, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(12))
    folder = tmp_path / "bundle"
    save(external_model("w.bin"), folder / "model.onnx")
    (folder / "w.bin").symlink_to(tmp_path / "secret")
    write_manifest(
        folder, name="m", task="tensors", files={"model": {"path": "model.onnx"}, "w": {"path": "w.bin"}}
    )
    with pytest.raises(InputError, match="leads out of"):
        ask(folder, X)


def test_a_file_that_the_manifest_does_not_list_is_not_read(ask: Any, tmp_path: Path) -> None:
    save(external_model("w.bin"), tmp_path / "model.onnx")
    (tmp_path / "w.bin").write_bytes(bytes(12))
    write_manifest(tmp_path, name="m", task="tensors", files={"model": {"path": "model.onnx"}})
    with pytest.raises(InputError, match="does not list"):
        ask(tmp_path, X)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 50, b"not a model at all", b"\x08\x08", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 40],
    ids=["empty", "zeros", "text", "no-graph", "too-long", "ones"],
)
def test_what_is_no_model_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(InputError, match="not an ONNX model"):
        check_model(data, "m.onnx", ModelLimits())


def test_every_cut_of_a_model_is_refused_or_read(tmp_path: Path) -> None:
    """No exception of another class, whatever is missing."""
    data = nested_model(2).SerializeToString()
    for end in range(0, len(data), 3):
        try:
            check_model(data[:end], "m.onnx", ModelLimits())
        except (InputError, LimitExceeded):
            continue


def test_the_ort_format_is_refused() -> None:
    with pytest.raises(InputError, match="ORT format"):
        check_model(b"\x18\0\0\0ORTM" + bytes(100), "m.onnx", ModelLimits())


def test_graphs_nested_deeper_than_any_stack_are_refused() -> None:
    # Branches double with each level in the helper above; here only lengths nest.
    def field(number: int, data: bytes) -> bytes:
        size, out = len(data), bytearray([number << 3 | 2])
        while size > 127:
            out.append(size & 127 | 128)
            size >>= 7
        return bytes([*out, size]) + data

    graph = field(1, field(4, b"Relu"))
    for _ in range(3000):
        graph = field(1, field(4, b"If") + field(5, field(1, b"b") + field(6, graph)))
    with pytest.raises(InputError, match="nested more than"):
        check_model(field(7, graph), "m.onnx", ModelLimits())


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match=r"plugins\.inference\.max_node ") as caught:
        ModelLimits.from_options({"max_node": 3})
    assert "max_nodes" in str(caught.value.remedy)
    with pytest.raises(ConfigError, match=r"plugins\.inference\.max_nodes"):
        ModelLimits.from_options({"max_nodes": -1, "models": {}})
